"""Picture of a prediction and the ground truth of the simulated sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from SpectBoneMetSegLib import Reader
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.evaluation.truth_picture import BLUE, GREEN, RED, compare, draw_comparison

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample"


def block(*places, value=1):
    area = np.zeros((40, 30), np.uint8)
    for row, column in places:
        area[row : row + 3, column : column + 3] = value
    return area


def test_areas_are_found_missed_unread_faint_or_false():
    truth = block((5, 5), (12, 5), (30, 5)) + block((20, 20), value=2)
    mask = block((6, 6), (19, 19), (15, 20))
    compared = compare(mask, truth, ((0, 25), (0, 30)))
    counts = {
        name: int(getattr(compared, name).max())
        for name in ("detections", "found", "missed", "unread", "faint", "false_alarms")
    }
    assert counts == {"detections": 3, "found": 1, "missed": 1, "unread": 1, "faint": 1, "false_alarms": 1}
    assert (compared.found > 0).sum() == 9
    assert compared.sentence.startswith(
        "Of 2 true lesions in the box that was read 1 were found (green) and 1 missed (blue)"
    )


def test_the_demo_shows_what_the_shipped_model_missed(tmp_path):
    Reader(engine="onnx", device="cpu").read(SAMPLE / "simulated_scan.dcm").save(str(tmp_path / "case"))
    picture = tmp_path / "truth.png"
    compared = draw_comparison(tmp_path / "case", SAMPLE / "simulated_scan.dcm", SAMPLE / "truth.nii.gz", picture)
    assert compared.found.max() > 0
    with Image.open(picture) as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(2**24)}
    assert {RED, GREEN, BLUE} <= colours


def test_a_truth_of_another_scan_is_refused(tmp_path):
    import SimpleITK as sitk  # noqa: N813

    Reader(engine="onnx", device="cpu").read(SAMPLE / "simulated_scan.dcm").save(str(tmp_path / "case"))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((1, 9, 9), np.uint8)), str(tmp_path / "other.nii.gz"))
    with pytest.raises(UserError, match="do not belong together"):
        draw_comparison(
            tmp_path / "case", SAMPLE / "simulated_scan.dcm", tmp_path / "other.nii.gz", tmp_path / "picture.png"
        )
