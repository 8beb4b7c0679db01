"""Pixel-wise and lesion-wise metrics against worked examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION, LabelledCrop
from SpectBoneMetSegTrainingLib.evaluation.metrics import Counts, compare
from SpectBoneMetSegTrainingLib.evaluation.predictions import (
    Delineator,
    choose_threshold,
    count_case,
    evaluate_cases,
    predict_cases,
)


def scene():
    """Lesion 1 (2 x 3), lesion 2 (2 x 2), an ignored lesion 3 (2 x 2)."""
    label, instances = np.zeros((12, 12), np.uint8), np.zeros((1, 12, 12), np.uint16)
    for identifier, rows, columns, value in (
        (1, slice(0, 2), slice(0, 3), LESION),
        (2, slice(4, 6), slice(8, 10), LESION),
        (3, slice(9, 11), slice(0, 2), IGNORE),
    ):
        label[rows, columns] = value
        instances[0, rows, columns] = identifier
    return label, instances


def test_figures_of_a_worked_example():
    label, instances = scene()
    mask = np.zeros((12, 12), bool)
    mask[0:2, 1:4] = True  # four of six pixels of lesion 1 and two next to it
    mask[8, 8] = mask[9, 9] = True  # a false alarm of two pixels that touch at a corner
    mask[11, 11] = True  # another of one pixel
    counts = compare(mask, label, instances, {1, 2})
    assert counts == Counts(
        true_positive=4, false_positive=5, false_negative=6, lesions=2, found=1, false_alarms=2, images=1
    )
    assert counts.dice == pytest.approx(8 / 19)
    assert counts.precision == pytest.approx(4 / 9)
    assert counts.recall == pytest.approx(0.4)
    assert counts.lesion_recall == 0.5
    assert counts.false_alarms_per_image == 2
    assert counts.summary()["dice"] == 0.4211


def test_ignored_lesions_do_not_count():
    label, instances = scene()
    nothing = compare(np.zeros_like(label, bool), label, instances, {1, 2})
    mask = label == IGNORE
    assert compare(mask, label, instances, {1, 2}) == nothing
    # A detection that exceeds an ignored lesion is not a false alarm, but its outer pixels are false positives.
    mask[9:11, 2] = True
    wider = compare(mask, label, instances, {1, 2})
    assert (wider.false_positive, wider.false_alarms, wider.found) == (2, 0, 0)


def test_a_detection_over_two_lesions_finds_both():
    label, instances = scene()
    counts = compare(np.ones_like(label, bool), label, instances, {1, 2})
    assert (counts.found, counts.false_alarms) == (2, 0)


def test_overlapping_lesions_in_layers_are_counted_one_by_one():
    instances = np.zeros((2, 4, 4), np.uint16)
    instances[0, :, :2] = 1
    instances[1, :, 1:3] = 2
    label = (instances > 0).any(0).astype(np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[0, 1] = True
    assert compare(mask, label, instances, {1, 2}).found == 2
    mask[:] = False
    mask[0, 2] = True
    assert compare(mask, label, instances, {1, 2}).found == 1


def test_lesions_outside_the_crop_do_not_count():
    label, instances = scene()
    assert compare(label == LESION, label, instances, {1, 2, 77}).lesions == 2


def test_nothing_to_find_and_nothing_found_measures_nothing():
    empty = np.zeros((4, 4), np.uint8)
    counts = compare(empty > 0, empty, empty[None].astype(np.uint16), set())
    assert np.isnan([counts.dice, counts.precision, counts.recall, counts.lesion_recall]).all()
    summary = counts.summary()
    assert [summary[name] for name in ("dice", "precision", "recall", "lesion_recall")] == [None] * 4
    assert Counts().false_alarms_per_image == 0


@given(hnp.arrays(np.uint8, (6, 6), elements=st.integers(0, 2)), hnp.arrays(bool, (6, 6)))
def test_overlap_agrees_with_plain_set_arithmetic(label, mask):
    counts = compare(mask, label, (label > 0)[None].astype(np.uint16), {1})
    pixels = [(i, j) for i in range(6) for j in range(6) if label[i, j] != IGNORE]
    truth = {pixel for pixel in pixels if label[pixel] == LESION}
    found = {pixel for pixel in pixels if mask[pixel]}
    assert counts.true_positive == len(truth & found)
    assert counts.false_positive == len(found - truth)
    assert counts.false_negative == len(truth - found)
    both = len(truth) + len(found)
    assert counts.dice == pytest.approx(2 * len(truth & found) / both if both else np.nan, nan_ok=True)


def test_pooled_figures_are_those_of_the_summed_pixels_not_the_mean_of_images():
    one = Counts(true_positive=8, false_positive=2, false_negative=0, lesions=1, found=1, false_alarms=1, images=1)
    two = Counts(true_positive=0, false_positive=0, false_negative=10, lesions=3, found=0, false_alarms=0, images=1)
    both = one + two
    assert both == Counts(8, 2, 10, 4, 1, 1, 2)
    assert both.dice == pytest.approx(16 / 28)
    assert both.lesion_recall == 0.25
    assert both.false_alarms_per_image == 0.5


def labelled_crop():
    """Lesion 1 labelled in front only, lesion 2 in both views."""
    label, instances = np.zeros((32, 32), np.uint8), np.zeros((1, 32, 32), np.uint16)
    instances[0, 4:8, 4:8], instances[0, 20:24, 20:24] = 1, 2
    front, back = label.copy(), label.copy()
    front[instances[0] > 0] = LESION
    back[4:8, 4:8], back[20:24, 20:24] = IGNORE, LESION
    counts = np.full((32, 32), 20, np.float32)
    lesions = [
        {"id": 1, "labelled": {"anterior": True, "posterior": False}},
        {"id": 2, "labelled": {"anterior": True, "posterior": True}},
    ]
    views = {"anterior": front, "posterior": back}
    return LabelledCrop("a", dict.fromkeys(views, counts), views, dict.fromkeys(views, instances), lesions)


def negative_crop():
    empty, counts = np.zeros((32, 32), np.uint8), np.full((32, 32), 20, np.float32)
    views = {"anterior": empty, "posterior": empty}
    layers = np.zeros((1, 32, 32), np.uint16)
    return LabelledCrop("b", dict.fromkeys(views, counts), views, dict.fromkeys(views, layers), [])


def test_a_case_is_counted_per_view_with_the_lesions_labelled_there():
    crop = labelled_crop()
    masks = {view: label == LESION for view, label in crop.labels.items()}
    counts = count_case(crop, masks)
    assert (counts["anterior"].lesions, counts["anterior"].found) == (2, 2)
    assert (counts["posterior"].lesions, counts["posterior"].found) == (1, 1)
    assert counts["posterior"].dice == 1


def test_evaluation_pools_views_and_reports_images_without_lesions_separately():
    crop, negative = labelled_crop(), negative_crop()
    right = {view: np.where(label == LESION, 0.9, 0.05).astype(np.float32) for view, label in crop.labels.items()}
    alarm = {view: np.full((32, 32), 0.05, np.float32) for view in right}
    alarm["posterior"][10:14, 10:14] = 0.9
    figures = evaluate_cases([(crop, right), (negative, alarm)], Delineator(0.5, 0.5, 0.0))
    assert figures["cases"] == 2
    assert figures["anterior"]["dice"] == 1
    assert figures["posterior"]["dice"] == pytest.approx(2 * 16 / (2 * 16 + 16), abs=1e-4)  # figures are rounded
    assert figures["both views"]["lesions"] == 3
    assert figures["views without any lesion"] == {"images": 2, "false_alarms_per_image": 0.5}


def test_small_and_faint_detections_are_dropped_as_in_the_reading_pipeline():
    probabilities = {"anterior": np.zeros((32, 32), np.float32)}
    probabilities["anterior"][2:6, 2:6] = 0.6  # large, but below the seed threshold
    probabilities["anterior"][10, 10] = 0.95  # one pixel of 5 mm2
    probabilities["anterior"][20:24, 20:24] = 0.6
    probabilities["anterior"][21, 21] = 0.9
    mask = Delineator(0.5, 0.8, 30.0)(probabilities)["anterior"]
    assert mask[20:24, 20:24].all()
    assert mask.sum() == 16


def test_the_threshold_with_the_best_dice_is_chosen():
    crop = labelled_crop()
    probability = {}
    for view, label in crop.labels.items():
        # Lesions at 0.45, an uncertain rim at 0.36: only thresholds in between are perfect.
        probability[view] = np.where(label == LESION, 0.45, 0.36).astype(np.float32)
    outline, seed = choose_threshold([(crop, probability)], 0.0)
    assert 0.36 < outline < 0.45
    assert outline <= seed <= 0.45


def test_the_threshold_by_lesions_finds_more_of_them_where_the_dice_would_not():
    label = np.zeros((64, 64), np.uint8)
    layers = np.zeros((1, 64, 64), np.uint16)
    # One large lesion with a high probability and an uncertain rim around it, and four small uncertain ones.
    boxes = [(slice(4, 34), slice(4, 34)), *((slice(44, 46), slice(column, column + 2)) for column in (4, 16, 28, 40))]
    probability = np.full((64, 64), 0.05, np.float32)
    probability[2:36, 2:36] = 0.4
    for number, box in enumerate(boxes, 1):
        label[box], layers[0][box] = LESION, number
        probability[box] = 0.9 if number == 1 else 0.4
    lesions = [{"id": number, "labelled": {"anterior": True}} for number in range(1, 6)]
    crop = LabelledCrop("a", {"anterior": probability}, {"anterior": label}, {"anterior": layers}, lesions)
    predictions = [(crop, {"anterior": probability})]
    assert choose_threshold(predictions, 0.0)[0] > 0.4
    assert choose_threshold(predictions, 0.0, "lesions")[0] <= 0.4


def test_the_threshold_by_lesions_keeps_a_minimum_precision():
    label, probability = np.zeros((64, 64), np.uint8), np.full((64, 64), 0.05, np.float32)
    layers = np.zeros((1, 64, 64), np.uint16)
    # Both lesions are found at 0.3, but so is a wide false rim around the first.
    probability[2:40, 2:40] = 0.3
    for number, (box, value) in enumerate(
        (((slice(10, 20), slice(10, 20)), 0.9), ((slice(50, 52), slice(50, 52)), 0.3)), 1
    ):
        label[box], layers[0][box], probability[box] = LESION, number, value
    lesions = [{"id": number, "labelled": {"anterior": True}} for number in (1, 2)]
    crop = LabelledCrop("a", {"anterior": probability}, {"anterior": label}, {"anterior": layers}, lesions)
    assert choose_threshold([(crop, {"anterior": probability})], 0.0, "lesions")[0] > 0.3


def test_predictions_follow_the_order_of_the_outputs(monkeypatch, tmp_path):
    from SpectBoneMetSegTrainingLib.evaluation import predictions as evaluation

    monkeypatch.setattr(evaluation, "load_case", lambda *_case, **_what: labelled_crop())

    def predict(inputs):
        return np.stack([np.full(inputs.shape[:2], 0.1), np.full(inputs.shape[:2], 0.2)], -1).astype(np.float32)

    names = ("anterior", "posterior")
    ((_, swapped),) = predict_cases(
        tmp_path, ["a"], predict, NetworkConfig(inputs=names, outputs=("posterior", "anterior"))
    )
    assert swapped["anterior"][0, 0] == pytest.approx(0.2)
    assert swapped["posterior"][0, 0] == pytest.approx(0.1)


def test_a_union_model_is_measured_against_the_union_of_the_views(monkeypatch, tmp_path):
    from SpectBoneMetSegTrainingLib.evaluation import predictions as evaluation

    monkeypatch.setattr(evaluation, "load_case", lambda *_case, **_what: labelled_crop())
    crop = labelled_crop()
    truth = np.maximum(*(label == 1 for label in crop.labels.values())).astype(np.float32)
    ((case, union),) = predict_cases(
        tmp_path, ["a"], lambda x: truth[..., None], NetworkConfig(inputs=("aggregate",), outputs=("union",))
    )
    assert set(union) == {"anterior"}
    figures = evaluate_cases([(case, union)], Delineator(0.5, 0.5, 0.0))
    assert figures["both views"]["dice"] == 1.0
