"""Label convention: half height of a robust maximum, confluent foci merged, faint foci ignored."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import (
    MINIMUM_RATIO,
    label_lesion,
    label_lesions,
    lesion_to_background,
    local_maximum,
)

SHAPE = (90, 120)
WHOLE = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))


def blob(row, column, width, height):
    rows, columns = np.indices(SHAPE)
    return (height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))).astype(np.float32)


def block(rows, columns, height):
    image = np.zeros(SHAPE, np.float32)
    image[rows, columns] = height
    return image


def together(*extras, background=20.0):
    return label_lesions([(WHOLE, extra) for extra in extras], np.sum(extras, axis=0) + np.float32(background))


def test_one_hot_pixel_does_not_shrink_the_outline_of_a_large_lesion():
    plain = block(slice(30, 60), slice(40, 80), 60.0)
    spiked = plain.copy()
    spiked[44:47, 58:61] = 600.0
    assert np.array_equal(label_lesion(spiked, spiked + 20).mask, plain > 0)


def test_foci_whose_outlines_touch_are_one_outline_of_the_strongest():
    one, two, apart = blob(40, 40, 5, 80), blob(40, 50, 5, 50), blob(40, 100, 3, 80)
    views = together(one, two, apart)
    assert views[0].mask[40, 40]
    assert views[0].mask[40, 50]
    assert not views[1].mask.any()
    assert [view.merged_into for view in views] == [None, 0, None]
    assert not (views[2].mask & views[0].mask).any()


def test_each_bone_of_a_merged_lesion_keeps_its_own_half_height():
    # The right part has a tenth of the left one's uptake: half of the left maximum would exclude it.
    hot, cool = block(slice(30, 60), slice(30, 50), 300.0), block(slice(30, 60), slice(50, 80), 30.0)
    views = together(hot, cool)
    assert np.array_equal(views[0].mask, (hot + cool) > 0)


def test_a_faint_focus_next_to_a_hot_one_stays_out_of_its_outline_and_is_ignored():
    hot, faint = blob(40, 40, 5, 80), block(slice(35, 46), slice(50, 70), 4.0)
    views = together(hot, faint)
    assert views[0].visible
    assert not views[0].mask[40, 60]
    assert views[1].mask[40, 60]
    assert views[1].merged_into is None
    assert not views[1].visible


def test_pieces_of_one_lesion_are_one_lesion():
    ring = block(slice(30, 50), slice(30, 50), 50.0)
    ring[36:44] = 0
    view = together(ring)[0]
    assert np.array_equal(view.mask, ring > 0)


def test_healthy_bone_brighter_than_its_surroundings_is_no_lesion_by_that_alone():
    bone = block(slice(20, 70), slice(50, 62), 60.0)
    faint = block(slice(40, 46), slice(50, 62), 12.0)
    view = label_lesion(faint, faint + bone + 20)
    assert view.ratio > MINIMUM_RATIO
    assert not view.visible


def test_diffusely_diseased_bone_is_outlined_where_it_exceeds_its_own_healthy_projection():
    # The bone is three times as bright at its right end; the disease adds as many counts at both ends.
    bone = block(slice(20, 70), slice(20, 60), 30.0) + block(slice(20, 70), slice(60, 100), 90.0)
    disease = block(slice(30, 60), slice(30, 90), 80.0)
    view = label_lesion(disease, disease + bone + 20)
    assert np.array_equal(view.mask, disease > 0)
    assert view.visible


@pytest.mark.parametrize(("added", "labelled"), [(1.05, True), (0.95, False)])
def test_the_limit_is_the_mean_inside_over_a_ring_of_fourteen_millimetres(added, labelled):
    inside = block(slice(40, 50), slice(40, 50), (MINIMUM_RATIO - 1) * 100 * added)
    # Hot counts just beyond five pixels of 2.8 mm do not belong to the ring; those in the fifth pixel do.
    far, near = (block(slice(40, 50), slice(50 + gap, 52 + gap), 900.0) for gap in (5, 4))
    total = inside + np.float32(100)
    assert label_lesion(inside, total + far).visible is labelled
    assert not label_lesion(inside, total + near).visible
    assert not label_lesion(inside, total + far, spacing=1.4).visible


def test_the_ring_leaves_other_lesions_out():
    inside, other = block(slice(40, 44), slice(40, 44), 1) > 0, block(slice(36, 48), slice(45, 50), 1) > 0
    total = np.full(SHAPE, 10, np.float32)
    total[inside], total[other] = 30, 500
    assert lesion_to_background(total, inside, other, 5) == pytest.approx(3)
    assert lesion_to_background(total, inside, ~inside, 5) < 3


def test_the_local_top_of_nothing_is_one():
    assert local_maximum(np.zeros((4, 4), np.float32)) == 1.0
    assert label_lesions([], np.ones(SHAPE, np.float32)) == []
