"""Matching of detections to lesions, and FROC counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION
from SpectBoneMetSegTrainingLib.evaluation.froc import THRESHOLDS, froc_counts, sensitivity_at
from SpectBoneMetSegTrainingLib.evaluation.matching import match_lesions
from SpectBoneMetSegTrainingLib.evaluation.metrics import compare

SHAPE = (16, 16)


def box(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def label_of(*lesions, ignored=()):
    label = np.zeros(SHAPE, np.uint8)
    for mask in ignored:
        label[mask] = IGNORE
    for mask in lesions:
        label[mask] = LESION
    return label


def match(mask, lesions, ignored=()):
    return match_lesions(mask, label_of(*lesions, ignored=ignored), lesions)


def test_a_detection_matches_from_an_iou_of_a_tenth_on():
    lesion = box((0, 2), (0, 5))  # ten pixels
    assert [pair[0] for pair in match(box((0, 1), (0, 1)), [lesion]).pairs] == [0]
    hardly = box((1, 11), (4, 5))  # one of nineteen pixels in common
    result = match(hardly, [lesion])
    assert (result.pairs, result.unmatched) == ([], 1)


def test_one_detection_over_two_lesions_matches_one_and_the_other_is_missed():
    small, large = box((2, 4), (2, 4)), box((2, 6), (6, 10))
    result = match(box((2, 6), (2, 10)), [small, large])
    assert [pair[0] for pair in result.pairs] == [1]
    assert result.unmatched == 0


def test_two_detections_on_one_lesion_are_one_match_and_one_unmatched():
    lesion = box((2, 6), (2, 8))
    larger, smaller = box((2, 6), (2, 5)), box((2, 6), (6, 8))
    result = match(larger | smaller, [lesion])
    ((_, detection),) = result.pairs
    np.testing.assert_array_equal(detection, larger)
    assert result.unmatched == 1


def test_as_many_lesions_as_possible_are_matched_even_at_some_cost_of_overlap():
    # The long detection fits the first lesion best, but it is the only one that overlaps the second.
    first, second = box((0, 4), (0, 8)), box((0, 4), (8, 10))
    long, short = box((0, 2), (0, 10)), box((3, 4), (0, 8))
    result = match(long | short, [first, second])
    assert sorted(pair[0] for pair in result.pairs) == [0, 1]


def test_detections_on_ignored_lesions_are_not_counted():
    ignored = box((8, 12), (8, 12))
    assert match(ignored, [], [ignored]).unmatched == 0
    # For a detection that extends from a lesion into an ignored one, only the rest of it counts.
    large, lesion = box((4, 12), (8, 16)), box((8, 12), (7, 8))
    assert len(match(lesion | large, [lesion], [large]).pairs) == 1


def test_without_detection_or_lesion_there_is_no_pair():
    nothing = np.zeros(SHAPE, bool)
    assert match(nothing, [box((0, 2), (0, 2))]) == match(nothing, [])
    assert match(box((0, 2), (0, 2)), []).unmatched == 1


@given(hnp.arrays(bool, SHAPE), st.permutations(range(3)))
def test_the_order_of_the_lesions_does_not_matter(mask, order):
    lesions = [box((0, 4), (0, 4)), box((6, 9), (2, 12)), box((12, 16), (9, 16))]
    one, two = match(mask, lesions), match(mask, [lesions[i] for i in order])
    assert (len(one.pairs), one.unmatched) == (len(two.pairs), two.unmatched)
    assert all((lesions[index] & detection).any() for index, detection in one.pairs)


def test_froc_counts_of_a_worked_example():
    lesions = [box((0, 3), (0, 3)), box((6, 9), (6, 9))]
    probability = np.zeros(SHAPE, np.float32)
    probability[0, 0] = 0.92  # the first lesion, from one pixel on
    probability[7, 7] = 0.42  # the second
    probability[12:14, 12:14] = 0.62  # a false alarm of four pixels
    probability[0, 14] = 0.99  # and one of a single pixel
    found, alarms = froc_counts(probability, label_of(*lesions), lesions, 1)
    at = {threshold: (f, a) for threshold, f, a in zip(THRESHOLDS, found, alarms, strict=True)}
    assert at[0.4] == (2, 2)
    assert at[0.6] == (1, 2)
    assert at[0.9] == (1, 1)
    assert at[0.95] == (0, 1)
    # A detection needs a minimum number of pixels.
    found, alarms = froc_counts(probability, label_of(*lesions), lesions, 4)
    assert (found.max(), alarms.max()) == (0, 1)


def test_ignored_lesions_raise_no_false_alarm_at_any_threshold():
    ignored = box((4, 8), (4, 8))
    found, alarms = froc_counts(ignored.astype(np.float32), label_of(ignored=[ignored]), [], 1)
    assert not found.any()
    assert not alarms.any()


@given(hnp.arrays(np.float32, SHAPE, elements=st.floats(0, 1, width=32)))
def test_each_point_of_the_curve_is_the_comparison_at_that_threshold(probability):
    lesions = [box((0, 3), (0, 3)), box((6, 9), (6, 9))]
    label, instances = label_of(*lesions), np.zeros((1, *SHAPE), np.uint16)
    instances[0, lesions[0]], instances[0, lesions[1]] = 1, 2
    found, alarms = froc_counts(probability, label, lesions, 1)
    assert (np.diff(found) <= 0).all()
    for index in range(0, len(THRESHOLDS), 6):
        counts = compare(probability >= THRESHOLDS[index], label, instances, {1, 2})
        assert (found[index], alarms[index]) == (counts.found, counts.false_alarms)


def test_sensitivity_is_read_at_a_threshold_that_can_be_set():
    found, alarms = np.zeros(len(THRESHOLDS)), np.zeros(len(THRESHOLDS))
    found[:3], alarms[:3] = (9, 6, 3), (40, 10, 4)
    assert sensitivity_at(1.0, found, alarms, 10.0, 10.0) == pytest.approx(0.6)
    assert sensitivity_at(0.5, found, alarms, 10.0, 10.0) == pytest.approx(0.3)
    assert sensitivity_at(0.25, found, alarms, 10.0, 10.0) == 0
    assert sensitivity_at(4.0, found, alarms, 10.0, 10.0) == pytest.approx(0.9)
    assert np.isnan(sensitivity_at(1.0, found, alarms, 0.0, 10.0))
