"""Choices on held-out patients: mixture, operating point, and the verdict against the parent model.

Thresholds chosen on few patients are unreliable, so they are shrunk towards the parent's, which many patients chose.
In the comparison with the parent model, mixture and thresholds of every patient were chosen by other patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, isfinite, log

from SpectBoneMetSegLib.model.card import ModelCard

from ...evaluation.metrics import Counts
from ...evaluation.paper_metrics import dsc
from ...evaluation.predictions import SEED_THRESHOLDS, Delineator, best_point
from ...evaluation.scores import CaseScores
from ..outcome.parent_comparison import PairedComparison, differences
from ..outcome.promotion import MINIMUM_PATIENTS, Verdict, interval_text

__all__ = [
    "AdaptationComparison",
    "best_share",
    "chosen_point",
    "compare_adapted",
    "dice_of",
    "gains",
    "shrink_towards_parent",
]

Table = Mapping[str, Sequence[Counts]]

#: The parent's operating point has the weight of this many patients.
PARENT_WEIGHT = 20.0
#: Non-inferiority margin of DSC and lesion F1.
TOLERANCE = 0.01
#: Figures reported for both models, by their names in `report.figures`, and their labels.
REPORTED_FIGURES = {
    "dsc": "DSC, pooled",
    "lesion_f1_overlap": "lesion F1, any overlap",
    "lesion_recall": "lesions found",
    "false_alarms_per_image": "false alarms per view",
}


class AdaptationComparison(PairedComparison):
    """Paired comparison with the parent model on held-out patients; `figures` are those of REPORTED_FIGURES."""

    @property
    def enough_patients(self) -> bool:
        """Whether there are enough patients for a trustworthy interval."""
        return self.patients >= MINIMUM_PATIENTS

    @property
    def recommended(self) -> bool:
        """Whether the lower ends of the differences of DSC and lesion F1 are both at least -TOLERANCE."""
        lows = [self.figures[name].low for name in ("dsc", "lesion_f1_overlap")]
        return self.enough_patients and all(isfinite(low) and low >= -TOLERANCE for low in lows)

    @property
    def better(self) -> bool:
        """Whether, in addition, one of them is above 0."""
        return self.recommended and any(self.figures[name].low > 0 for name in ("dsc", "lesion_f1_overlap"))

    @property
    def verdict(self) -> Verdict:
        """The verdict in the terms of a model card."""
        if self.better:
            return "better"
        return "not worse" if self.recommended else "worse" if self.figures["dsc"].high < 0 else "undecided"

    @property
    def sentence(self) -> str:
        """The verdict with its figures, in one sentence."""
        dice, lesions, alarms = (self.figures[name] for name in ("dsc", "lesion_f1_overlap", "false_alarms_per_image"))
        numbers = (
            f"DSC {dice.new:.3f} against {dice.parent:.3f} (difference {dice.difference:+.3f}, "
            f"{interval_text(dice.low, dice.high)}), lesion F1 {lesions.new:.3f} against {lesions.parent:.3f} "
            f"(difference {lesions.difference:+.3f}, {interval_text(lesions.low, lesions.high)}), false alarms per "
            f"view {alarms.new:.2f} against {alarms.parent:.2f}"
        )
        if not self.enough_patients:
            return (
                f"{self.patients} patient{' is' if self.patients == 1 else 's are'} too few for a verdict, which needs "
                f"{MINIMUM_PATIENTS}; keep the parent model until more are outlined: {numbers}."
            )
        if self.better:
            return f"The adapted model is better on your patients: {numbers}."
        if self.recommended:
            return f"The adapted model is as good as the parent model, you may use either: {numbers}."
        doubtful = [name for name, figure in (("DSC", dice), ("lesion F1", lesions)) if not figure.low >= -TOLERANCE]
        return (
            f"Keep the parent model, until more patients are outlined: on these {self.patients} the adapted model's "
            f"{' and '.join(doubtful)} may be lower by more than {TOLERANCE}: {numbers}."
        )


def chosen_point(table: Table, cases: Sequence[str], points: Sequence[Delineator]) -> tuple[Delineator, float]:
    """Return the best operating point on some cases, by lesion F1 and DSC, and its merit."""
    totals = [Counts() for _ in points]
    for case in cases:
        totals = [total + counts for total, counts in zip(totals, table[case], strict=True)]
    return best_point(points, totals, "lesions")


def best_share(tables: Mapping[float, Table], cases: Sequence[str], points: Sequence[Delineator]) -> float:
    """Return the share of the trained weights with the best figures on some cases; of equal ones the smallest."""
    return max(sorted(tables), key=lambda share: chosen_point(tables[share], cases, points)[1])


def shrink_towards_parent(chosen: Delineator, parent: ModelCard, patients: int) -> Delineator:
    """Shrink an operating point towards the parent's on a logit scale; `patients` chose it."""
    weight = patients / (patients + PARENT_WEIGHT)

    def shrunk(value: float, prior: float) -> float:
        logit = weight * log(value / (1 - value)) + (1 - weight) * log(prior / (1 - prior))
        return round(1 / (1 + exp(-logit)), 3)

    threshold = shrunk(chosen.threshold, parent.threshold)
    seed = max(threshold, shrunk(chosen.seed_threshold, parent.seed_threshold))
    return Delineator(threshold, min(seed, SEED_THRESHOLDS[-1]), chosen.minimum_area_mm2)


def compare_adapted(old: Sequence[CaseScores], new: Sequence[CaseScores]) -> AdaptationComparison:
    """Compare the parent model (`old`) and the adapted model (`new`) on the same patients."""
    paired = differences(old, new, tuple(REPORTED_FIGURES))
    return AdaptationComparison(paired.patients, paired.cases, paired.figures)


def gains(old: Sequence[CaseScores], new: Sequence[CaseScores]) -> list[tuple[str, float, float]]:
    """Return (case, DSC of the parent, DSC of the adapted model) from the greatest gain to the greatest loss."""
    parent = {scores.case: dice_of(scores) for scores in old}
    changes = [(scores.case, parent[scores.case], dice_of(scores)) for scores in new]
    return sorted(changes, key=lambda item: (item[1] - item[2], item[0]))


def dice_of(scores: CaseScores) -> float:
    """Return the DSC of a case, its views together; 1 if label and prediction are empty."""
    return float(dsc(*(getattr(scores.sums, name)[0] for name in ("tp", "fp", "fn"))))
