"""Scans that are 8-bit pictures are gathered with notes about what was assumed of them, as a reading would report."""

from __future__ import annotations

import numpy as np
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.gathering.gather import gather
from support import open_sets


def test_an_assumed_pixel_size_and_inverted_grey_are_notes_of_the_scan(tmp_path):
    shown = open_sets.grey(open_sets.sample_counts()["ANT"], 1)
    mask = np.zeros_like(shown)
    mask[open_sets.SPOT] = 1
    for name, pixels in (("inverted", 255 - shown), ("plain", np.roll(shown, 3, 0))):
        open_sets.write_png(tmp_path / "scans" / f"{name}_ANT.png", pixels)
        open_sets.write_png(tmp_path / "scans" / f"{name}_ANT_mask.png", mask)
    gathered = gather(tmp_path / "data", find([tmp_path / "scans"]))
    notes = {row.source.rpartition("/")[2].partition("_")[0]: row.notes for row in gathered.rows if row.case}
    for name in ("inverted", "plain"):
        assert f"{name}_ANT.png states no pixel size: 2.26 mm was assumed" in notes[name]
        assert notes[name].count("states no pixel size") == 1
        assert ("inverted grey" in notes[name]) == (name == "inverted")
    assert "inverted grey" in gathered.text


def test_pictures_without_labels_are_gathered_as_unlabelled_scans_of_patients_of_their_own(tmp_path):
    shown = open_sets.grey(open_sets.sample_counts()["ANT"], 1)
    for name, pixels in (
        ("one_ANT.png", shown),
        ("two_ANT.png", np.roll(shown, 3, 0)),
        ("noise_ANT.png", shown[:40, :40]),
    ):
        open_sets.write_png(tmp_path / "scans" / name, pixels)
    gathered = gather(tmp_path / "data", find([], [tmp_path / "scans"]))
    rows = {row.source.rpartition("/")[2]: row for row in gathered.rows}
    assert [(name, rows[name].kind, rows[name].outcome) for name in ("one_ANT.png", "two_ANT.png")] == [
        ("one_ANT.png", "unlabelled", "new"),
        ("two_ANT.png", "unlabelled", "new"),
    ]
    assert rows["one_ANT.png"].patient != rows["two_ANT.png"].patient
    assert "states no pixel size" in rows["one_ANT.png"].notes
    assert rows["noise_ANT.png"].outcome == "left out"
