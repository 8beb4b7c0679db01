"""Report: all figures of a model with 95 % intervals, and the paired difference of two models, under flat names.

Empty masks. A pooled figure is undefined if its denominator is 0, such as the precision without a predicted pixel.
Figures per image are means over the images with a labelled lesion, where an empty prediction is 0; `image_dsc_all` is a
mean over all images, where both empty is 1 and one empty is 0. Undefined figures (surface distance without a matched
lesion, recall without a lesion) are NaN here, null in JSON and an empty field in CSV.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.files import whole_file

from ..dataset.files import write_json
from . import bootstrap, paper_metrics
from .froc import ALARM_RATES, sensitivity_at
from .paper_metrics import Numbers, ratio
from .scores import CaseScores, Sums

#: Size classes of `scores.SIZE_EDGES_MM2`.
SIZES = ("small", "middle", "large")


def figures(sums: Sums) -> dict[str, Numbers]:
    """Compute every figure from sums of any leading shape (..., n); each is (...).

    Pooled: dsc, recall and the three definitions of CPA. image_*: the same per image with lesions. lesion_f1_overlap
    counts any overlap as found, lesion_f1_iou10 only detections matched with IoU >= 0.1. froc_*: sensitivity at that
    number of false alarms per image (0_25: a quarter), froc_mean their mean. hd95_mm and assd_mm: means over the
    lesions matched with IoU >= 0.1. ece: expected calibration error of the body's pixels, most of which are easy
    background. small, middle, large: true areas up to 150, up to 500 and above 500 mm2.
    """
    scalars = {name: getattr(sums, name)[..., 0] for name in vars(sums)}
    tp, fp, fn, tn = (scalars[name] for name in ("tp", "fp", "fn", "tn"))
    lesions, images, counts = scalars["lesions"], scalars["images"], sums.counts
    matched, positives = scalars["matched"], scalars["positives"]
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
        "image_dsc": ratio(scalars["dsc"], positives, np.nan),
        "image_dsc_all": ratio(scalars["agreed"], images, np.nan),
        "image_cpa_precision": ratio(scalars["precision"], positives, np.nan),
        "image_cpa_pixel_accuracy": ratio(scalars["accuracy"], positives, np.nan),
        "image_cpa_class_mean": ratio(scalars["class_mean"], positives, np.nan),
        "image_recall": ratio(scalars["recall"], positives, np.nan),
        "lesion_recall": counts.lesion_recall,
        "lesion_f1_overlap": counts.lesion_f1,
        "lesion_f1_iou10": ratio(2 * matched, matched + scalars["unmatched"] + lesions, np.nan),
        "false_alarms_per_image": ratio(scalars["alarms"], images, np.nan),
        "false_alarms_per_negative_image": ratio(scalars["negative_alarms"], scalars["negatives"], np.nan),
        **froc,
        "froc_mean": np.mean(list(froc.values()), axis=0),
        "hd95_mm": ratio(scalars["hd95"], matched, np.nan),
        "assd_mm": ratio(scalars["assd"], matched, np.nan),
        "ece": ratio(gap, sums.bin_pixels.sum(-1), np.nan),
    }
    for index, size in enumerate(SIZES):
        by_size = sums.size_found[..., index], sums.size_lesions[..., index]
        result[f"lesion_recall_{size}"] = ratio(*by_size, np.nan)
        result[f"recall_{size}"] = ratio(sums.size_hits[..., index], sums.size_pixels[..., index], np.nan)
    return result


def full_report(cases: Sequence[CaseScores], samples: int = bootstrap.SAMPLES, seed: int = 0) -> dict[str, float | int]:
    """Compute every figure as `name`, `name_low`, `name_high` (95 % interval over patients), and the sample sizes.

    A figure to which fewer than two patients contribute has no interval (NaN): resampling would show no variation.

    Args:
        cases: from `scores.score_cases`.
        samples: number of bootstrap samples.
        seed: seed of the bootstrap.

    Raises:
        ValueError: no case, or the same case twice.
    """
    pooled, resampled, single = _pooled_and_resampled(cases, samples, seed)
    sizes: dict[str, Any] = {
        "patients": len({scores.patient for scores in cases}),
        "cases": len(cases),
        "images": pooled.images,
        "positive_images": pooled.positives,
        "negative_images": pooled.negatives,
        "lesions": pooled.lesions,
        "matched_lesions": pooled.matched,
    }
    result: dict[str, float | int] = {name: int(np.sum(value)) for name, value in sizes.items()}
    for index, size in enumerate(SIZES):
        result[f"lesions_{size}"] = int(pooled.size_lesions[0, index])
    point, alone = figures(pooled), figures(single)
    for name, values in figures(resampled).items():
        contribute = np.isfinite(alone[name]).sum()
        result |= _with_interval(name, point[name][0], values if contribute > 1 else np.full(1, np.nan))
    return result


def compare_models(
    first: Sequence[CaseScores], second: Sequence[CaseScores], samples: int = bootstrap.SAMPLES, seed: int = 0
) -> dict[str, float | int]:
    """Compute the paired difference of every figure, second minus first model, with 95 % intervals over patients.

    Both models use the same bootstrap samples, so that the difficulty of the patients cancels. As in `full_report`, a
    figure to which fewer than two patients contribute has no interval (NaN).

    Args:
        first: scores of the first model.
        second: scores of the second model on the same cases.
        samples: number of bootstrap samples.
        seed: seed of the bootstrap.

    Raises:
        ValueError: the models were scored on different cases or patients.
    """
    if sorted((s.case, s.patient) for s in first) != sorted((s.case, s.patient) for s in second):
        raise ValueError("only models scored on the same cases of the same patients can be compared")
    # The same seed and number of patients give the same bootstrap samples.
    (one, one_resampled, one_alone), (two, two_resampled, two_alone) = (
        tuple(map(figures, _pooled_and_resampled(cases, samples, seed))) for cases in (first, second)
    )
    result: dict[str, float | int] = {"patients": len({scores.patient for scores in first}), "cases": len(first)}
    for name in one:
        contribute = np.isfinite(two_alone[name] - one_alone[name]).sum()
        resampled = two_resampled[name] - one_resampled[name]
        difference = two[name][0] - one[name][0]
        result |= _with_interval(name, difference, resampled if contribute > 1 else np.full(1, np.nan))
    return result


def _pooled_and_resampled(cases: Sequence[CaseScores], samples: int, seed: int) -> tuple[Sums, Sums, Sums]:
    """Return sums over all patients, (1, n), of every bootstrap sample, (samples, n), and of every patient."""
    patients = np.stack(list(bootstrap.patient_sums(cases).values()))
    weights = bootstrap.draw_patients(len(patients), samples, seed)
    everyone = np.ones((1, len(patients)))
    return (
        bootstrap.resampled(patients, everyone),
        bootstrap.resampled(patients, weights),
        bootstrap.resampled(patients, np.eye(len(patients))),
    )


def _with_interval(name: str, point: float, resampled: Numbers) -> dict[str, float]:
    low, high = bootstrap.interval(resampled)
    return {name: float(point), f"{name}_low": low, f"{name}_high": high}


def plain(report: Mapping[str, float | int]) -> dict[str, float | int | None]:
    """Return a report for JSON, with None for undefined figures."""
    return {name: value if isfinite(value) else None for name, value in report.items()}


def write_report(folder: Path, report: Mapping[str, float | int]) -> None:
    """Write report.json (flat names) and report.csv (figure, value, low, high) into an existing folder.

    Raises:
        OSError: a file cannot be written.
    """
    flat = plain(report)
    write_json(folder / "report.json", flat)
    with whole_file(folder / "report.csv") as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["figure", "value", "low", "high"])
        for name, value in flat.items():
            if not name.endswith(("_low", "_high")):
                writer.writerow([name, value, flat.get(f"{name}_low"), flat.get(f"{name}_high")])
