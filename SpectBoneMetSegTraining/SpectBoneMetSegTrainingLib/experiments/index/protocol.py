"""Protocol of the index study: patients of known index, and repeat scans of the same patients after repositioning.

Patients are simulated ones with metastases, chosen so that their known indices are spread evenly over INDEX_RANGE on a
logarithmic scale; cameras are drawn at random. Repeats have a new position and a newly drawn state of the camera.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.loading.options import Options
from SpectBoneMetSegLib.pipeline import Reader
from SpectBoneMetSegLib.quantification.quantify import quantify

from ...phantom.disease.patient import Patient, draw_patient, random_stream
from ...phantom.scan.simulate import PATIENT_STREAM, SCAN_STREAM, SimulatedCase, acquire
from .known import known_index, true_reading

__all__ = ["COLUMNS", "Measured", "choose_seeds", "measure", "read_rows", "write_rows"]

#: Range of the known indices, per cent.
INDEX_RANGE = (0.1, 13.0)
#: Number of bins of the range, equal on a logarithmic scale.
BINS = 10
#: Largest number of patients drawn per patient chosen.
DRAWS_PER_PATIENT = 8
#: Columns of the table; areas_mm2 holds "track:area" of the true outlines, to compare repeats.
COLUMNS = (
    "seed",
    "scan",
    "known_percent",
    "true_percent",
    "model_percent",
    "true_reason",
    "model_reason",
    "areas_mm2",
    "labelled_percent",
)


@dataclass(frozen=True)
class Measured:
    """One scan of one patient.

    Attributes:
        seed: seed of the patient.
        scan: 0 for the first scan, 1 for the repeat.
        known: known index in per cent.
        true: index of the true outlines in per cent; None if not computable.
        model: index of the model's outlines in per cent; None if not computable.
        true_reason: reason why `true` is not computable.
        model_reason: reason why `model` is not computable.
        areas: {track: area of its true outline in mm2, in the larger view}.
        labelled: known index of the labelled metastases alone, those bright enough to be outlined; None in tables of
            earlier versions.
    """

    seed: int
    scan: int
    known: float
    true: float | None
    model: float | None
    true_reason: str
    model_reason: str
    areas: dict[str, float]
    labelled: float | None = None


def choose_seeds(count: int, first: int, progress: Callable[[str], None]) -> list[int]:
    """Choose seeds of `count` patients whose known indices cover INDEX_RANGE, as evenly over its bins as possible.

    Args:
        count: number of patients.
        first: first seed to draw.
        progress: called with a line of text.
    """
    bins = min(BINS, count)
    edges, limit = np.geomspace(*INDEX_RANGE, bins + 1), math.ceil(count / bins)
    chosen: list[list[int]] = [[] for _ in range(bins)]
    for seed in range(first, first + DRAWS_PER_PATIENT * count):
        index = int(np.searchsorted(edges, known_index(_patient(seed)))) - 1
        if 0 <= index < bins and len(chosen[index]) < limit:
            chosen[index].append(seed)
            progress(f"{sum(map(len, chosen))} of {count} patients chosen")
        if sum(map(len, chosen)) >= count:
            break
    return sorted(seed for group in chosen for seed in group)


def measure(seed: int, scan: int, reader: Reader | None) -> Measured:
    """Simulate and measure one scan of a patient.

    Args:
        seed: seed of the patient.
        scan: 0 for the first scan, others for repeats of the unchanged patient.
        reader: the model's reader; None leaves out the model.
    """
    patient = _patient(seed)
    case = acquire(f"p{seed}_{scan}", patient, random_stream(seed, SCAN_STREAM, scan), shape=None, spacing=None)
    true = quantify(true_reading(case))
    model = quantify(reader.read_scan(case.scan, Options(region="whole-body", read_anyway=True))) if reader else None
    return Measured(
        seed,
        scan,
        known_index(patient),
        true.index.percent,
        model.index.percent if model else None,
        true.index.reason,
        model.index.reason if model else "",
        _areas(case),
        known_index(patient, tracks={lesion.track for lesion in case.lesions if lesion.visible}),
    )


def _areas(case: SimulatedCase) -> dict[str, float]:
    pixel = math.prod(case.scan.frame.spacing)
    return {
        lesion.track: pixel * max(int(view.mask.sum()) for view in lesion.views.values())
        for lesion in case.lesions
        if lesion.visible
    }


def _patient(seed: int) -> Patient:
    return draw_patient(random_stream(seed, PATIENT_STREAM), positive=True)


def read_rows(path: Path) -> list[Measured]:
    """Read the measurements of an earlier run; [] without a table."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Measured(
                int(row["seed"]),
                int(row["scan"]),
                float(row["known_percent"]),
                float(row["true_percent"]) if row["true_percent"] else None,
                float(row["model_percent"]) if row["model_percent"] else None,
                row["true_reason"],
                row["model_reason"],
                {track: float(area) for track, _, area in (entry.partition(":") for entry in row["areas_mm2"].split())},
                float(row["labelled_percent"]) if row.get("labelled_percent") else None,
            )
            for row in csv.DictReader(file)
        ]


def write_rows(path: Path, rows: Sequence[Measured]) -> None:
    """Write the table with all rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            areas = " ".join(f"{track}:{area:.1f}" for track, area in row.areas.items())
            numbers = [
                "" if value is None else f"{value:.5f}" for value in (row.known, row.true, row.model, row.labelled)
            ]
            writer.writerow([row.seed, row.scan, *numbers[:3], row.true_reason, row.model_reason, areas, numbers[3]])
