"""Read a public set's reference labels of a view: lesions, benign areas and bones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED
from SpectBoneMetSegLib.loading.images import open_image
from SpectBoneMetSegLib.scan.planar import ViewName
from SpectBoneMetSegLib.scan.region_sides import assign_sides
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, REGIONS

from .boxes import masks_of_boxes, read_boxes
from .description import PublicSet
from .listing import Listing
from .views import as_acquired, downloaded

__all__ = ["ViewTruth", "known_regions", "number_bones", "read_mask", "read_truth"]

Mask = NDArray[np.bool_]


@dataclass
class ViewTruth:
    """Reference labels of a view, each mask (rows, columns) as acquired.

    Attributes:
        lesions: one mask per lesion.
        ignored: masks excluded from training and evaluation.
        benign: number of areas labelled benign; they are not lesions.
        notes: remarks about labels that were not used.
    """

    lesions: list[Mask] = field(default_factory=list)
    ignored: list[Mask] = field(default_factory=list)
    benign: int = 0
    notes: list[str] = field(default_factory=list)


def read_mask(path: Path, shape: tuple[int, int], found: PublicSet, view: ViewName) -> NDArray[np.int64]:
    """Read the (rows, columns) values of a mask, as acquired; a smaller mask is upsampled by nearest neighbour.

    Raises:
        UserError: damaged, of colours, or of another shape.
    """
    import SimpleITK as sitk  # noqa: N813

    with downloaded(path):
        values = np.squeeze(sitk.GetArrayFromImage(open_image(path)))
    if values.ndim != 2:
        raise UserError(f"{path} is no mask of one view; give the grey masks and not those for display.")
    factors = [full / own for full, own in zip(shape, values.shape, strict=True)]
    if factors[0] != factors[1] or factors[0] != round(factors[0]):
        raise UserError(f"{path} has {values.shape[1]} x {values.shape[0]} pixels, its scan {shape[1]} x {shape[0]}.")
    times = int(factors[0])
    return np.ascontiguousarray(as_acquired(values.repeat(times, 0).repeat(times, 1), found, view)).astype(np.int64)


def read_truth(
    found: PublicSet, listing: Listing, patient: str, view: ViewName, grey: NDArray[np.float32]
) -> ViewTruth | None:
    """Read the reference labels of a view; None if the set has none.

    Args:
        found: description of the set.
        listing: its files.
        patient: the patient.
        view: the view.
        grey: (rows, columns) as acquired.

    Raises:
        UserError: a file is damaged or missing, or the view is listed as abnormal but nothing is marked.
    """
    place = patient, view
    if place in listing.missing:
        raise UserError(f"{listing.missing[place]} is listed as part of the set but is not there; download it again.")
    truth = None
    if found.lesions:
        mask = listing.of("lesions").get(place)
        if mask is not None:
            truth = lesions_from_mask(
                read_mask(mask, (grey.shape[0], grey.shape[1]), found, view), found.lesions, mask.name
            )
        elif found.empty_without_mask and listing.has_any("lesions", view):
            truth = ViewTruth()
    elif found.boxes:
        truth = lesions_from_boxes(listing.of("boxes").get(place), grey, found, view)
    if truth is not None and listing.abnormal.get(place) and not (truth.lesions or truth.ignored or truth.benign):
        raise UserError(
            f"Its {view} view is listed as abnormal, but nothing is marked in it: its lesions are unknown; if a file "
            "is missing, download the set again."
        )
    return truth


def lesions_from_mask(values: NDArray[np.int64], meanings: Mapping[int, str], name: str) -> ViewTruth:
    """Return the connected components of every value.

    Raises:
        UserError: the set does not define a value.
    """
    from scipy import ndimage

    unknown = sorted(set(np.unique(values).tolist()) - {0} - set(meanings))
    if unknown:
        raise UserError(f"{name} holds the value {unknown[0]}, which is none of {', '.join(map(str, meanings))}.")
    truth = ViewTruth()
    for kind in ("lesion", "benign", "ignore"):
        mask = np.isin(values, [value for value, meaning in meanings.items() if meaning == kind])
        parts, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
        areas = [parts == number for number in range(1, count + 1)]
        if kind == "benign":
            truth.benign = count
        else:
            (truth.lesions if kind == "lesion" else truth.ignored).extend(areas)
    return truth


def lesions_from_boxes(path: Path | None, grey: NDArray[np.float32], found: PublicSet, view: ViewName) -> ViewTruth:
    """Segment the boxes of a view; without a file there are no boxes.

    Args:
        path: file of the boxes; None for a view without boxes.
        grey: (rows, columns) as acquired.
        found: description of the set.
        view: the view that the boxes lie on.
    """
    truth = ViewTruth()
    if path is None:
        return truth
    boxes, truth.notes = read_boxes(path, (grey.shape[0], grey.shape[1]))
    stored = as_acquired(grey, found, view)
    for box, mask in zip(boxes, masks_of_boxes(np.ascontiguousarray(stored), boxes), strict=True):
        kind = found.boxes.get(box.name)
        own = np.ascontiguousarray(as_acquired(mask, found, view))
        if kind is None:
            truth.notes.append(f"{path.name}: a box has the unknown class {box.name!r}; it is ignored.")
        if kind == "benign":
            truth.benign += 1
        elif own.any():
            (truth.lesions if kind == "lesion" else truth.ignored).append(own)
    return truth


def number_bones(
    values: NDArray[np.int64], table: Mapping[int, str], view: ViewName, spacing: float, name: str
) -> NDArray[np.uint8]:
    """Return (rows, columns) region numbers with sides, as acquired, from a mask without sides.

    Args:
        values: (rows, columns) values of the mask, as acquired.
        table: {value: name of its region}.
        view: seen from behind, the patient's right is at the right of the picture.
        spacing: row pitch in mm.
        name: file, for messages.

    Raises:
        UserError: the order of the bones is anatomically wrong, so the mask uses another numbering.
    """
    classes = np.zeros(values.shape, np.uint8)
    for value, region in table.items():
        classes[values == value] = 1 + REGIONS.index(region)
    _check_places(classes, name)
    frame = classes[:, ::-1] if view == "posterior" else classes
    numbers = assign_sides(frame, spacing)
    return np.ascontiguousarray(numbers[:, ::-1] if view == "posterior" else numbers)


#: From head to foot; the centre of a bone is never above that of the bone before.
_ORDER = ("skull", "cervical spine", "thoracic spine", "lumbar spine", "pelvis", "femur")


def _check_places(classes: NDArray[np.uint8], name: str) -> None:
    rows = {
        region: float(np.nonzero(classes == 1 + REGIONS.index(region))[0].mean())
        for region in _ORDER
        if (classes == 1 + REGIONS.index(region)).any()
    }
    there = list(rows)
    for upper, lower in pairwise(there):
        if rows[upper] > rows[lower]:
            raise UserError(
                f"In {name} the {upper} would lie below the {lower}: its regions are numbered otherwise; give the "
                "corrected masks."
            )


def known_regions(named: Collection[str]) -> list[str]:
    """Return the bones that a set labels, in the order of `BONE_REGIONS`."""
    return [region for region in BONE_REGIONS if region in named]
