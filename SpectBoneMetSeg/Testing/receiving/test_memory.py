"""What a receiver holds in memory does not grow with what it is sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import dicom_net
from support.dicom_net import free_port, scan, store, until
from support.nm_files import nm

#: MB of an object that is larger than any planar scan.
LARGE = 200


def peak_mb(process: subprocess.Popen) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_large_objects_go_to_the_disk_piece_by_piece(tmp_path):
    port = free_port()
    (tmp_path / "out").mkdir()
    command = [sys.executable, dicom_net.__file__, str(tmp_path / "spool"), str(tmp_path / "out"), str(port)]
    frames = [np.zeros((1024, 512), np.uint16)] * LARGE
    large = nm(*frames, StudyInstanceUID="1.9", SOPInstanceUID="1.9.1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            until(lambda: dicom_net.associate(port).is_established)
            assert [answer.Status for answer in store(port, scan())] == [0]
            before = peak_mb(process)
            assert [answer.Status for answer in store(port, large)] == [0]
            print(f"peak {before:.0f} MB, after {LARGE} MB more {peak_mb(process):.0f} MB")
            assert peak_mb(process) - before < LARGE / 4
        finally:
            process.kill()
