"""Labelmaps and segmentations as image files: `.seg.nrrd`, NRRD, NIfTI, MetaImage.

A labelmap marks a lesion per value. A segmentation (Slicer's `.seg.nrrd`) marks one per segment; a segment named
"ignore" is to count neither way, one that a physician rejected marks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.images import IMAGE_SUFFIXES
from SpectBoneMetSegLib.mrml.segments import DECISION_TAG
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.grids import place
from ..labels.marks import IGNORE_NAME, Mark
from ..labels.slices import Picture, read_slices

__all__ = ["IMAGE_SUFFIXES", "LABEL_SUFFIXES", "SEGMENTATION_SUFFIX", "read_label_image", "read_slices"]
LABEL_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha")
SEGMENTATION_SUFFIX = ".seg.nrrd"

#: A file with more values, or that marks more of the field, is a picture of counts and not of lesions.
MOST_LESIONS, LARGEST_SHARE = 200, 0.25


def read_label_image(
    path: Path, scan: WholeBodyScan, said: ViewName | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """The marks of a label file, and what it covers (see `labels.Labels`).

    Args:
        path: the file. scan: the scan it was drawn on. said: the view that its name speaks of.

    Raises:
        UserError: damaged, no label, or not on this scan.
    """
    slices, matrix, fields = read_slices(path)
    layers = _layers(slices, path.name)
    segmentation = path.name.lower().endswith(SEGMENTATION_SUFFIX)
    if not segmentation:
        _refuse_counts(layers, path.name)
    elif not any(layer.any() for layer in layers):
        # Slicer stores a segmentation without any mark without a place.
        return [], frozenset([said if len(scan.views) == 2 else next(iter(scan.views))])
    placed = [place(layer, matrix, scan, path.name, said=said, cropped=segmentation) for layer in layers]
    view = placed[0][1]
    if any("_LabelValue" in key for key in fields):
        named = _segments(fields, len(layers), path.name)
    else:
        named = [(str(value), layer, value) for layer, (found, _) in enumerate(placed) for value in _values(found)]
    marks = [
        Mark(name, mask, view, name.strip().lower() == IGNORE_NAME)
        for name, layer, value in named
        if (mask := np.asarray(placed[layer][0] == value)).any()
    ]
    return marks, frozenset([view])


def _layers(slices: Picture, name: str) -> list[Picture]:
    """The layers of the only slice, each (rows, columns); overlapping segments lie in layers of their own."""
    if len(slices) != 1:
        raise UserError(f"{name} holds {len(slices)} slices, not one; export the label of one view.")
    picture = slices[0]
    layers = [picture] if picture.ndim == 2 else list(np.moveaxis(picture, -1, 0))
    for layer in layers:
        if not np.isfinite(layer).all() or (layer != np.rint(layer)).any() or layer.min() < 0:
            raise UserError(f"{name} is no labelmap: its values are not whole numbers from 0; export the label itself.")
    return layers


def _refuse_counts(layers: list[Picture], name: str) -> None:
    values, share = len(np.unique(layers)), float((np.stack(layers) > 0).mean())
    if values > MOST_LESIONS + 1 or share > LARGEST_SHARE:
        raise UserError(
            f"{name} looks like a picture of counts: it marks {share:.0%} of the field with {values} values; export "
            "the label itself."
        )


def _values(layer: Picture) -> Iterator[int]:
    for value in np.unique(layer).tolist():
        if value:
            yield int(value)


def _segments(fields: dict[str, str], layers: int, name: str) -> list[tuple[str, int, int]]:
    """(name, layer, value) of every segment that marks something."""
    found: list[tuple[str, int, int]] = []
    for key in fields:
        match = re.fullmatch(r"(Segment\d+)_LabelValue", key)
        if match is None:
            continue
        prefix = match[1]
        try:
            layer, value = int(fields.get(f"{prefix}_Layer", "0")), int(fields[key])
        except ValueError as error:
            raise UserError(f"{name} has a damaged header; save the segmentation again.") from error
        if not 0 <= layer < layers:
            raise UserError(f"{name} lacks the layer of a segment; save the segmentation again.")
        if f"{DECISION_TAG}:rejected" in fields.get(f"{prefix}_Tags", ""):
            continue
        found.append((fields.get(f"{prefix}_Name", prefix), layer, value))
    return found
