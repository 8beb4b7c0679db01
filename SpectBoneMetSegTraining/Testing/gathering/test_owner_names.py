"""The owner of gathered scans finds them by their files."""

from __future__ import annotations

import json
from pathlib import Path

from SpectBoneMetSegTrainingLib.gathering.owner_names import owner_names


def test_scans_are_named_relative_to_a_single_folder_and_by_their_whole_paths_otherwise(tmp_path):
    private, scans = tmp_path / "data-private", tmp_path / "scans"
    private.mkdir()
    files = {"scan_1": [str(scans / "a" / "1.dcm"), str(scans / "a" / "2.dcm")], "scan_2": ["a node of a scene"]}
    (private / "sources.json").write_text(json.dumps(files))
    data = tmp_path / "data"
    one, two = str(Path("a", "1.dcm")), str(Path("a", "2.dcm"))
    assert owner_names(data, [str(scans)]) == {"scan_1": f"{one}, {two}", "scan_2": "a node of a scene"}
    # Two folders may hold the same names.
    assert owner_names(data, [str(scans), "other"])["scan_1"] == ", ".join(files["scan_1"])


def test_a_data_set_without_a_record_of_files_has_no_names(tmp_path):
    assert owner_names(tmp_path / "data") == {}
