"""Few patients hardly move the operating point, and the lower end of the interval decides on the verdict."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.evaluation.metrics import Counts
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator
from SpectBoneMetSegTrainingLib.training.adapting.choice import AdaptationComparison, best_share, shrink_towards_parent
from SpectBoneMetSegTrainingLib.training.adapting.mixing import mixed
from SpectBoneMetSegTrainingLib.training.outcome.promotion import Difference

PARENT = SimpleNamespace(threshold=0.5, seed_threshold=0.95)


def comparison(dice, lesions):
    figures = {
        "dsc": Difference(0.7, 0.6, 0.1, *dice),
        "lesion_f1_overlap": Difference(0.7, 0.7, 0.0, *lesions),
        "false_alarms_per_image": Difference(0.8, 0.4, 0.4, 0.1, 0.7),
    }
    return AdaptationComparison(12, 14, figures)


@pytest.mark.parametrize(
    ("dice", "lesions", "recommended", "better"),
    [
        ((0.02, 0.2), (-0.005, 0.1), True, True),
        ((-0.005, 0.2), (-0.009, 0.1), True, False),
        ((0.02, 0.2), (-0.02, 0.1), False, False),
        ((-0.05, 0.3), (0.0, 0.1), False, False),
        ((float("nan"), 0.3), (0.0, 0.1), False, False),
    ],
)
def test_the_lower_ends_of_both_differences_decide(dice, lesions, recommended, better):
    found = comparison(dice, lesions)
    assert (found.recommended, found.better) == (recommended, better)
    assert ("Keep the parent model" in found.sentence) is not recommended
    assert found.verdict == ("better" if better else "not worse" if recommended else "undecided")


@pytest.mark.parametrize(
    ("dice", "lesions", "named"),
    [
        ((0.02, 0.2), (-0.02, 0.1), "the adapted model's lesion F1 may be lower by more than 0.01"),
        ((-0.05, 0.3), (0.0, 0.1), "the adapted model's DSC may be"),
        ((-0.05, 0.3), (float("nan"), 0.1), "the adapted model's DSC and lesion F1 may be"),
    ],
)
def test_the_figure_for_which_the_parent_is_kept_is_named_beside_the_false_alarms(dice, lesions, named):
    sentence = comparison(dice, lesions).sentence
    assert named in sentence
    assert "until more patients are outlined: on these 12 the" in sentence
    assert "false alarms per view 0.80 against 0.40" in sentence


def test_few_patients_give_no_recommendation():
    found = AdaptationComparison(6, 6, comparison((0.02, 0.2), (0.01, 0.1)).figures)
    assert not found.recommended
    assert "too few for a verdict" in found.sentence


def test_three_patients_hardly_move_the_thresholds_and_fifty_can():
    chosen = Delineator(0.2, 0.2, 20.0)
    few, many = (shrink_towards_parent(chosen, PARENT, count) for count in (3, 50))
    assert 0.4 < few.threshold < 0.5
    assert few.seed_threshold > 0.8
    assert many.threshold < 0.3
    assert shrink_towards_parent(chosen, PARENT, 0) == Delineator(0.5, 0.95, 20.0)
    assert few.threshold <= few.seed_threshold


GOOD = [Counts(true_positive=90, false_positive=10, false_negative=10, lesions=4, found=4, images=2)]
BAD = [Counts(true_positive=60, false_positive=30, false_negative=40, lesions=4, found=2, false_alarms=3, images=2)]
POINTS = [Delineator(0.5, 0.5, 20.0)]


def test_of_equally_good_mixtures_the_one_nearest_to_the_parent_is_chosen():
    assert best_share({0.25: {"a": BAD}, 0.5: {"a": GOOD}, 1.0: {"a": GOOD}}, ["a"], POINTS) == 0.5


def test_a_mixture_is_chosen_by_the_given_patients_alone():
    tables = {0.25: {"a": GOOD, "b": BAD}, 1.0: {"a": BAD, "b": GOOD}}
    assert best_share(tables, ["a"], POINTS) == 0.25
    assert best_share(tables, ["b"], POINTS) == 1.0


def test_a_mixture_lies_on_the_line_from_the_parent_to_the_trained_weights():
    parent, trained = [np.zeros((2, 2)), np.ones(3)], [np.full((2, 2), 4.0), np.full(3, -1.0)]
    for share, first, second in ((0.0, 0.0, 1.0), (0.25, 1.0, 0.5), (1.0, 4.0, -1.0)):
        assert [array.tolist() for array in mixed(parent, trained, share)] == [[[first] * 2] * 2, [second] * 3]
