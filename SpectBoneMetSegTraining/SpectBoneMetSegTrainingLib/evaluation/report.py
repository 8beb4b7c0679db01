"""All figures of a model with 95 % intervals, and the paired difference of two models, under flat names.

Empty-mask rule. Pooled figures over nothing, such as the precision of no mark, are undefined. Figures per image are
means over the images with a labelled lesion, where no mark is 0; `image_dsc_all` is over all images, where both empty
is 1 and one empty 0. Undefined figures (the distance of no matched lesion, the recall of no lesion) are NaN here, null
in JSON, an empty field in CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.files import beside

from ..dataset.files import write_json
from . import bootstrap, paper_metrics
from .froc import ALARM_RATES, sensitivity_at
from .paper_metrics import Numbers, ratio
from .scores import CaseScores, Sums

SIZES = ("small", "middle", "large")


def figures(sums: Sums) -> dict[str, Numbers]:
    """Every figure from sums of any leading shape (..., n); each (...).

    Pooled: dsc, recall and the three readings of CPA. image_*: the same per image with lesions. lesion_f1_overlap
    counts any overlap as found, lesion_f1_iou10 only marks paired at IoU >= 0.1. froc_*: sensitivity at so many false
    alarms per image (0_25: a quarter), froc_mean their mean. hd95_mm and assd_mm: means over the lesions paired at
    IoU >= 0.1. ece: expected calibration error of the body's pixels, most of which are easy background. small, middle,
    large: true areas up to 150, up to 500 and above 500 mm2.
    """
    one = {name: getattr(sums, name)[..., 0] for name in vars(sums)}
    tp, fp, fn, tn = (one[name] for name in ("tp", "fp", "fn", "tn"))
    lesions, images, counts = one["lesions"], one["images"], sums.counts
    matched, positives = one["matched"], one["positives"]
    froc = {
        f"froc_{rate:g}".replace(".", "_"): sensitivity_at(rate, sums.froc_found, sums.froc_alarms, lesions, images)
        for rate in ALARM_RATES
    }
    gap = np.abs(sums.bin_probability - sums.bin_lesion).sum(-1)
    result = {
        "dsc": counts.dice,
        "cpa_precision": counts.precision,
        "cpa_pixel_accuracy": paper_metrics.cpa_pixel_accuracy(tp, fp, fn, tn),
        "cpa_class_mean": paper_metrics.cpa_class_mean(tp, fp, fn, tn),
        "recall": counts.recall,
        "image_dsc": ratio(one["dsc"], positives, np.nan),
        "image_dsc_all": ratio(one["agreed"], images, np.nan),
        "image_cpa_precision": ratio(one["precision"], positives, np.nan),
        "image_cpa_pixel_accuracy": ratio(one["accuracy"], positives, np.nan),
        "image_cpa_class_mean": ratio(one["class_mean"], positives, np.nan),
        "image_recall": ratio(one["recall"], positives, np.nan),
        "lesion_recall": counts.lesion_recall,
        "lesion_f1_overlap": counts.lesion_f1,
        "lesion_f1_iou10": ratio(2 * matched, matched + one["unmatched"] + lesions, np.nan),
        "false_alarms_per_image": ratio(one["alarms"], images, np.nan),
        "false_alarms_per_negative_image": ratio(one["negative_alarms"], one["negatives"], np.nan),
        **froc,
        "froc_mean": np.mean(list(froc.values()), axis=0),
        "hd95_mm": ratio(one["hd95"], matched, np.nan),
        "assd_mm": ratio(one["assd"], matched, np.nan),
        "ece": ratio(gap, sums.bin_pixels.sum(-1), np.nan),
    }
    for place, size in enumerate(SIZES):
        by_size = sums.size_found[..., place], sums.size_lesions[..., place]
        result[f"lesion_recall_{size}"] = ratio(*by_size, np.nan)
        result[f"recall_{size}"] = ratio(sums.size_hits[..., place], sums.size_pixels[..., place], np.nan)
    return result


def full_report(cases: Sequence[CaseScores], samples: int = bootstrap.SAMPLES, seed: int = 0) -> dict[str, float | int]:
    """Every figure as `name`, `name_low` and `name_high` (95 % interval over patients), and the amounts behind them.

    Args:
        cases: from `scores.score_cases`.
        samples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: no case, or the same case twice.
    """
    whole, drawn = _whole_and_drawn(cases, samples, seed)
    amounts: dict[str, Any] = {
        "patients": len({scores.patient for scores in cases}),
        "cases": len(cases),
        "images": whole.images,
        "positive_images": whole.positives,
        "negative_images": whole.negatives,
        "lesions": whole.lesions,
        "matched_lesions": whole.matched,
    }
    result: dict[str, float | int] = {name: int(np.sum(value)) for name, value in amounts.items()}
    for place, size in enumerate(SIZES):
        result[f"lesions_{size}"] = int(whole.size_lesions[0, place])
    point = figures(whole)
    for name, values in figures(drawn).items():
        result |= _with_interval(name, point[name][0], values)
    return result


def compare_models(
    first: Sequence[CaseScores], second: Sequence[CaseScores], samples: int = bootstrap.SAMPLES, seed: int = 0
) -> dict[str, float | int]:
    """Every figure of the second model minus that of the first, with 95 % intervals, on the same patients.

    Both models see the same draws, so that what is hard in a patient is hard for both and cancels.

    Raises:
        ValueError: the models were scored on different cases or patients.
    """
    if sorted((s.case, s.patient) for s in first) != sorted((s.case, s.patient) for s in second):
        raise ValueError("only models scored on the same cases of the same patients can be compared")
    # The same seed and number of patients: the same draws.
    (one, one_drawn), (two, two_drawn) = (_whole_and_drawn(cases, samples, seed) for cases in (first, second))
    points, draws = (figures(one), figures(two)), (figures(one_drawn), figures(two_drawn))
    result: dict[str, float | int] = {"patients": len({scores.patient for scores in first}), "cases": len(first)}
    for name in points[0]:
        result |= _with_interval(name, points[1][name][0] - points[0][name][0], draws[1][name] - draws[0][name])
    return result


def _whole_and_drawn(cases: Sequence[CaseScores], samples: int, seed: int) -> tuple[Sums, Sums]:
    """Sums over all patients, (1, n), and of every bootstrap sample, (samples, n)."""
    patients = np.stack(list(bootstrap.patient_sums(cases).values()))
    weights = bootstrap.draw_patients(len(patients), samples, seed)
    return bootstrap.resampled(patients, np.ones((1, len(patients)))), bootstrap.resampled(patients, weights)


def _with_interval(name: str, point: float, drawn: Numbers) -> dict[str, float]:
    low, high = bootstrap.interval(drawn)
    return {name: float(point), f"{name}_low": low, f"{name}_high": high}


def plain(report: Mapping[str, float | int]) -> dict[str, float | int | None]:
    """A report for JSON: what is undefined is None."""
    return {name: value if isfinite(value) else None for name, value in report.items()}


def write_report(folder: Path, report: Mapping[str, float | int]) -> None:
    """Write report.json (flat names) and report.csv (figure, value, low, high) into an existing folder.

    Raises:
        OSError: a file cannot be written.
    """
    flat = plain(report)
    write_json(folder / "report.json", flat)
    part = beside(folder / "report.csv")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["figure", "value", "low", "high"])
            for name, value in flat.items():
                if not name.endswith(("_low", "_high")):
                    writer.writerow([name, value, flat.get(f"{name}_low"), flat.get(f"{name}_high")])
        part.replace(folder / "report.csv")
    finally:
        part.unlink(missing_ok=True)
