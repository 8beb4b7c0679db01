"""How a model does on somebody's own outlines: the figures of `evaluation`, by bone and size, and the worst scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.engines import DeviceName, load_engine
from SpectBoneMetSegLib.model.store import ModelFolder
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, ViewName
from SpectBoneMetSegLib.scan.region_sides import regions_of_views
from SpectBoneMetSegLib.scan.skeleton_regions import class_map

from ...common.progress import Progress
from ...dataset.budgets import patients_of
from ...dataset.cases import LabelledCrop, load_case
from ...evaluation.by_region import RegionCounts, RegionRow, count_regions, region_rows
from ...evaluation.confidence_figures import JudgedScan, confidence_figures, judged_scans
from ...evaluation.predictions import Delineator, inputs_of, taught_region_in, union_of
from ...evaluation.report import full_report
from ...evaluation.scores import CaseScores, score_cases, without_flags
from ..outcome.learnt import known_to
from .choice import gains
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
        report: as `report.full_report`. regions: by bone, empty of a model that knows none. confidence: as
            `confidence_figures`, {} of a model that says none. worst: the worst first. known: a sentence where the
            model knows these patients, else "".
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
    data: Path, cases: list[str], model: ModelFolder, device: DeviceName = "auto", progress: Progress | None = None
) -> Audit:
    """Read every case once and measure.

    Raises:
        UserError: a data set or model that cannot be read.
    """
    found = _Reading(data, cases, model, device)
    scores: list[CaseScores] = []
    judged: list[JudgedScan] = []
    counted: list[RegionCounts] = []
    for number, case in enumerate(cases, start=1):
        crop, probabilities, regions = found(case)
        marks = found.limits(probabilities)
        scores += score_cases([(crop, probabilities)], found.limits, found.patients)
        judged += judged_scans([(crop, probabilities)], found.limits)
        if regions and not crop.flags:
            counted.append(count_regions(crop, marks, regions, found.patients[case]))
        if progress:
            progress(number, len(cases))
    own = without_flags(scores)
    report = full_report(own)
    worst = [(name, dice) for name, dice, _ in gains(own, own)]
    worst = sorted(((n, d) for n, d in worst if d < WORTH_SHOWING), key=lambda item: item[1])[:WORST]
    card = model.card
    return Audit(
        card.name,
        int(report["patients"]),
        report,
        region_rows(counted, int(report["images"])) if counted else [],
        confidence_figures(judged, card.confidence) if card.confidence is not None else {},
        [Case(name, dice, found.picture(name)) for name, dice in worst],
        known_to(card, data, cases).sentence(len({found.patients[case] for case in cases})),
    )


class _Reading:
    """Reads cases with a model, as the reading pipeline does."""

    def __init__(self, data: Path, cases: list[str], model: ModelFolder, device: DeviceName) -> None:
        self.data, self.card = data, model.card
        self.engine = load_engine(model, "auto", device)
        self.limits = Delineator.of(model.card)
        self.patients = patients_of(data)
        self.taught = taught_region_in(data, cases, model.card)

    def __call__(
        self, case: str
    ) -> tuple[LabelledCrop, dict[ViewName, NDArray[np.float32]], Mapping[ViewName, NDArray[np.uint8]]]:
        """The case, its probabilities, and the region classes of every pixel; {} without."""
        network = self.card.network
        crop = load_case(self.data, case, region=self.taught)
        answer = self.engine.answer(inputs_of(crop, network))
        if network.outputs == ("union",):
            return union_of(crop), {"anterior": answer.probability[..., 0]}, {}
        maps = {view: answer.probability[..., network.outputs.index(view)] for view in crop.counts}
        if answer.regions is None:
            return crop, maps, {}
        numbered = regions_of_views(answer.regions, network.outputs, REFERENCE_SPACING_MM)
        rows, columns = next(iter(crop.counts.values())).shape
        return crop, maps, {view: class_map(numbered[view][:rows, :columns]) for view in crop.counts}

    def picture(self, case: str) -> str:
        """Outlines of both over each other."""
        crop, probabilities, _ = self(case)
        return scan_picture(crop, [("now", {str(view): marks for view, marks in self.limits(probabilities).items()})])
