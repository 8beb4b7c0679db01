"""Whatever a script gives to the editing of lesions is understood, or refused with one sentence; nothing is changed."""

from __future__ import annotations

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.clicks.actions import Action, Stroke, lesions_after
from SpectBoneMetSegLib.lesions.clicks.change import (
    add_lesion,
    cut_lesion,
    join_lesions,
    remove_lesion,
    resize_lesion,
)
from SpectBoneMetSegLib.lesions.clicks.growth import grow_from
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror

SHAPE, SPACING = (120, 90), (2.26, 2.26)
FRONT = PlanarView(np.random.default_rng(0).poisson(5.0, SHAPE), SPACING, "anterior")
BACK = mirror(FRONT)
SCAN = WholeBodyScan("one", FRONT, None)
FREE = (100, 70)


def two_lesions(first=1, second=2, dtype=np.uint16):
    ids = np.zeros(SHAPE, dtype)
    ids[20:40, 20:40], ids[20:40, 50:70] = first, second
    return ids


#: Every public function that takes a labelmap, on the lesions of `two_lesions`.
EDITS = {
    "add": lambda ids: add_lesion(ids, SCAN, {}, FREE),
    "remove": lambda ids: remove_lesion(ids, (30, 30)),
    "enlarge": lambda ids: resize_lesion(ids, (30, 30), 5.0, SPACING),
    "shrink": lambda ids: resize_lesion(ids, (30, 30), -5.0, SPACING),
    "join": lambda ids: join_lesions(ids, (30, 30), (30, 60)),
    "cut": lambda ids: cut_lesion(ids, (10, 30), (50, 30)),
}
every_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)


def refuses(edit, match):
    with pytest.raises(UserError, match=match) as caught:
        edit()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@every_edit
@pytest.mark.parametrize(
    ("ids", "match"),
    [
        (two_lesions(70000, 70001, np.int32), "outside 0 to 65535; number its lesions from 1"),
        (two_lesions(-1, 1, np.int16), "outside 0 to 65535"),
        (two_lesions(np.inf, 1, float), "outside 0 to 65535"),
        (two_lesions(np.nan, 1, float), "give a whole number to each lesion"),
        (two_lesions(1.5, 2, float), "give a whole number to each lesion"),
        (two_lesions().astype(str), "give a whole number to each lesion"),
        (two_lesions() > 0, "number them with number_lesions first"),
        (two_lesions()[None], r"the shape \(1, 120, 90\); give one with rows and columns"),
        (np.zeros((0, 0), np.uint16), "give one with rows and columns"),
        ([[0, 1], [1]], "rows of different lengths"),
    ],
)
def test_what_is_no_labelmap_is_refused_by_every_edit(edit, ids, match):
    refuses(lambda: edit(ids), match)


@every_edit
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64, np.float32])
def test_every_edit_returns_the_same_whatever_type_the_whole_numbers_have(edit, dtype):
    given = two_lesions(dtype=dtype)
    result = edit(given)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result, edit(two_lesions()))
    np.testing.assert_array_equal(given, two_lesions())


@every_edit
def test_the_largest_numbers_are_kept_by_every_edit_that_needs_no_new_one(edit):
    ids = two_lesions(65535, 65534)
    if edit in (EDITS["add"], EDITS["cut"]):
        refuses(lambda: edit(ids), "would need a number above 65535; number the lesions of the labelmap from 1")
    else:
        assert set(np.unique(edit(ids))) <= {0, 65534, 65535}


def test_a_new_lesion_gets_the_number_above_those_of_a_full_byte():
    result = add_lesion(two_lesions(254, 255, np.uint8), SCAN, {}, FREE)
    assert set(np.unique(result)) == {0, 254, 255, 256}
    assert set(np.unique(cut_lesion(two_lesions(254, 255, np.uint8), (10, 30), (50, 30)))) == {0, 254, 255, 256}


def test_a_labelmap_of_another_size_than_the_scan_is_refused():
    small = np.zeros((100, 90), np.uint16)
    match = "labelmap has 100 x 90 pixels, the scan 120 x 90; give one on the scan's anterior frame"
    refuses(lambda: add_lesion(small, SCAN, {}, (50, 50)), match)
    stroke = Stroke((50, 50), (50, 50))
    for kind in ("outline", "join", "grow", "shrink", "cut"):
        refuses(lambda kind=kind: lesions_after(small, stroke, Action(kind, (1, 2)), SCAN, {}), match)
    refuses(lambda: grow_from(FRONT, None, (50, 50), small > 0), "mask of other lesions has 100 x 90 pixels")


@pytest.mark.parametrize("name", ["anterior", "posterior"])
@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros((50, 50), np.float32), "has 50 x 50 pixels, the scan 120 x 90"),
        (np.full(SHAPE, 40.0), "has values outside 0 to 1; give probabilities"),
        (np.full(SHAPE, -1.0), "has values outside 0 to 1; give probabilities"),
        (np.full(SHAPE, "high"), "holds no numbers; give probabilities"),
    ],
)
def test_a_map_that_is_no_probability_map_of_the_scan_is_refused_and_named(name, values, match):
    both = WholeBodyScan("one", FRONT, BACK)
    refuses(
        lambda: add_lesion(two_lesions(), both, {name: values}, FREE), f"probability map of the {name} view {match}"
    )
    refuses(lambda: grow_from(FRONT, values, FREE, np.zeros(SHAPE, bool)), f"probability map {match}")


@pytest.mark.parametrize(
    ("scan", "view", "remedy"),
    [
        (SCAN, "posterior", "no view 'posterior'; give 'anterior', or None for all views"),
        (WholeBodyScan("one", None, BACK), "anterior", "no view 'anterior'; give 'posterior', or None for all views"),
        (WholeBodyScan("one", FRONT, BACK), "front", "no view 'front'; give 'anterior' or 'posterior', or None"),
        (SCAN, "", "no view ''"),
        (SCAN, ["anterior"], "no view"),
    ],
)
def test_a_view_that_the_scan_does_not_have_is_refused_with_those_it_has(scan, view, remedy):
    refuses(lambda: add_lesion(two_lesions(), scan, {}, FREE, view), remedy)


@pytest.mark.parametrize("by_mm", [np.inf, -np.inf, np.nan, None, "wide", (5.0, 5.0)])
def test_a_lesion_is_not_resized_by_what_is_no_length(by_mm):
    refuses(lambda: resize_lesion(two_lesions(), (30, 30), by_mm, SPACING), "is no length; give a finite number")


@pytest.mark.parametrize("spacing", [(0.0, 2.0), (2.0, -1.0), (np.nan, 2.0), (np.inf, 2.0), 2.0, (1, 2, 3), None])
def test_a_lesion_is_not_resized_on_pixels_without_a_size(spacing):
    for by_mm in (5.0, -5.0):
        refuses(lambda by_mm=by_mm: resize_lesion(two_lesions(), (30, 30), by_mm, spacing), "The pixel size .* is none")


@pytest.mark.parametrize("position", [(1, 2, 3), (5,), None, "here", ("a", "b"), (None, 3), (30, -1), (1e300, 5)])
def test_what_is_no_position_on_the_scan_is_refused_by_every_edit(position):
    ids = two_lesions()
    for edit in (
        lambda: add_lesion(ids, SCAN, {}, position),
        lambda: remove_lesion(ids, position),
        lambda: resize_lesion(ids, position, 5.0, SPACING),
        lambda: join_lesions(ids, position, (30, 30)),
        lambda: join_lesions(ids, (30, 30), position),
        lambda: cut_lesion(ids, position, (30, 30)),
        lambda: cut_lesion(ids, (30, 30), position),
        lambda: grow_from(FRONT, None, position, ids > 0),
    ):
        refuses(edit, "The position .* lies outside the scan; give a row and a column of its image")
