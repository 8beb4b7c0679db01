"""Outlines keep their colours in the pictures of the reports, in both views."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from SpectBoneMetSegTrainingLib.dataset.cases import load_case
from SpectBoneMetSegTrainingLib.training.adapting.pictures import COLOURS, scan_picture


def test_every_outline_has_its_colour_in_both_views(discs, tmp_path):
    crop = load_case(discs(tmp_path / "d", ["train"] * 3), "case0")
    shown = {view: np.zeros(label.shape, bool) for view, label in crop.labels.items()}
    for mask in shown.values():
        mask[5:15, 5:15] = True
    away = {view: np.roll(mask, 40, 1) for view, mask in shown.items()}
    uri = scan_picture(crop, [("model", shown), ("parent", away)])
    picture = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")
    pixels = np.asarray(picture)
    for half in np.array_split(pixels, 2, axis=1):
        for name in ("reference", "model", "parent"):
            assert (half == COLOURS[name]).all(-1).any(), name
