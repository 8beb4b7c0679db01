"""The reasons that messages give for errors of the system."""

import errno

import pytest
from pydicom import Dataset
from SpectBoneMetSegLib.common.errors import reason_of


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
