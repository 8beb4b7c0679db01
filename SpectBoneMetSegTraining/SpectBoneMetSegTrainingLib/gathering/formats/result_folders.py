"""Read corrected result folders of `spectbonemetseg segment` and of Slicer.

A correction is a changed `segmentation.seg.nrrd`, or another `.seg.nrrd` in the folder, named after its reader. The
model predicted in which view each lesion lies; a correction of the union changes the views as it does in Slicer: added
pixels are added to every view of the lesion, removed pixels are removed from every view, and a new lesion is a mark of
the union (see `labels`).

A model's own unreviewed result is not a label: training on it would reinforce the model's errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.result_folder import FILES
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName, WholeBodyScan

from ...dataset.files import read_json
from ..labels.grids import on_frame_of, view_grid
from ..labels.marks import Labels, Mark
from .image_files import SEGMENTATION_SUFFIX, read_label_image

__all__ = ["SEGMENTATION", "corrections_in", "inputs_of", "is_result", "marks_of_views", "read_result"]

SEGMENTATION = "segmentation.seg.nrrd"


def is_result(folder: Path) -> bool:
    """Whether a folder is a result of `segment`."""
    return (folder / "receipt.json").is_file() and (folder / "mask.nrrd").is_file()


def inputs_of(folder: Path) -> list[dict[str, Any]]:
    """Return the files that a result was read from: "file", "sha256", "sop_instance_uid".

    Raises:
        UserError: the receipt is damaged.
    """
    receipt = read_json(folder / "receipt.json", remedy="read the scan again")
    inputs = receipt.get("inputs") if isinstance(receipt, dict) else None
    if not isinstance(inputs, list) or not all(isinstance(item, dict) for item in inputs):
        raise UserError(f"{folder / 'receipt.json'} does not state which scan was read; read the scan again.")
    return inputs


def corrections_in(folder: Path) -> list[Path]:
    """Return the segmentations that a user added to a result folder, by name."""
    return sorted(path for path in folder.glob(f"*{SEGMENTATION_SUFFIX}") if path.name not in FILES)


def read_result(folder: Path, segmentation: Path, scan: WholeBodyScan, reader: str) -> Labels:
    """Read the labels of a corrected or reviewed result.

    Args:
        folder: the result.
        segmentation: which segmentation in it.
        scan: the scan that was read.
        reader: name of the reader who corrected it.

    Raises:
        UserError: a file is damaged or does not fit the scan, or the result was neither corrected nor reviewed.
    """
    drawn, _ = read_label_image(segmentation, scan)
    before = _model_views(folder, scan)
    union = np.any([np.zeros(scan.frame.shape, bool), *before.values()], axis=0)
    now = np.any([np.zeros(scan.frame.shape, bool), *(mark.mask for mark in drawn)], axis=0)
    reviewed = "review" in read_json(folder / "receipt.json", remedy="read the scan again")
    if segmentation.name == SEGMENTATION and not reviewed and np.array_equal(union, now):
        raise UserError(
            f"{folder} is the model's own result, neither corrected nor reviewed; correct its {SEGMENTATION}, or "
            "save the result from Slicer after a review."
        )
    marks = [part for mark in drawn for part in _in_views(mark, before, union)]
    new = any(mark.view is None for mark in marks) and len(scan.views) > 1
    covers: frozenset[ViewName | None] = frozenset([None]) if new else frozenset(scan.views)
    return Labels(reader, tuple(marks), covers, (str(segmentation),))


def marks_of_views(view_masks: Mapping[ViewName, NDArray[np.uint16]], scan: WholeBodyScan) -> tuple[Mark, ...]:
    """Convert a reading's lesions (`Reading.view_masks`: IDs on each view's own grid) to marks of its views."""
    marks = []
    for name, ids in view_masks.items():
        placed = on_frame_of(ids, view_grid(scan.views[name], name), scan)
        numbers = sorted(set(np.unique(placed).tolist()) - {0})
        marks += [Mark(f"lesion {number}", placed == number, name) for number in numbers]
    return tuple(marks)


def _model_views(folder: Path, scan: WholeBodyScan) -> dict[ViewName, NDArray[np.bool_]]:
    """Return {view: (rows, columns) predicted mask}, anterior frame."""
    found = {}
    for name in VIEW_NAMES:
        if name in scan.views:
            marks, _ = read_label_image(folder / f"mask_{name}.nrrd", scan, name)
            found[name] = np.any([np.zeros(scan.frame.shape, bool), *(mark.mask for mark in marks)], axis=0)
    return found


def _in_views(mark: Mark, before: dict[ViewName, NDArray[np.bool_]], union: NDArray[np.bool_]) -> list[Mark]:
    """Split a mark of the corrected union into marks of the views, by connected component."""
    from scipy import ndimage

    pieces, count = ndimage.label(mark.mask, structure=EIGHT_CONNECTED)
    found = []
    for number in range(1, count + 1):
        piece = pieces == number
        seen = [name for name, mask in before.items() if (mask & piece).any()]
        if not seen:
            found.append(Mark(mark.name, piece, mark.view, mark.ignore))
        for name in seen:
            found.append(Mark(mark.name, piece & (before[name] | ~union), name, mark.ignore))
    return found
