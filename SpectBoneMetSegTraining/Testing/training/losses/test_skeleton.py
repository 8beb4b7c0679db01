"""Loss of the skeletal regions: right and wrong predictions, unknown pixels, small regions."""

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS
from SpectBoneMetSegTrainingLib.training.losses.skeleton import skeleton_loss
from SpectBoneMetSegTrainingLib.training.sampling.patches import UNKNOWN_REGION

VIEWS, COUNT = 2, len(REGIONS)


@pytest.fixture
def classes():
    return np.random.default_rng(3).integers(0, COUNT + 1, (2, 16, 16, VIEWS)).astype(np.uint8)


def perfect(classes):
    """Probabilities that are right everywhere, and no region where it is unknown."""
    right = classes[..., None] == np.arange(1, COUNT + 1)
    return np.where(right, 0.999, 0.001).reshape(*classes.shape[:3], VIEWS * COUNT).astype(np.float32)


def loss(probability, classes):
    import keras

    return float(skeleton_loss(keras.ops.convert_to_tensor(probability), keras.ops.convert_to_tensor(classes)))


def test_a_right_prediction_has_almost_no_loss_and_a_wrong_one_a_large_one(classes):
    right = perfect(classes)
    assert loss(right, classes) < 0.02
    assert loss(1 - right, classes) > 5


def test_views_are_not_interchangeable(classes):
    assert loss(perfect(classes[..., ::-1]), classes) > 20 * loss(perfect(classes), classes)


def test_unknown_pixels_are_excluded(classes):
    known = classes.copy()
    known[1] = UNKNOWN_REGION
    wrong = perfect(classes)
    wrong[1] = 1 - wrong[1]
    assert loss(wrong, known) == pytest.approx(loss(perfect(classes)[:1], known[:1]), rel=0.05, abs=1e-3)
    assert loss(wrong, np.full_like(classes, UNKNOWN_REGION)) == pytest.approx(0, abs=1e-4)


def test_a_small_region_that_is_missed_costs_as_much_as_a_large_one() -> None:
    classes = np.zeros((1, 32, 32, 2), np.uint8)
    classes[0, :16, :, 0], classes[0, 20:23, 4:8, 0] = 1, 12
    large, small = perfect(classes), perfect(classes)
    large[..., 0], small[..., 11] = 1e-4, 1e-4
    assert loss(small, classes) > 0.3
    assert loss(large, classes) > loss(small, classes) > 0.4 * loss(large, classes)
