"""Audit: evaluate a model on a hospital's own outlines, by region and lesion size, with the worst scans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.model.engines import DeviceName, load_engine
from SpectBoneMetSegLib.model.store import ModelFolder
from SpectBoneMetSegLib.scan.planar import ViewName

from ...common.progress import Progress
from ...dataset.budgets import patients_of
from ...dataset.cases import LabelledCrop
from ...dataset.opened import Data, opened
from ...evaluation import bootstrap
from ...evaluation.by_region import RegionCounts, RegionRow, count_regions, region_rows
from ...evaluation.confidence_metrics import (
    ObservedShare,
    ScanDetections,
    confidence_metrics,
    masks_and_detections,
    observed_shares,
)
from ...evaluation.predictions import Delineator, level_region_of, predict_with_regions
from ...evaluation.report import SIZES, full_report
from ...evaluation.scores import CaseScores, from_flat, score_case, without_flags
from ...evaluation.shares import share_interval
from ..outcome.promotion import MINIMUM_PATIENTS
from ..outcome.training_scans import known_patients
from .choice import dice_of
from .pictures import scan_picture

__all__ = ["Audit", "WorstScan", "audit"]

#: Number of worst scans in the report, and DSC from which a scan is not shown.
WORST, WORTH_SHOWING = 5, 0.98
#: Adaptation is recommended if the lower end of pooled DSC or lesion F1 is below this; our choice.
GOOD_ENOUGH = 0.6
#: Figures that decide, by their names in the report, and their labels.
DECIDING = {"dsc": "DSC", "lesion_f1_overlap": "lesion F1"}


@dataclass(frozen=True)
class WorstScan:
    """A scan with a low DSC.

    Attributes:
        name: name of the case, or the files of its scan.
        dice: its DSC.
        picture: picture with outlines, as data URI.
    """

    name: str
    dice: float
    picture: str


@dataclass(frozen=True)
class Audit:
    """Result of an audit.

    Attributes:
        model: name of the model.
        patients: number of patients.
        outlined_patients: number of them with an outlined lesion.
        report: figures of `report.full_report`; shares of lesions with the intervals of `shares.share_interval`.
        regions: figures by region; empty for a model without regions.
        confidence: figures of `confidence_metrics`; {} for a model without confidence.
        observed: shares of `observed_shares`; {} for a model without confidence.
        worst: the worst scans, the worst first.
        known: a warning if the model was trained on these patients, else "".
        names_files: whether the scans have the names of their files.
    """

    model: str
    patients: int
    outlined_patients: int
    report: dict[str, float | int]
    regions: list[RegionRow]
    confidence: dict[str, Any]
    observed: dict[str, list[ObservedShare]]
    worst: list[WorstScan]
    known: str
    names_files: bool = False

    @property
    def adapt(self) -> bool | None:
        """Whether adaptation is recommended: the lower end of DSC or lesion F1 is below GOOD_ENOUGH.

        None without a recommendation: fewer than MINIMUM_PATIENTS patients have an outlined lesion.
        """
        return bool(self._too_low) if self.outlined_patients >= MINIMUM_PATIENTS else None

    @property
    def sentence(self) -> str:
        """The recommendation with its figures, in one sentence."""
        if not self.outlined_patients:
            alarms = self._figure("false_alarms_per_image")
            return (
                f"No lesion is outlined in the scans of {pluralize(self.patients, 'patient')}, so there is no "
                f"recommendation, and false alarms only are reported, {alarms} per view; add scans with outlined "
                f"lesions of {MINIMUM_PATIENTS} patients."
            )
        figures = ", ".join(f"{label} {self._figure(name)}" for name, label in DECIDING.items())
        figures += f" on {pluralize(self.patients, 'patient')}"
        if self.adapt is None:
            missing = pluralize(MINIMUM_PATIENTS - self.outlined_patients, "more patient")
            return (
                f"There is no recommendation, which needs {MINIMUM_PATIENTS} patients with outlined lesions: outline "
                f"those of {missing}. So far: {figures}."
            )
        if self.adapt:
            low = " and of the ".join(self._too_low)
            ends, do = ("ends", "do") if len(self._too_low) > 1 else ("end", "does")
            return f"Adaptation is recommended: {figures}; the lower {ends} of the {low} {do} not reach {GOOD_ENOUGH}."
        return f"Adaptation is not needed: {figures}; the lower ends reach {GOOD_ENOUGH}."

    @property
    def _too_low(self) -> list[str]:
        """Labels of the deciding figures whose lower ends are below GOOD_ENOUGH."""
        return [label for name, label in DECIDING.items() if not self.report[name + "_low"] >= GOOD_ENOUGH]

    def _figure(self, name: str) -> str:
        """Return a figure with its interval."""
        value, low, high = (self.report[name + end] for end in ("", "_low", "_high"))
        if isnan(low):
            return f"{value:.3f} (too few patients for an interval)"
        return f"{value:.3f} (95 % {low:.3f} to {high:.3f})" if low < high else f"{value:.3f} (in all samples)"


def audit(
    data: Data,
    cases: list[str],
    model: ModelFolder,
    device: DeviceName = "auto",
    progress: Progress | None = None,
    files: Mapping[str, str] | None = None,
) -> Audit:
    """Predict every case once and evaluate the model.

    Args:
        data: data set.
        cases: names of its labelled cases.
        model: the model.
        device: device of the predictions.
        progress: called with the number of cases done and their total.
        files: {case: files of its scan}, which name it in the report; None or {} for the names of the cases.

    Raises:
        UserError: a data set or model that cannot be read, or scans with cold lesions only.
    """
    data = opened(data)
    card, patients = model.card, patients_of(data)
    limits, network = Delineator.of(card), card.network
    scores: list[CaseScores] = []
    detections: list[ScanDetections] = []
    counted: list[RegionCounts] = []
    worst = _Worst()
    answer = load_engine(model, "auto", device).predict_all
    predictions = predict_with_regions(data, cases, answer, network, region=level_region_of(data, cases, card))
    for number, (crop, probabilities, regions) in enumerate(predictions, start=1):
        masks, found = masks_and_detections(crop, probabilities, limits, detections=card.confidence is not None)
        detections += found
        score = score_case(crop, probabilities, masks, limits.minimum_area_mm2, patients)
        scores.append(score)
        if regions and not crop.flags:
            counted.append(count_regions(crop, masks, regions, patients[crop.case]))
        if not crop.flags:
            worst.add(crop, masks, dice_of(score))
        if progress:
            progress(number, len(cases))
    scores = without_flags(scores)
    if not scores:
        raise UserError("Every outlined scan has a cold lesion, which no figure counts; outline other scans.")
    report = full_report(scores) | _lesion_shares(scores)
    return Audit(
        card.name,
        int(report["patients"]),
        len({score.patient for score in scores if score.sums.lesions.any()}),
        report,
        region_rows(counted, int(report["images"])) if counted else [],
        confidence_metrics(detections, card.confidence) if card.confidence is not None else {},
        observed_shares(detections, card.confidence) if card.confidence is not None else {},
        worst.shown(files or {}),
        known_patients(card, data, cases).sentence(len({patients[case] for case in cases})),
        bool(files),
    )


def _lesion_shares(scores: list[CaseScores]) -> dict[str, float]:
    """Return the ends of the intervals of all shares of lesions, by their names in the report."""
    sums = from_flat(np.stack(list(bootstrap.patient_sums(scores).values())))
    weights = bootstrap.draw_patients(len(sums.lesions), bootstrap.SAMPLES, seed=0)
    shares = {"lesion_recall": (sums.found[:, 0], sums.lesions[:, 0])}
    for index, size in enumerate(SIZES):
        shares[f"lesion_recall_{size}"] = (sums.size_found[:, index], sums.size_lesions[:, index])
    result: dict[str, float] = {}
    for name, (found, lesions) in shares.items():
        result[f"{name}_low"], result[f"{name}_high"] = share_interval(found, lesions, weights)
    return result


class _Worst:
    """The scans with the lowest DSC so far, with their masks."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, str, LabelledCrop, Mapping[ViewName, NDArray[np.bool_]]]] = []

    def add(self, crop: LabelledCrop, masks: Mapping[ViewName, NDArray[np.bool_]], dice: float) -> None:
        """Add the scan if it is among the worst."""
        if dice < WORTH_SHOWING:
            self._kept = sorted([*self._kept, (dice, crop.case, crop, masks)], key=lambda item: item[:2])[:WORST]

    def shown(self, files: Mapping[str, str]) -> list[WorstScan]:
        """Return the scans with pictures, the worst first; `files` are those of `audit`."""
        return [
            WorstScan(
                files.get(case, case),
                dice,
                scan_picture(crop, [("model", {str(view): mask for view, mask in masks.items()})]),
            )
            for dice, case, crop, masks in self._kept
        ]
