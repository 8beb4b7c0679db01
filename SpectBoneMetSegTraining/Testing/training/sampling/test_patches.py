"""Training patches: images, labels and views are transformed together; unknown pixels have weight 0."""

import numpy as np
import pytest
from SpectBoneMetSegLib.model.config import BODY_LEVEL, SOFT_TISSUE_LEVEL
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION, LabelledCrop
from SpectBoneMetSegTrainingLib.training.sampling import patches as augmentation
from SpectBoneMetSegTrainingLib.training.sampling.patches import (
    UNKNOWN_REGION,
    instance_weights,
    plain_patch,
    random_patch,
    target_channels,
)

INPUTS, OUTPUTS = ("anterior", "posterior"), ("anterior", "posterior")
SIZE = 64


def bright_crop(size=128, *, ignored=False):
    """Two blocks, far brighter than the body and equal to the labels; the views show different ones."""
    counts, labels, layers = {}, {}, {}
    for view, (row, column) in (("anterior", (40, 52)), ("posterior", (72, 80))):
        label = np.zeros((size, size), np.uint8)
        label[row : row + 14, column : column + 20] = LESION
        image = np.full((size, size), 16, np.float32)
        image[label == LESION] = 400
        if ignored:
            label[:30] = IGNORE
        counts[view], labels[view] = image, label
        layers[view] = (label == LESION)[None].astype(np.uint16)
    both = {"anterior": True, "posterior": True}
    return LabelledCrop("a", counts, labels, layers, [{"id": 1, "labelled": both}])


@pytest.fixture
def no_drop(monkeypatch):
    monkeypatch.setattr(augmentation, "DROP_VIEW", 0.0)


def overlap(one, two):
    return 2 * (one & two).sum() / max(one.sum() + two.sum(), 1)


def test_shapes_and_types_do_not_depend_on_the_draw():
    for seed in range(8):
        patch = random_patch(
            bright_crop(),
            SIZE,
            ("anterior", "posterior", "aggregate"),
            OUTPUTS,
            BODY_LEVEL,
            np.random.default_rng(seed),
        )
        assert patch.inputs.shape == (SIZE, SIZE, 3)
        assert patch.label.shape == patch.weight.shape == (SIZE, SIZE, 2)
        assert patch.inputs.dtype == patch.label.dtype == patch.weight.dtype == np.float32
        assert set(np.unique(patch.label)) <= {0, 1}
        assert set(np.unique(patch.weight)) <= {0, 1}
        assert np.isfinite(patch.inputs).all()


def test_labels_stay_on_the_bright_block_of_their_own_view(no_drop):
    compared = 0
    for seed in range(40):
        patch = random_patch(bright_crop(), SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        for channel in range(2):
            label = patch.label[..., channel] > 0
            image = patch.inputs[..., channel]
            if label.sum() > 60:
                compared += 1
                low = np.median(image[patch.weight[..., channel] > 0])
                assert overlap(image > 1.8 * low, label) > 0.9
    assert compared > 20


def test_both_views_are_rotated_scaled_and_flipped_alike(no_drop, monkeypatch):
    monkeypatch.setattr(augmentation, "THINNING", (1.0, 1.0))
    crop = bright_crop()
    same = {view: crop.counts["anterior"] for view in crop.counts}
    labels = {view: crop.labels["anterior"] for view in crop.labels}
    crop = LabelledCrop("a", same, labels, crop.instances, crop.lesions)
    for seed in range(10):
        patch = random_patch(crop, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        assert np.array_equal(patch.inputs[..., 0], patch.inputs[..., 1])
        assert np.array_equal(patch.label[..., 0], patch.label[..., 1])


def test_patches_are_rotated_without_shear(no_drop, monkeypatch):
    monkeypatch.setattr(augmentation, "_centre", lambda label, size, rng: (64.0, 64.0))
    monkeypatch.setattr(augmentation, "ROTATION_DEGREES", 30.0)
    monkeypatch.setattr(augmentation, "ZOOM", (1.0, 1.0))
    crop = bright_crop()
    for label in crop.labels.values():
        label[:] = 0
        label[54:74, 54:74] = LESION
    rotated = 0
    for seed in range(8):
        label = random_patch(crop, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed)).label[..., 0]
        assert label.sum() == pytest.approx(400, rel=0.03)
        low, high = np.linalg.eigvalsh(np.cov(np.argwhere(label).T))
        assert high / low < 1.1
        # The extent of a square grows when it is rotated.
        rotated += np.ptp(np.argwhere(label)[:, 0]) > 22
    assert rotated >= 2


def test_about_half_of_the_patches_are_flipped_left_to_right(no_drop, monkeypatch):
    monkeypatch.setattr(augmentation, "ROTATION_DEGREES", 0.0)
    monkeypatch.setattr(augmentation, "ZOOM", (1.0, 1.0))
    monkeypatch.setattr(augmentation, "_centre", lambda label, size, rng: (64.0, 64.0))
    ramp = np.add.outer(np.arange(1, 129), np.arange(1, 129)).astype(np.float32) * 10
    empty = np.zeros((128, 128), np.uint8)
    views = ("anterior", "posterior")
    layers = dict.fromkeys(views, empty[None].astype(np.uint16))
    crop = LabelledCrop("a", dict.fromkeys(views, ramp), dict.fromkeys(views, empty), layers, [])
    rises = []
    for seed in range(60):
        patch = random_patch(crop, 32, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        across = patch.inputs[:, -1] - patch.inputs[:, 0]
        assert (across[:, 0] > 0).all() or (across[:, 0] < 0).all()
        assert (np.sign(across[:, 0]) == np.sign(across[:, 1])).all()
        rises.append(across[0, 0] > 0)
        # Rows keep their order: patches are not flipped upside down.
        assert (patch.inputs[-1] > patch.inputs[0]).all()
    assert 0.3 < np.mean(rises) < 0.7


def test_a_dropped_view_is_dark_and_has_weight_0(monkeypatch):
    monkeypatch.setattr(augmentation, "DROP_VIEW", 1.0)
    dropped = set()
    for seed in range(8):
        patch = random_patch(bright_crop(), SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        dark = [not patch.inputs[..., view].any() for view in (0, 1)]
        assert sum(dark) == 1
        gone = dark.index(True)
        dropped.add(gone)
        assert not patch.weight[..., gone].any()
        assert not patch.label[..., gone].any()
        assert patch.weight[..., 1 - gone].any()
    assert dropped == {0, 1}


def test_ignored_pixels_and_the_outside_have_weight_0():
    crop = bright_crop(ignored=True)
    label, weight = target_channels(crop, OUTPUTS)
    assert not weight[:30].any()
    assert weight[30:].all()
    assert not label[:30].any()
    large = random_patch(crop, 256, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(0))
    assert not large.weight[:20].any()
    assert not large.weight[:, :20].any()


def test_the_union_of_the_views_follows_what_is_shown():
    crop = bright_crop()
    both = target_channels(crop, ("union",))[0][..., 0]
    front = target_channels(crop, ("union",), dropped="posterior")[0][..., 0]
    assert both.sum() == 2 * 14 * 20
    assert np.array_equal(front > 0, crop.labels["anterior"] == LESION)


def test_a_lesion_of_one_view_beats_ignore_of_the_other_in_the_union():
    crop = bright_crop()
    crop.labels["posterior"][40:54, 52:72] = IGNORE
    label, weight = target_channels(crop, ("union", "posterior"))
    assert label[40:54, 52:72, 0].all()
    assert weight[40:54, 52:72, 0].all()
    assert not weight[40:54, 52:72, 1].any()


def test_more_than_half_of_the_patches_lie_near_a_lesion(monkeypatch):
    crop = bright_crop(256)
    hits = np.mean(
        [
            random_patch(crop, 48, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed)).label.any()
            for seed in range(60)
        ]
    )
    monkeypatch.setattr(augmentation, "LESION_SHARE", 0.0)
    chance = np.mean(
        [
            random_patch(crop, 48, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed)).label.any()
            for seed in range(60)
        ]
    )
    assert hits > 0.55
    assert hits > chance + 0.2


def test_thinning_keeps_whole_counts_and_their_expected_share():
    image = np.full((200, 200), 20, np.float32)
    assert augmentation._thin(image, 1.0, np.random.default_rng(0)) is image
    for seed in range(5):
        counts = augmentation._thin(image, 0.5, np.random.default_rng(seed))
        assert (counts == np.rint(counts)).all()
        assert (counts <= image).all()
        assert counts.mean() == pytest.approx(10, rel=0.02)
        assert counts.var() == pytest.approx(5, rel=0.1)
    assert (image == 20).all()


def test_the_same_seed_gives_the_same_patch_and_the_case_stays_as_it_was():
    crop = bright_crop()
    before = {view: image.copy() for view, image in crop.counts.items()}
    one, two = (random_patch(crop, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(4)) for _ in range(2))
    other = random_patch(crop, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(5))
    assert np.array_equal(one.inputs, two.inputs)
    assert not np.array_equal(one.inputs, other.inputs)
    assert all(np.array_equal(crop.counts[view], before[view]) for view in before)


def without(crop, gone):
    kept = [{view: image for view, image in part.items() if view != gone} for part in (crop.counts, crop.labels)]
    layers = {view: layer for view, layer in crop.instances.items() if view != gone}
    return LabelledCrop(crop.case, *kept, layers, crop.lesions)


@pytest.mark.parametrize("gone", ["anterior", "posterior"])
def test_a_missing_view_is_dark_with_weight_0_and_the_other_is_never_dropped(monkeypatch, gone):
    monkeypatch.setattr(augmentation, "DROP_VIEW", 1.0)
    channel, crop = OUTPUTS.index(gone), without(bright_crop(), gone)
    for seed in range(6):
        patch = random_patch(crop, SIZE, (*INPUTS, "aggregate"), OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        assert not patch.inputs[..., channel].any()
        assert not patch.weight[..., channel].any()
        assert not patch.label[..., channel].any()
        assert patch.inputs[..., 1 - channel].any()
        assert patch.weight[..., 1 - channel].any()
        assert np.array_equal(patch.inputs[..., 2], patch.inputs[..., 1 - channel])
    union, weight = target_channels(crop, ("union",))
    assert weight.all()
    assert np.array_equal(union[..., 0] > 0, next(iter(crop.labels.values())) == LESION)


def test_thinning_regridded_counts_keeps_their_expected_share():
    image = np.full((300, 300), 0.4, np.float32)
    thinned = augmentation._thin(image, 0.5, np.random.default_rng(0))
    assert thinned.mean() == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("size", [32, 128, 192])
def test_a_crop_may_be_smaller_than_the_patch(size):
    for seed in range(6):
        patch = random_patch(bright_crop(100), size, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        assert patch.inputs.shape == (size, size, 2)
        assert patch.weight.any()


def test_patches_for_a_network_with_a_knee_are_up_to_twice_as_bright_or_dark():
    crop = bright_crop()

    def brightness(scaling):
        patches = (
            random_patch(crop, SIZE, INPUTS, OUTPUTS, scaling, np.random.default_rng(seed)) for seed in range(40)
        )
        return [float(np.median(patch.inputs[patch.inputs > 0])) for patch in patches]

    fixed, varied = brightness(BODY_LEVEL), brightness(SOFT_TISSUE_LEVEL)
    assert max(varied) / min(varied) > 1.25 * max(fixed) / min(fixed)


@pytest.fixture
def crop_with_regions():
    """A class for each block of 32 x 32 pixels; the left half of both views is labelled."""
    rows, columns = np.mgrid[:128, :128]
    classes = (1 + rows // 32 * 4 + columns // 32).astype(np.uint8)
    labels = np.where(columns < 64, LESION, 0).astype(np.uint8)
    counts = np.full((128, 128), 16, np.float32)
    return LabelledCrop(
        "a",
        dict.fromkeys(INPUTS, counts),
        dict.fromkeys(INPUTS, labels),
        {},
        [],
        regions=dict.fromkeys(INPUTS, classes),
    )


def test_regions_move_with_the_labels(crop_with_regions, no_drop):
    for seed in range(6):
        patch = random_patch(crop_with_regions, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(seed))
        assert patch.regions.shape == (SIZE // 2, SIZE // 2, 2)
        known = patch.regions != UNKNOWN_REGION
        left = ((patch.regions - 1) % 4 < 2) & known
        label = patch.label.reshape(SIZE // 2, 2, SIZE // 2, 2, 2).mean((1, 3)) > 0.5
        # Nearest neighbours and linear weights may differ along the edge.
        assert (left == label)[known].mean() > 0.95


def test_regions_of_a_missing_view_of_the_union_and_of_a_case_without_them_are_unknown(crop_with_regions, monkeypatch):
    monkeypatch.setattr(augmentation, "DROP_VIEW", 1.0)
    dropped = random_patch(crop_with_regions, SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(1)).regions
    assert sorted((dropped[..., i] == UNKNOWN_REGION).all() for i in (0, 1)) == [False, True]
    union = plain_patch(crop_with_regions, SIZE, ("aggregate",), ("union",), BODY_LEVEL, np.random.default_rng(1))
    assert (union.regions == UNKNOWN_REGION).all()
    without = plain_patch(bright_crop(), SIZE, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(1))
    assert (without.regions == UNKNOWN_REGION).all()


def large_and_small():
    """A lesion of 60 x 60 pixels and one of 4 x 4, far from each other, in the anterior view."""
    label = np.zeros((256, 256), np.uint8)
    label[20:80, 20:80] = LESION
    label[200:204, 200:204] = LESION
    counts = np.where(label == LESION, 400, 16).astype(np.float32)
    return LabelledCrop("a", {"anterior": counts}, {"anterior": label}, {}, [])


def test_small_lesions_are_drawn_as_often_as_large_ones_where_instances_count():
    def share_of_small(*, by_instance):
        patches = (
            random_patch(
                large_and_small(),
                SIZE,
                INPUTS,
                OUTPUTS,
                BODY_LEVEL,
                np.random.default_rng(seed),
                by_instance=by_instance,
            )
            for seed in range(80)
        )
        areas = [patch.label[..., 0].sum() for patch in patches]
        return np.mean([0 < area < 40 for area in areas])

    assert share_of_small(by_instance=True) > 0.2
    assert share_of_small(by_instance=False) < 0.1


def test_a_small_lesions_pixels_weigh_more_and_background_weighs_one():
    label = (large_and_small().labels["anterior"] == LESION).astype(np.float32)[..., None]
    weights = instance_weights(label)[..., 0]
    small, large = weights[202, 202], weights[50, 50]
    assert small == pytest.approx((16 / 59) ** -0.5, rel=1e-3)
    assert large == pytest.approx(0.4)
    assert (weights[label[..., 0] == 0] == 1).all()
    patch = random_patch(
        large_and_small(), 256, INPUTS, OUTPUTS, BODY_LEVEL, np.random.default_rng(3), by_instance=True
    )
    inside = patch.label[..., 0] > 0
    assert patch.weight[..., 0][inside].mean() < 1 < patch.weight[..., 0].max()
    assert (patch.weight[..., 1] == 0).all()
