"""The protocol of the commercial index: patients of known index, and the same patients laid down and scanned again.

Patients are simulated ones with metastases, chosen so that their known indices spread over the logarithm of SPREAD;
they are scanned by cameras as they are drawn. Repeats lie anew and are scanned by the camera of the day.
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

#: Known indices, per cent.
SPREAD = (0.1, 13.0)
#: Into so many parts, equal on a logarithmic scale, it is divided.
PARTS = 10
#: Patients that are drawn for each that is taken, at most.
TRIES = 8
#: Lesions are written as area and uptake of the true outlines, by their track, to tell what repeats differ by.
COLUMNS = ("seed", "scan", "known_percent", "true_percent", "model_percent", "true_reason", "model_reason", "areas_mm2")


@dataclass(frozen=True)
class Measured:
    """One scan of one patient.

    Attributes:
        seed: of the patient.
        scan: 0 for the first, 1 for the repeat.
        known: index in per cent as it is known.
        true: of true outlines; None: not computable.
        model: end to end; None: not computable.
        areas: {track: mm2 of its true outlines, larger view}.
    """

    seed: int
    scan: int
    known: float
    true: float | None
    model: float | None
    true_reason: str
    model_reason: str
    areas: dict[str, float]


def choose_seeds(count: int, first: int, progress: Callable[[str], None]) -> list[int]:
    """Seeds of `count` patients whose known indices spread over SPREAD, as many from each part of it as can be had.

    Args:
        first: seed from which on patients are drawn.
    """
    parts = min(PARTS, count)
    edges, most = np.geomspace(*SPREAD, parts + 1), math.ceil(count / parts)
    taken: list[list[int]] = [[] for _ in range(parts)]
    for seed in range(first, first + TRIES * count):
        place = int(np.searchsorted(edges, known_index(_patient(seed)))) - 1
        if 0 <= place < parts and len(taken[place]) < most:
            taken[place].append(seed)
            progress(f"{sum(map(len, taken))} of {count} patients chosen")
        if sum(map(len, taken)) >= count:
            break
    return sorted(seed for part in taken for seed in part)


def measure(seed: int, scan: int, reader: Reader | None) -> Measured:
    """Simulate and measure one scan of the patient of a seed.

    Args:
        scan: 0 for the first scan, others for repeats of the unchanged patient.
        reader: None leaves out the model.
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
    )


def _areas(case: SimulatedCase) -> dict[str, float]:
    pixel = math.prod(case.scan.frame.spacing)
    return {
        lesion.track: pixel * max(int(view.mask.sum()) for view in lesion.views.values())
        for lesion in case.lesions
        if lesion.visible
    }


def _patient(seed: int) -> Patient:
    return draw_patient(random_stream(seed, PATIENT_STREAM), True)


def read_rows(path: Path) -> list[Measured]:
    """What an earlier run has measured; nothing where there is no table."""
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
                {track: float(area) for track, _, area in (each.partition(":") for each in row["areas_mm2"].split())},
            )
            for row in csv.DictReader(file)
        ]


def write_rows(path: Path, rows: Sequence[Measured]) -> None:
    """Write the table anew with all rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            areas = " ".join(f"{track}:{area:.1f}" for track, area in row.areas.items())
            numbers = ["" if value is None else f"{value:.5f}" for value in (row.known, row.true, row.model)]
            writer.writerow([row.seed, row.scan, *numbers, row.true_reason, row.model_reason, areas])
