"""One name pairs a lesion's outlines in the two views; it never joins two marks of one view."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.gathering.labels.consensus import settle
from SpectBoneMetSegTrainingLib.gathering.labels.marks import Labels, Mark, instances_of
from support.labels import blob_scan

SCAN = blob_scan()
UPPER, LOWER = ((10, 14), (6, 10)), ((14, 18), (6, 10))


def box(rows, columns):
    mask = np.zeros(SCAN.frame.shape, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def lesions(*marks):
    """{views: box} of every lesion, from head to foot."""
    found = instances_of(Labels("anna", marks, frozenset(mark.view for mark in marks)), SCAN)
    return [item.masks for item in found if any(item.labelled.values())]


@pytest.mark.parametrize("view", ["anterior", "posterior", None])
@pytest.mark.parametrize("second", ["lesion", "other"])
def test_two_marks_of_a_view_that_touch_are_two_lesions_whatever_their_names(view, second):
    upper, lower = lesions(Mark("lesion", box(*UPPER), view), Mark(second, box(*LOWER), view))
    for masks, place in ((upper, UPPER), (lower, LOWER)):
        assert set(masks) == ({view} if view else {"anterior", "posterior"})
        for mask in masks.values():
            np.testing.assert_array_equal(mask, box(*place))


def test_each_of_two_touching_lesions_is_paired_with_its_own_outline_in_the_other_view():
    marks = [Mark("lesion", box(*place), view) for view in ("anterior", "posterior") for place in (UPPER, LOWER)]
    # The posterior view shows both a pixel further down.
    shifted = [marks[0], marks[1], *(Mark("lesion", np.roll(mark.mask, 1, axis=0), mark.view) for mark in marks[2:])]
    for given in (marks, shifted, shifted[::-1]):
        found = lesions(*given)
        assert [set(masks) for masks in found] == [{"anterior", "posterior"}] * 2
        assert [int(np.nonzero(masks["anterior"])[0].min()) for masks in found] == [10, 14]
        assert all((masks["anterior"] & masks["posterior"]).sum() >= 12 for masks in found)


def test_an_outline_over_two_lesions_of_the_other_view_joins_the_one_that_it_covers_most():
    both = box((11, 18), (6, 10))
    upper, lower = lesions(
        Mark("lesion", box(*UPPER), "anterior"),
        Mark("lesion", box(*LOWER), "anterior"),
        Mark("lesion", both, "posterior"),
    )
    assert set(upper) == {"anterior"}
    np.testing.assert_array_equal(lower["anterior"], box(*LOWER))
    np.testing.assert_array_equal(lower["posterior"], both)


def test_two_pieces_of_one_mark_that_the_other_view_connects_are_one_lesion():
    pieces = box((10, 12), (6, 10)) | box((15, 18), (6, 10))
    (found,) = lesions(Mark("lesion", pieces, "anterior"), Mark("lesion", box((10, 18), (6, 10)), "posterior"))
    np.testing.assert_array_equal(found["anterior"], pieces)


def test_touching_lesions_of_the_agreed_view_stay_two_where_the_other_view_is_decided_by_majority():
    back = [Mark("lesion", box(*place), "posterior") for place in (UPPER, LOWER)]
    fronts = [box((25, 31), (12, 18)), box((25, 31), (12, 15))]
    readers = [
        Labels(name, (*back, Mark("front", front, "anterior")), frozenset(SCAN.views))
        for name, front in zip(("anna", "ben"), fronts, strict=True)
    ]
    truth = settle(readers, SCAN, np.random.default_rng(0))
    assert truth.again == ("anterior",)
    assert [sorted(item.masks) for item in instances_of(truth.labels, SCAN)] == [
        ["posterior"],
        ["posterior"],
        ["anterior"],
    ]
