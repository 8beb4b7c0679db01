"""A result folder read back as the reading it was saved from, with the physician's decisions.

Counts are not in a result folder: they are read again from the files that the receipt names.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..common.files import sha256_of
from ..lesions.components import number_lesions
from ..lesions.measurement import measure_lesions
from ..lesions.results import Lesion, Reading, SeenIn
from ..lesions.review import CLASSIFICATIONS, DECISIONS
from ..loading import read_found_scan
from ..loading.archive import FoundScan
from ..loading.images import open_image
from ..scan.aggregation import aggregate
from ..scan.planar import VIEW_NAMES, ViewName, WholeBodyScan
from ..scan.thorax import ThoraxCrop

__all__ = ["is_result", "read_result"]

Word = TypeVar("Word", bound=str)
#: Views in which a lesion may be seen.
SEEN_IN: tuple[SeenIn, ...] = get_args(SeenIn)
#: What a damaged file makes its reader raise.
DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError)


def is_result(path: Path) -> bool:
    """Whether a path is a result folder."""
    return (path / "receipt.json").is_file() and (path / "mask.nrrd").is_file()


def read_result(folder: Path) -> Reading:
    """The reading that a result folder was saved from.

    Raises:
        UserError: a file of it is missing or damaged, or the scan lies no longer where it was read from.
    """
    try:
        receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
        scan = _scan(folder, receipt)
        mask = _pixels(folder / "mask.nrrd").astype(np.uint8)
        union = number_lesions(mask)
        views: dict[ViewName, NDArray[np.uint16]] = {
            name: _pixels(folder / f"mask_{name}.nrrd").astype(np.uint16) for name in scan.views
        }
        regions: dict[ViewName, NDArray[np.uint8]] = {
            name: _pixels(folder / f"regions_{name}.nrrd").astype(np.uint8)
            for name in VIEW_NAMES
            if (folder / f"regions_{name}.nrrd").is_file()
        }
        probability = _pixels(folder / "probability.nrrd").astype(np.float32)
        lesions, rejected = _decided(measure_lesions(scan, union, views, probability), folder, receipt)
        box = ThoraxCrop.from_dict(receipt["crop"])
    except DAMAGED as error:
        raise UserError(f"{folder} is no whole result ({error}); read the scan again.") from error
    return Reading(
        scan,
        box,
        lesions,
        mask,
        views,
        probability,
        aggregate(scan).counts,
        receipt,
        rejected=rejected,
        regions=regions,
        confidence=receipt.get("confidence"),
    )


def _scan(folder: Path, receipt: dict[str, Any]) -> WholeBodyScan:
    """The scan of a result; its files must be those that were read."""
    inputs, options = receipt["inputs"], receipt.get("options", {})
    files = [Path(entry["file"]) for entry in inputs]
    gone = [str(file) for file in files if not file.is_file()]
    if gone or not files:
        what = gone[0] if gone else "the scan"
        raise UserError(f"{what}, of which {folder} is a result, is no longer there: give the scan in its place.")
    if any(sha256_of(file) != entry["sha256"] for file, entry in zip(files, inputs, strict=True)):
        raise UserError(f"{files[0]} has changed since {folder} was read: read it again.")
    views = options.get("views")
    return read_found_scan(
        FoundScan(tuple(files)),
        folder.name,
        files[0].name,
        views=tuple(views) if views else None,
        pixel_size_mm=options.get("pixel_size_mm"),
        override=bool(options.get("views_override")),
    )


def _decided(
    lesions: tuple[Lesion, ...], folder: Path, receipt: dict[str, Any]
) -> tuple[tuple[Lesion, ...], tuple[Lesion, ...]]:
    """The lesions with what the table and the receipt say of them; and the rejected ones, which are in no mask."""
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["ID"]): row for row in csv.DictReader(file)}
    edited = {entry["lesion"] for entry in receipt.get("review") or [] if entry.get("edited")}

    def ruled(lesion: Lesion) -> Lesion:
        row = rows[lesion.id]
        return replace(
            lesion,
            decision=_one_of(DECISIONS, row["decision"]),
            classification=_one_of(CLASSIFICATIONS, row["classification"]),
            confidence=float(row["confidence"]) if row.get("confidence") else None,
            edited=lesion.id in edited,
        )

    rejected = [_rejected(number, row) for number, row in rows.items() if row["decision"] == "rejected"]
    return tuple(map(ruled, lesions)), tuple(map(ruled, rejected))


def _rejected(number: int, row: dict[str, str]) -> Lesion:
    """A lesion of which the table alone knows; no outline is left of it."""
    return Lesion(
        id=number,
        curve=np.zeros((0, 3)),
        seen_in=_one_of(SEEN_IN, row["seen_in"]),
        area_mm2=100 * float(row["area_cm2"]),
        centroid=(float(row["centroid_R_mm"]), 0.0, float(row["centroid_S_mm"])),
        max_probability=float(row["max_probability"]),
        mean_probability=float(row["mean_probability"]),
    )


def _one_of(known: tuple[Word, ...], found: str) -> Word:
    """The word that stands in a table; ValueError where it is none of those that are known."""
    return known[known.index(found)]


def _pixels(path: Path) -> NDArray[Any]:
    import SimpleITK

    try:
        return np.asarray(SimpleITK.GetArrayFromImage(open_image(path))[0])
    except UserError as error:
        raise ValueError(str(error)) from error
