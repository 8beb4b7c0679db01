"""Cases and pictures of Fig. 10, from the development test; the cases are chosen by the ground truth only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.display import display_window

from ..dataset.cases import LESION, LabelledCrop, load_case
from ..evaluation.predictions import union_of

#: {kind: (smallest, largest number of labelled lesions in the union, number of cases shown)}.
KINDS = {"one lesion": (1, 1, 1), "a few lesions": (2, 4, 1), "many lesions": (5, 10**6, 1), "no lesion": (0, 0, 1)}


def choose_cases(data: Path, cases: list[str]) -> dict[str, str]:
    """Choose the first cases of each kind with two views, in the order of their names.

    Args:
        data: the development test.
        cases: the cases without flags.

    Returns:
        {case: kind}.
    """
    wanted = {kind: count for kind, (_, _, count) in KINDS.items()}
    chosen: dict[str, str] = {}
    for case in cases:
        if not any(wanted.values()):
            break
        crop = load_case(data, case)
        kind = _kind_of(crop)
        if kind and wanted[kind] and len(crop.counts) == 2:
            chosen[case] = kind
            wanted[kind] -= 1
    return chosen


def pictures_of(data: Path, chosen: Mapping[str, str]) -> dict[str, NDArray[np.uint8]]:
    """Return counts (255 is black) and ground truth (0, 1 lesion, 2 ignore) of the chosen cases, uint8.

    Keys are "case|view|counts" and "case|view|truth" of both views and of their union.
    """
    arrays: dict[str, NDArray[np.uint8]] = {}
    for case in chosen:
        crop = load_case(data, case)
        union = union_of(crop)
        total: NDArray[np.float32] = np.sum(list(crop.counts.values()), axis=0)
        for view, counts, truth in (
            *((view, crop.counts[view], crop.labels[view]) for view in crop.counts),
            ("union", total, union.labels["anterior"]),
        ):
            black = display_window(counts)[1]
            arrays[f"{case}|{view}|counts"] = np.clip(counts / black * 255, 0, 255).astype(np.uint8)
            arrays[f"{case}|{view}|truth"] = truth
    return arrays


def _kind_of(crop: LabelledCrop) -> str:
    """Return the kind of a case; empty if all lesions are "ignore"."""
    count = sum(any(lesion["labelled"].values()) for lesion in crop.lesions)
    if count == 0 and any(label.any() for label in crop.labels.values()):
        return ""
    if count and not any((label == LESION).any() for label in crop.labels.values()):
        return ""
    return next(kind for kind, (low, high, _) in KINDS.items() if low <= count <= high)
