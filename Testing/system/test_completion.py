"""The shell's tab key finishes commands and options."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("argcomplete")


@pytest.mark.parametrize(
    ("line", "ending"), [("spectbonemetseg seg", "segment"), ("spectbonemetseg batch --reg", "--region")]
)
def test_a_started_word_is_completed(tmp_path, line, ending):
    answers = tmp_path / "answers"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([sys.executable, "-m", "SpectBoneMetSegLib.cli.main"], env=environment, check=True)
    assert answers.read_text().strip() == ending
