"""How a model does on somebody's own outlines: the figures of `evaluation`, by bone and size, and the worst scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.engines import DeviceName, load_engine
from SpectBoneMetSegLib.model.store import ModelFolder
from SpectBoneMetSegLib.scan.planar import ViewName

from ...common.progress import Progress
from ...dataset.budgets import patients_of
from ...dataset.cases import LabelledCrop
from ...dataset.opened import Data, opened
from ...evaluation.by_region import RegionCounts, RegionRow, count_regions, region_rows
from ...evaluation.confidence_figures import ScanDetections, confidence_figures, marks_and_detections
from ...evaluation.predictions import Delineator, level_region_of, predict_with_regions
from ...evaluation.report import full_report
from ...evaluation.scores import CaseScores, score_case, without_flags
from ..outcome.training_scans import known_patients
from .choice import dice_of
from .pictures import scan_picture

__all__ = ["Audit", "Case", "audit"]

#: The scans that are shown: read worst, as far as one can be read badly.
WORST, WORTH_SHOWING = 5, 0.98
#: Below this lower end of pooled DSC or lesion F1 adapting is advised; ours.
GOOD_ENOUGH = 0.6


@dataclass(frozen=True)
class Case:
    """A scan that was read badly: its name, DSC, and a picture as data URI."""

    name: str
    dice: float
    picture: str


@dataclass(frozen=True)
class Audit:
    """What was measured.

    Attributes:
        report: as `report.full_report`.
        regions: by bone, empty of a model that knows none.
        confidence: as `confidence_figures`, {} of a model that says none.
        worst: the worst first.
        known: a sentence where the model knows these patients, else "".
    """

    model: str
    patients: int
    report: dict[str, float | int]
    regions: list[RegionRow]
    confidence: dict[str, Any]
    worst: list[Case]
    known: str

    @property
    def adapt(self) -> bool:
        """Whether adapting is advised: the lower end of DSC's or lesion F1's interval lies below GOOD_ENOUGH."""
        lows = (self.report["dsc_low"], self.report["lesion_f1_overlap_low"])
        return not all(low >= GOOD_ENOUGH for low in lows)

    @property
    def sentence(self) -> str:
        """The advice in plain words."""
        dice, lesions = (
            f"{name} {self.report[key]:.3f} (95 % {self.report[key + '_low']:.3f} to {self.report[key + '_high']:.3f})"
            for name, key in (("DSC", "dsc"), ("lesion F1", "lesion_f1_overlap"))
        )
        figures = f"{dice}, {lesions} on {self.patients} patients"
        if self.adapt:
            return f"Adapt it: {figures}; the lower ends do not reach {GOOD_ENOUGH}."
        return f"It need not be adapted: {figures}; the lower ends reach {GOOD_ENOUGH}."


def audit(
    data: Data, cases: list[str], model: ModelFolder, device: DeviceName = "auto", progress: Progress | None = None
) -> Audit:
    """Read every case once and measure.

    Raises:
        UserError: a data set or model that cannot be read.
    """
    data = opened(data)
    card, patients = model.card, patients_of(data)
    limits, network = Delineator.of(card), card.network
    scores: list[CaseScores] = []
    judged: list[ScanDetections] = []
    counted: list[RegionCounts] = []
    worst = _Worst()
    answer = load_engine(model, "auto", device).predict_all
    answers = predict_with_regions(data, cases, answer, network, region=level_region_of(data, cases, card))
    for number, (crop, probabilities, regions) in enumerate(answers, start=1):
        marks, known = marks_and_detections(crop, probabilities, limits, judge=card.confidence is not None)
        judged += known
        score = score_case(crop, probabilities, marks, limits.minimum_area_mm2, patients)
        scores.append(score)
        if regions and not crop.flags:
            counted.append(count_regions(crop, marks, regions, patients[crop.case]))
        if not crop.flags:
            worst.see(crop, marks, dice_of(score))
        if progress:
            progress(number, len(cases))
    report = full_report(without_flags(scores))
    return Audit(
        card.name,
        int(report["patients"]),
        report,
        region_rows(counted, int(report["images"])) if counted else [],
        confidence_figures(judged, card.confidence) if card.confidence is not None else {},
        worst.shown(),
        known_patients(card, data, cases).sentence(len({patients[case] for case in cases})),
    )


class _Worst:
    """The scans that were read worst so far, kept with their outlines until they are drawn."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, str, LabelledCrop, Mapping[ViewName, NDArray[np.bool_]]]] = []

    def see(self, crop: LabelledCrop, marks: Mapping[ViewName, NDArray[np.bool_]], dice: float) -> None:
        """Keep the scan if it is among the worst."""
        if dice < WORTH_SHOWING:
            self._kept = sorted([*self._kept, (dice, crop.case, crop, marks)], key=lambda item: item[:2])[:WORST]

    def shown(self) -> list[Case]:
        """The worst first, with the outlines of both over each other."""
        return [
            Case(name, dice, scan_picture(crop, [("now", {str(view): mask for view, mask in marks.items()})]))
            for dice, name, crop, marks in self._kept
        ]
