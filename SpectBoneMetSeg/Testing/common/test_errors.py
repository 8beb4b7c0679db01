"""The reasons that messages give for errors of the system."""

import errno
import re
from pathlib import Path

import pytest
from pydicom import Dataset
from SpectBoneMetSegLib.common.errors import UserError, reason_of, why_unread


def test_the_reason_is_that_of_the_system():
    assert reason_of(OSError(errno.ENOSPC, "No space left on device", "/results/scan")) == "No space left on device"
    assert reason_of(OSError("the scene could not be bundled")) == "the scene could not be bundled"


def test_a_full_disk_under_pydicom_is_named_without_its_traceback():
    class FullDisk:
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

        def seek(self, *_):
            return 0

        def tell(self):
            return 0

        def close(self):
            pass

    scan = Dataset()
    scan.PatientName = "A"
    with pytest.raises(OSError, match="Traceback") as raised:
        scan.save_as(FullDisk(), implicit_vr=True, little_endian=True)
    assert reason_of(raised.value) == "No space left on device"


def test_an_error_without_words_is_named_by_its_kind():
    assert reason_of(TimeoutError()) == "TimeoutError"
    assert reason_of(ValueError("no number\nin many lines")) == "no number"


def test_a_file_left_out_is_given_a_reason_in_words():
    assert why_unread(UserError("scan.dcm is cut short; copy it again.")) == "scan.dcm is cut short; copy it again."
    error = OSError(errno.EIO, "Input/output error", "/scans/a.dcm")
    assert why_unread(error) == "It cannot be read (Input/output error)."


def test_no_message_takes_the_words_of_an_error_of_the_system_but_from_reason_of():
    root = Path(__file__).parents[3]
    # `except` that names OSError, up to the next line with less indentation.
    handler = re.compile(r"^( *)except [^\n]*OSError[^\n]*:\n((?:\1 +[^\n]*\n|\n)+)", re.MULTILINE)
    wrong = []
    for path in sorted(
        path for name in ("SpectBoneMetSeg", "SpectBoneMetSegTraining") for path in root.glob(f"{name}/{name}*/**/*.py")
    ):
        text = path.read_text(encoding="utf-8")
        found = [body for _, body in handler.findall(text) if re.search(r"\{error\}|str\(error\)", body)]
        if found or (re.search(r"(?<!\bos)\.strerror", text) and path.name != "errors.py"):
            wrong.append(str(path.relative_to(root)))
    assert wrong == []
