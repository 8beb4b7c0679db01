"""Labelmaps and segmentations as image files: `.seg.nrrd`, NRRD, NIfTI, MetaImage.

A labelmap has one lesion per value, a segmentation (Slicer's `.seg.nrrd`) one per segment. A segment named "ignore" is
excluded from training and evaluation; a segment that a physician rejected is not a lesion. A file with as many slices
as the scan's DICOM file has frames has one slice per frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.images import IMAGE_SUFFIXES
from SpectBoneMetSegLib.mrml.segments import DECISION_TAG
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.frames import on_frames
from ..labels.grids import place
from ..labels.marks import IGNORE_NAME, Mark
from ..labels.slices import Picture, read_slices

__all__ = [
    "IMAGE_SUFFIXES",
    "LABEL_SUFFIXES",
    "SEGMENTATION_SUFFIX",
    "read_label_image",
    "read_slices",
    "refuse_counts",
    "values_of",
]
LABEL_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SEGMENTATION_SUFFIX = ".seg.nrrd"

#: A file with more values, or that covers a larger share of the field, is an image of counts and not a label.
MOST_LESIONS, LARGEST_SHARE = 200, 0.25


def read_label_image(
    path: Path, scan: WholeBodyScan, named_view: ViewName | None = None, notes: list[str] | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """Read the marks of a label file and the views that it covers (see `marks.Labels`).

    Args:
        path: the file.
        scan: the scan it was drawn on.
        named_view: the view in its name, None for none.
        notes: list to which remarks about skipped parts are added.

    Raises:
        UserError: it is damaged, not a label, not on this scan, or all of its painted pixels lie outside the scan.
    """
    slices, matrix, fields = read_slices(path)
    pictures = [_layers(picture, path.name) for picture in slices]
    every = [layer for layers in pictures for layer in layers]
    segmentation = path.name.lower().endswith(SEGMENTATION_SUFFIX)
    if not segmentation:
        refuse_counts(every, path.name)
    elif not any(layer.any() for layer in every):
        # Slicer stores an empty segmentation without geometry.
        return [], frozenset([named_view if len(scan.views) == 2 else next(iter(scan.views))])
    if len(pictures) == 1:
        placed = [
            [
                place(layer, matrix, scan, path.name, named_view=named_view, cropped=segmentation)
                for layer in pictures[0]
            ]
        ]
    else:
        placed = on_frames(pictures, matrix, scan, path.name)
    named = _named(fields, pictures, path.name)
    marks = [
        Mark(segment.name, mask, view, segment.name.strip().lower() == IGNORE_NAME)
        for layers in placed
        for segment in named
        for found, view in [layers[segment.layer]]
        if not segment.rejected and (mask := np.asarray(found == segment.value)).any()
    ]
    _tell_lost(pictures, named, marks, path.name, [] if notes is None else notes)
    return marks, frozenset(layers[0][1] for layers in placed)


@dataclass(frozen=True)
class _Segment:
    """A named value of a layer; a segment that a physician rejected is not a lesion."""

    name: str
    layer: int
    value: int
    rejected: bool = False


def _named(fields: dict[str, str], pictures: list[list[Picture]], name: str) -> list[_Segment]:
    """Return the segments of a segmentation, or one per value of a labelmap."""
    layers = len(pictures[0])
    if any("_LabelValue" in key for key in fields):
        return _segments(fields, layers, name)
    return [
        _Segment(str(value), layer, value)
        for layer in range(layers)
        for value in values_of(np.stack([picture[layer] for picture in pictures]))
    ]


def _tell_lost(
    pictures: list[list[Picture]], named: list[_Segment], marks: list[Mark], name: str, notes: list[str]
) -> None:
    """Report painted areas that are lost, other than those that a physician rejected.

    Raises:
        UserError: all painted areas are lost, which must not count as "no lesion".
    """
    painted = {
        (layer, value) for picture in pictures for layer, found in enumerate(picture) for value in values_of(found)
    }
    known = {(segment.layer, segment.value): segment for segment in named}
    wanted = {key for key in painted if key not in known or not known[key].rejected}
    if wanted and not marks:
        raise UserError(
            f"{name} was painted, but nothing of it lies on the scan or belongs to a segment; draw it on the scan "
            "itself and save it again."
        )
    left = {mark.name for mark in marks}
    lost = [key for key in sorted(wanted) if key not in known or known[key].name not in left]
    if lost:
        notes.append(
            f"{name} has {len(lost)} painted areas outside of the scan or without a segment; they mark nothing."
        )


def _layers(picture: Picture, name: str) -> list[Picture]:
    """Return the layers of a slice, each (rows, columns); overlapping segments are in separate layers."""
    layers = [picture] if picture.ndim == 2 else list(np.moveaxis(picture, -1, 0))
    for layer in layers:
        if not np.isfinite(layer).all() or (layer != np.rint(layer)).any() or layer.min() < 0:
            raise UserError(f"{name} is no labelmap: its values are not whole numbers from 0; export the label itself.")
    return layers


def refuse_counts(layers: list[Picture], name: str) -> None:
    """Reject an image that has too many values, or covers too much of the field, to be a label.

    Raises:
        UserError: it is an image of counts.
    """
    values, share = len(np.unique(layers)), float((np.stack(layers) > 0).mean())
    if values > MOST_LESIONS + 1 or share > LARGEST_SHARE:
        raise UserError(
            f"{name} appears to be an image of counts: it marks {share:.0%} of the field with {values} values; export "
            "the label itself."
        )


def values_of(layer: Picture) -> Iterator[int]:
    """Yield the nonzero values of a label, ascending."""
    for value in np.unique(layer).tolist():
        if value:
            yield int(value)


def _segments(fields: dict[str, str], layers: int, name: str) -> list[_Segment]:
    """Return every segment in the header."""
    found: list[_Segment] = []
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
        rejected = f"{DECISION_TAG}:rejected" in fields.get(f"{prefix}_Tags", "")
        found.append(_Segment(fields.get(f"{prefix}_Name", prefix), layer, value, rejected))
    return found
