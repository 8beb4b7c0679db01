"""Lines that the commands print."""

from __future__ import annotations

import pytest
from SpectBoneMetSegLib.cli.common import failure_line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("scan.dcm is empty; export it again.", "/a/scan.dcm is empty; export it again."),
        ("/a/scan.dcm is empty.", "/a/scan.dcm is empty."),
        ("The disk is full.", "/a/scan.dcm: The disk is full."),
        ("scan.dcm2 is empty.", "/a/scan.dcm: scan.dcm2 is empty."),
    ],
)
def test_a_failure_names_its_file_once_with_the_path(message, line):
    assert failure_line("/a/scan.dcm", message) == line
