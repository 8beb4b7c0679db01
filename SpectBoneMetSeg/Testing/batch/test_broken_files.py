"""Damaged files of an archive: the failure names a result of an earlier run, however its receipt names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from SpectBoneMetSegLib.batch.run import broken_files
from SpectBoneMetSegLib.loading.archive.discovery import LeftOut


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("folder", ["archive", "{here}/archive"])
def test_the_earlier_result_of_a_damaged_file_is_named_in_whichever_way_the_file_was_given(
    tmp_path, monkeypatch, absolute, folder
):
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "out" / "one"
    earlier.mkdir(parents=True)
    stored = tmp_path / "archive" / "one.dcm" if absolute else Path("archive/one.dcm")
    (earlier / "receipt.json").write_text(json.dumps({"inputs": [{"file": str(stored)}]}), encoding="utf-8")
    archive = Path(folder.format(here=tmp_path))
    left_out = [LeftOut(archive / f"{name}.dcm", "It is damaged", failed=True) for name in ("one", "two")]
    one, two = broken_files(left_out, archive, tmp_path / "out")
    assert one["failure"] == f"It is damaged. The result of an earlier run stays in {earlier}."
    assert two["failure"] == "It is damaged."
