"""Compact scores per case: the sums that comparisons on the page need, small enough to store with the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..evaluation.scores import BINS, NAMES, CaseScores, from_flat

#: Stored fields of `scores.Sums`; all others are read back as 0, and metrics that need them must not be used.
KEPT = (
    *("tp", "fp", "fn", "tn", "images", "positives", "negatives", "dsc", "precision", "recall"),
    *("lesions", "found", "alarms", "negative_alarms"),
)
#: Metrics that can be computed from KEPT.
FIGURES = (
    *("dsc", "cpa_precision", "recall", "image_dsc", "image_cpa_precision", "image_recall"),
    *("lesion_recall", "lesion_f1_overlap", "false_alarms_per_image"),
)


def to_record(scores: Sequence[CaseScores]) -> dict[str, Any]:
    """Convert scores to {"fields": KEPT, "cases": {case: [patient, sums]}}; sums is text, a number per field."""
    cases = {}
    for score in scores:
        sums = (round(float(getattr(score.sums, name)[0]), 4) for name in KEPT)
        cases[score.case] = [score.patient, " ".join(f"{value:.10g}" for value in sums)]
    return {"fields": list(KEPT), "cases": cases}


def from_record(record: Mapping[str, Any]) -> list[CaseScores]:
    """Convert a record back to scores, with 0 for fields that were not stored.

    Raises:
        ValueError: the record has other fields.
    """
    if record["fields"] != list(KEPT):
        raise ValueError("other fields")
    ends = np.cumsum([BINS.get(name, 1) for name in NAMES])
    offset = {name: int(end) - BINS.get(name, 1) for name, end in zip(NAMES, ends, strict=True)}
    result = []
    for case, (patient, sums) in record["cases"].items():
        flat = np.zeros(int(ends[-1]))
        for name, value in zip(KEPT, sums.split(), strict=True):
            flat[offset[name]] = float(value)
        result.append(CaseScores(patient, case, from_flat(flat)))
    return result
