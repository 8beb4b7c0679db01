"""Read a result folder back as a reading, with the physician's decisions.

Result folders contain no counts: these are read again from the files listed in the receipt.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError, reason_of
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

Choice = TypeVar("Choice", bound=str)
#: Values of the column `seen_in`.
SEEN_IN: tuple[SeenIn, ...] = get_args(SeenIn)
#: Files without which no result can be compared, besides the masks of its views.
NEEDED = ("mask.nrrd", "probability.nrrd", "lesions.csv")
#: Exceptions that reading a damaged file may raise.
DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError)


def is_result(path: Path) -> bool:
    """Return whether a path is a result folder, also one that lacks some of its files."""
    return (path / "receipt.json").is_file() or all((path / name).is_file() for name in ("mask.nrrd", "lesions.csv"))


def read_result(folder: Path) -> Reading:
    """Read the reading that was saved in a result folder.

    Raises:
        UserError: a file is missing or damaged, the table does not fit the masks, or the scan was moved or changed
            since it was read.
    """
    try:
        _check_complete(folder, ["receipt.json"])
        receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8"))
        if receipt.get("quick"):
            raise UserError(f"{folder} holds masks and tables only; read the scan again and let all files be written.")
        _check_complete(folder, NEEDED)
        scan = _scan(folder, receipt)
        _check_complete(folder, [f"mask_{name}.nrrd" for name in scan.views])
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
        lesions, rejected = _with_decisions(measure_lesions(scan, union, views, probability), folder, receipt)
        box = ThoraxCrop.from_dict(receipt["crop"])
    except DAMAGED as error:
        raise UserError(f"{folder} is not a complete result ({reason_of(error)}); read the scan again.") from error
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


def _check_complete(folder: Path, names: Sequence[str]) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} is not a complete result ({', '.join(missing)} missing); read the scan again.")


def _scan(folder: Path, receipt: dict[str, Any]) -> WholeBodyScan:
    """Read the scan of a result again; its files must be unchanged."""
    inputs, options = receipt["inputs"], receipt.get("options", {})
    files = [Path(entry["file"]) for entry in inputs]
    missing = [str(file) for file in files if not file.is_file()]
    if missing or not files:
        name = missing[0] if missing else "the scan"
        raise UserError(f"{name}, from which {folder} was read, is no longer there: give the scan instead.")
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


def _with_decisions(
    lesions: tuple[Lesion, ...], folder: Path, receipt: dict[str, Any]
) -> tuple[tuple[Lesion, ...], tuple[Lesion, ...]]:
    """Return the lesions with their decisions from table and receipt, and the rejected ones, which are in no mask."""
    with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(row["ID"]): row for row in csv.DictReader(file)}
    # A lesion that was rejected in the table by hand is still in the masks, and would be followed.
    counted = {number for number, row in rows.items() if row["decision"] != "rejected"}
    if unfit := counted ^ {lesion.id for lesion in lesions}:
        raise UserError(
            f"lesions.csv in {folder} does not fit the masks (area {min(unfit)}): decide on the areas in Slicer and "
            "save them there, or read the scan again."
        )
    edited = {entry["lesion"] for entry in receipt.get("review") or [] if entry.get("edited")}

    def decided(lesion: Lesion) -> Lesion:
        row = rows[lesion.id]
        return replace(
            lesion,
            decision=_one_of(DECISIONS, row["decision"]),
            classification=_one_of(CLASSIFICATIONS, row["classification"]),
            confidence=float(row["confidence"]) if row.get("confidence") else None,
            edited=lesion.id in edited,
        )

    rejected = [_rejected(number, row) for number, row in rows.items() if row["decision"] == "rejected"]
    return tuple(map(decided, lesions)), tuple(map(decided, rejected))


def _rejected(number: int, row: dict[str, str]) -> Lesion:
    """Return a rejected lesion from its row of the table; it has no outline."""
    return Lesion(
        id=number,
        curve=np.zeros((0, 3)),
        seen_in=_one_of(SEEN_IN, row["seen_in"]),
        area_mm2=100 * float(row["area_cm2"]),
        centroid=(float(row["centroid_R_mm"]), 0.0, float(row["centroid_S_mm"])),
        max_probability=float(row["max_probability"]),
        mean_probability=float(row["mean_probability"]),
    )


def _one_of(choices: tuple[Choice, ...], text: str) -> Choice:
    """Return the choice that equals a text; ValueError if there is none."""
    return choices[choices.index(text)]


def _pixels(path: Path) -> NDArray[Any]:
    import SimpleITK

    try:
        return np.asarray(SimpleITK.GetArrayFromImage(open_image(path))[0])
    except UserError as error:
        raise ValueError(str(error)) from error
