"""Cases in the form used for augmentation: counts and lesions of a thorax box on the reference grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM, PlanarView, ViewName, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

from .cases import Instance, LabelledCrop, write_case

__all__ = ["Example", "aggregated", "example_of", "write_example"]


@dataclass(frozen=True)
class Example:
    """Counts and lesions of one case, all of one shape, in the anterior frame.

    Attributes:
        counts: {view: (rows, columns) float32}.
        lesions: lesions, with masks of the same shape.
    """

    counts: dict[ViewName, NDArray[np.float32]]
    lesions: tuple[Instance, ...]


def example_of(crop: LabelledCrop) -> Example:
    """Convert a case of a data set."""
    lesions = []
    for record in crop.lesions:
        masks = {view: (layers == record["id"]).any(0) for view, layers in crop.instances.items()}
        masks = {view: mask for view, mask in masks.items() if mask.any()}
        about = {key: value for key, value in record.items() if key not in ("id", "labelled")}
        labelled = {view: bool(record["labelled"].get(view)) for view in masks}
        if masks:
            lesions.append(Instance(int(record["id"]), masks, labelled, about))
    return Example(crop.counts, tuple(lesions))


def aggregated(example: Example) -> Example:
    """Add both views pixel by pixel (Lin et al. 2022, Eq. 4), as a single view "anterior".

    A lesion covers the union of its labels in both views. Pixels that only an unlabelled ("ignore") view of it covers
    stay "ignore", as another lesion.
    """
    total: NDArray[np.float32] = np.sum(list(example.counts.values()), axis=0)
    lesions: list[Instance] = []
    free = max((lesion.id for lesion in example.lesions), default=0) + 1
    for lesion in example.lesions:
        parts = {
            labelled: np.any([mask for view, mask in lesion.masks.items() if lesion.labelled[view] is labelled], axis=0)
            for labelled in set(lesion.labelled.values())
        }
        if True in parts:
            lesions.append(Instance(lesion.id, {"anterior": parts[True]}, {"anterior": True}, lesion.about))
        rest = parts.get(False, np.zeros(total.shape, bool)) & ~parts.get(True, np.zeros(total.shape, bool))
        if rest.any():
            identifier = free if True in parts else lesion.id
            lesions.append(Instance(identifier, {"anterior": rest}, {"anterior": False}, lesion.about))
            free += True in parts
    return Example({"anterior": total}, tuple(lesions))


def write_example(folder: Path, split: str, case: str, example: Example, about: dict[str, Any]) -> None:
    """Write a case into a data set; its crop is the whole field. In the split "unlabelled" its lesions are left out.

    Args:
        folder: data set.
        split: "train", "validation", "test" or "unlabelled".
        case: name of the case.
        example: views and labels, on the grid of the case.
        about: further entries of the case's JSON ("patient", ...).

    Raises:
        OSError: a file cannot be written.
    """
    spacing = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM)
    views = {name: PlanarView(counts, spacing, "anterior") for name, counts in example.counts.items()}
    posterior = views.get("posterior")
    scan = WholeBodyScan(case, views.get("anterior"), None if posterior is None else mirror(posterior))
    rows, columns = scan.frame.shape
    lesions = None if split == "unlabelled" else example.lesions
    write_case(folder, split, scan, ThoraxCrop((0, rows), (0, columns), 1.0), lesions, about)
