"""Outlines keep their colours in the pictures of the reports, in both views."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image
from SpectBoneMetSegLib.scan.display import side_marks
from SpectBoneMetSegLib.scan.planar import PlanarView
from SpectBoneMetSegTrainingLib.dataset.cases import load_case
from SpectBoneMetSegTrainingLib.training.adapting import pictures
from SpectBoneMetSegTrainingLib.training.adapting.pictures import COLOURS, scan_picture


def opened(uri: str) -> Image.Image:
    """Return the picture of a data URI."""
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def test_every_outline_has_its_colour_in_both_views(discs, tmp_path):
    crop = load_case(discs(tmp_path / "d", ["train"] * 3), "case0")
    shown = {view: np.zeros(label.shape, bool) for view, label in crop.labels.items()}
    for mask in shown.values():
        mask[5:15, 5:15] = True
    away = {view: np.roll(mask, 40, 1) for view, mask in shown.items()}
    uri = scan_picture(crop, [("model", shown), ("parent", away)])
    pixels = np.asarray(opened(uri))
    for half in np.array_split(pixels, 2, axis=1):
        for name in ("reference", "model", "parent"):
            assert (half == COLOURS[name]).all(-1).any(), name


def test_both_views_have_their_names_and_the_patients_sides(discs, tmp_path, monkeypatch):
    crop = load_case(discs(tmp_path / "d", ["train"] * 3), "case0")
    written = []
    plain = pictures.write_text

    def write(draw, x, y, text, *rest, **named):
        written.append((text, x / draw.im.size[0]))
        plain(draw, x, y, text, *rest, **named)

    monkeypatch.setattr(pictures, "write_text", write)
    uri = scan_picture(crop, [])
    assert [text for text, _ in written] == ["Anterior", "R", "L", "Posterior (mirrored)", "R", "L"]
    for text, place in written:
        if len(text) == 1:
            assert (place < 0.5) == (text == side_marks(PlanarView(crop.counts["anterior"], (2.0, 2.0), "anterior"))[0])
    # The titles stand above the views, not over them.
    strip = np.asarray(opened(uri))[: 3 * pictures.LETTERS // 2]
    for half in np.array_split(strip, 2, axis=1):
        assert (half < 100).any()
        assert (half[[0, -1]] >= 245).all()
