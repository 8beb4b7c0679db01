"""LabelMe files as labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.components import outlines_of
from SpectBoneMetSegTrainingLib.gathering.formats.labelme import read_labelme
from support.labels import assert_per_view, blob_scan, read


def write_labelme(ids, path, **changes):
    shapes = [
        {"label": "lesion", "points": (piece[:, ::-1] + 0.5).tolist(), "shape_type": "polygon"}
        for pieces in outlines_of(ids).values()
        for piece in pieces
    ]
    content = {"version": "5.4", "shapes": shapes, "imageHeight": ids.shape[0], "imageWidth": ids.shape[1]}
    path.write_text(json.dumps({**content, **changes}))
    return path


def test_polygons_around_pixels_mark_just_these(study, tmp_path):
    files = [write_labelme(ids, tmp_path / f"{name}.json") for name, ids in study.own.items()]
    assert_per_view(read(study.scan, *files, views=["anterior", "posterior"]), study)


def test_a_labelme_file_of_another_picture_is_refused(study, tmp_path):
    path = write_labelme(study.own["anterior"], tmp_path / "scan_ANT.json", imageWidth=512)
    with pytest.raises(UserError, match=r"scan_ANT\.json was drawn on an image of 512 x 256 pixels"):
        read_labelme(path, study.scan, "anterior")


def test_a_labelme_file_that_names_no_side_is_refused(study, tmp_path):
    path = write_labelme(study.own["anterior"], tmp_path / "scan.json")
    with pytest.raises(UserError, match="end its name in _anterior or _posterior"):
        read_labelme(path, study.scan)


def test_boxes_and_circles_of_labelme_have_their_area(tmp_path):
    scan = blob_scan()
    shapes = [
        {"label": "a", "shape_type": "rectangle", "points": [[3, 4], [6, 9]]},
        {"label": "b", "shape_type": "circle", "points": [[12, 25], [17, 25]]},
    ]
    path = write_labelme(np.zeros((40, 24), np.uint16), tmp_path / "a.json", shapes=shapes)
    (box, circle), _ = read_labelme(path, scan, "anterior")
    assert box.mask.sum() == 15
    assert box.mask[4:9, 3:6].all()
    assert abs(circle.mask.sum() - np.pi * 25) < 4


@pytest.mark.parametrize("shape_type", ["line", "point", "mask", "linestrip"])
def test_shapes_without_an_area_are_refused(tmp_path, shape_type):
    shapes = [{"label": "a", "shape_type": shape_type, "points": [[3, 4], [6, 9]]}]
    path = write_labelme(np.zeros((40, 24), np.uint16), tmp_path / "a.json", shapes=shapes)
    with pytest.raises(UserError, match=f"a\\.json has a {shape_type} of 2 points"):
        read_labelme(path, blob_scan(), "anterior")
