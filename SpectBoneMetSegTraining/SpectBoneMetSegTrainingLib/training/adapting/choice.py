"""How long to learn, where to cut, and whether the new model may take the parent's place: on patients left out.

Few patients choose badly: thresholds chosen on a handful are drawn towards the parent's, which many chose. The
comparison with the parent judges every patient by thresholds that others chose.
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
from ..outcome.promotion import MINIMUM_PATIENTS, Verdict

__all__ = [
    "AdaptationComparison",
    "best_step",
    "chosen_point",
    "compare_adapted",
    "dice_of",
    "gains",
    "shrink_towards_parent",
]

Table = Mapping[str, Sequence[Counts]]

#: As many patients as this weigh as much as the parent's own choice.
PARENT_WEIGHT = 5.0
#: A difference of DSC or lesion F1 this far below 0 is too small to keep anybody from a model.
TOLERANCE = 0.01
#: Figures that are told of both models, by their names in `report.figures`.
REPORTED_FIGURES = {
    "dsc": "DSC, pooled",
    "lesion_f1_overlap": "lesion F1",
    "lesion_recall": "lesions touched",
    "false_alarms_per_image": "false areas a view",
}


class AdaptationComparison(PairedComparison):
    """A comparison with the parent over patients left out: `figures` by the names of REPORTED_FIGURES."""

    @property
    def enough_patients(self) -> bool:
        """Whether there are so many patients that an interval can be believed."""
        return self.patients >= MINIMUM_PATIENTS

    @property
    def recommended(self) -> bool:
        """Whether neither the lower end of DSC's difference nor that of lesion F1's lies below -TOLERANCE."""
        lows = [self.figures[name].low for name in ("dsc", "lesion_f1_overlap")]
        return self.enough_patients and all(isfinite(low) and low >= -TOLERANCE for low in lows)

    @property
    def better(self) -> bool:
        """Whether, besides, one of them lies above 0."""
        return self.recommended and any(self.figures[name].low > 0 for name in ("dsc", "lesion_f1_overlap"))

    @property
    def verdict(self) -> Verdict:
        """The same in the words of a card."""
        if self.better:
            return "better"
        return "not worse" if self.recommended else "worse" if self.figures["dsc"].high < 0 else "undecided"

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        dice, lesions = self.figures["dsc"], self.figures["lesion_f1_overlap"]
        numbers = (
            f"DSC {dice.new:.3f} against {dice.parent:.3f} (difference {dice.difference:+.3f}, 95 % {dice.low:+.3f} to "
            f"{dice.high:+.3f}), lesion F1 {lesions.new:.3f} against {lesions.parent:.3f} (difference "
            f"{lesions.difference:+.3f}, 95 % {lesions.low:+.3f} to {lesions.high:+.3f})"
        )
        if not self.enough_patients:
            return (
                f"{self.patients} patient{' is' if self.patients == 1 else 's are'} too few to tell, "
                f"{MINIMUM_PATIENTS} may tell; keep the model before "
                f"until more are outlined: {numbers}."
            )
        if self.better:
            return f"The adapted model is better on your patients: {numbers}."
        if self.recommended:
            return f"The adapted model is as good as the one before, you may use either: {numbers}."
        return f"Keep the model before, on your patients nothing shows that the adapted one is as good: {numbers}."


def chosen_point(table: Table, cases: Sequence[str], points: Sequence[Delineator]) -> tuple[Delineator, float]:
    """The best of the points on some cases by lesions and outlines, and its merit."""
    totals = [Counts() for _ in points]
    for case in cases:
        totals = [total + own for total, own in zip(totals, table[case], strict=True)]
    return best_point(points, totals, "lesions")


def best_step(tables: Mapping[int, Table], points: Sequence[Delineator]) -> int:
    """The look at which patients left out were judged best; of equal ones the earliest."""
    return max(sorted(tables), key=lambda step: chosen_point(tables[step], list(tables[step]), points)[1])


def shrink_towards_parent(chosen: Delineator, parent: ModelCard, patients: int) -> Delineator:
    """Limits drawn from those that so many patients chose towards the parent's, on a scale of odds."""
    weight = patients / (patients + PARENT_WEIGHT)

    def between(own: float, before: float) -> float:
        odds = weight * log(own / (1 - own)) + (1 - weight) * log(before / (1 - before))
        return round(1 / (1 + exp(-odds)), 3)

    threshold = between(chosen.threshold, parent.threshold)
    seed = max(threshold, between(chosen.seed_threshold, parent.seed_threshold))
    return Delineator(threshold, min(seed, SEED_THRESHOLDS[-1]), chosen.minimum_area_mm2)


def compare_adapted(old: Sequence[CaseScores], new: Sequence[CaseScores]) -> AdaptationComparison:
    """Both models on the same patients."""
    found = differences(old, new, tuple(REPORTED_FIGURES))
    return AdaptationComparison(found.patients, found.cases, found.figures)


def gains(old: Sequence[CaseScores], new: Sequence[CaseScores]) -> list[tuple[str, float, float]]:
    """(case, DSC before, DSC now) from the greatest gain to the greatest loss; nothing there and none marked is 1."""
    before = {one.case: dice_of(one) for one in old}
    found = [(one.case, before[one.case], dice_of(one)) for one in new]
    return sorted(found, key=lambda item: (item[1] - item[2], item[0]))


def dice_of(one: CaseScores) -> float:
    """DSC of a case, its views together; nothing there and none marked is 1."""
    return float(dsc(*(getattr(one.sums, name)[0] for name in ("tp", "fp", "fn"))))
