"""On a file system that is full, a reading ends in one sentence and leaves no part of a result."""

from __future__ import annotations

import os
import subprocess

import pytest
from SpectBoneMetSegLib.cli.main import main
from support.archives import make_archive
from support.small_disk import small_disk

#: Less than the masks of one result, more than the lists of a run.
KILOBYTES = 150


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["segment", "batch"])
def test_a_full_disk_is_named_once_and_no_part_of_a_result_stays(archive, tmp_path, capsys, command):
    given = archive / "P0" if command == "segment" else archive
    with small_disk(tmp_path / "disk", KILOBYTES) as disk:
        out = disk / "out"
        # What the disk holds already.
        (disk / "other").write_bytes(os.urandom((KILOBYTES - 40) * 1024))
        assert main([command, str(given), "--output", str(out)]) == 1
        message = capsys.readouterr().err
        assert message.count("No space left on device") == 1
        assert f"The results cannot be written to {out / 'P0'} (" in message
        assert "Traceback" not in message
        assert {path.name for path in out.iterdir()} <= {"failures.csv", "batch.csv", "manifest.csv", ".batch"}
        assert [*out.rglob("*unfinished*/*"), *out.glob(".*.unfinished")] == []
        # With more space the same command does it.
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert main([command, str(given), "--output", str(out)]) == 0
        assert (out / "P0" / "receipt.json").is_file()
