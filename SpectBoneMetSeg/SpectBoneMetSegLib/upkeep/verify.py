"""Verification of a receipt: read its scan again in the same way, and report all differences."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import UserError, reason_of
from ..common.files import sha256_of
from ..loading.archive import FoundScan
from ..loading.images import open_image
from ..loading.options import Options

if TYPE_CHECKING:
    from ..lesions.results import Reading
    from ..model.engines import EngineName
    from ..model.store import ModelFolder

__all__ = ["PROBABILITY_TOLERANCE", "Deviation", "Verdict", "verify_receipt"]

#: Maximum difference of a probability due to the rounding of other engines, devices and processors.
PROBABILITY_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Deviation:
    """A difference from the receipt or its files.

    Attributes:
        what: name of what differs.
        message: sentence for the user.
    """

    what: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """Result of a verification.

    Attributes:
        holds: the results are reproduced.
        same_bytes: every mask is identical in all pixels.
        differences: all differences, also minor ones (such as a later version of the program).
        facts: engine and device then and now.
    """

    holds: bool
    same_bytes: bool
    differences: tuple[Deviation, ...]
    facts: dict[str, str]


def verify_receipt(
    receipt: Path, model: str | None = None, files: Path | None = None, engine: EngineName | None = None
) -> Verdict:
    """Read the scan of a receipt again, and compare the results.

    Args:
        receipt: a receipt.json, or its folder.
        model: name or folder of the model, if the name in the receipt is now that of another model.
        files: folder of the scan's files, if they have moved.
        engine: inference engine; None for that of the receipt.

    Raises:
        UserError: receipt, scan or model are missing or damaged, or the scan or model is a different one.
    """
    from ..pipeline import Reader

    path = receipt / "receipt.json" if receipt.is_dir() else receipt
    record = _read(path)
    scan_files = _files(record, files)
    reader = Reader(model or str(record["model"]["name"]), engine or _engine(record), "auto")
    _check_model(reader.model, record)
    options = _options(record)
    from ..loading import read_found_scan

    scan = read_found_scan(
        FoundScan(tuple(scan_files)),
        path.parent.name,
        views=options.views,
        pixel_size_mm=options.pixel_size_mm,
        override=options.views_override,
    )
    reading = reader.read_scan(scan, options)
    facts = {
        "engine": f"{record.get('engine')} then, {reader.engine.name} now",
        "device": f"{record.get('device')} then, {reader.engine.device} now",
    }
    relevant, notes, same = _compare(reading, record, path.parent)
    return Verdict(not relevant, same, (*relevant, *notes), facts)


def _read(path: Path) -> dict[str, Any]:
    try:
        receipt: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model, inputs = receipt["model"], receipt["inputs"]
        valid = (
            isinstance(model["sha256"], str) and isinstance(model["name"], str) and isinstance(receipt["options"], dict)
        )
        if not valid or not inputs or not all(isinstance(entry, dict) for entry in inputs):
            raise ValueError("it is incomplete")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}); name a receipt.json or its folder.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        why = error if isinstance(error, ValueError) else "it is incomplete"
        raise UserError(f"{path} is not a receipt of a reading ({why}); name another one.") from error
    return receipt


def _files(receipt: Mapping[str, Any], folder: Path | None) -> list[Path]:
    """Return the files of the scan after comparing their digests with the receipt's."""
    found = []
    for entry in receipt["inputs"]:
        path = Path(str(entry.get("file")))
        path = folder / path.name if folder is not None else path
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise UserError(
                f"{path}, which was read, cannot be read ({reason_of(error)}); name the folder where it lies now.",
                "files",
            ) from error
        if digest != entry.get("sha256"):
            raise UserError(f"{path} is not the file that was read: its SHA-256 differs; name another folder.", "files")
        found.append(path)
    return found


def _engine(receipt: Mapping[str, Any]) -> Any:
    return receipt["engine"] if receipt.get("engine") in ("onnx", "tensorflow") else "auto"


def _check_model(model: ModelFolder, receipt: Mapping[str, Any]) -> None:
    wanted = receipt["model"]
    if model.card.sha256 != wanted["sha256"]:
        raise UserError(
            f"The model {model.card.name} is now version {model.card.version}, but the scan was read with version "
            f"{wanted.get('version')}; name the folder of that version.",
            "model",
        )


def _options(receipt: Mapping[str, Any]) -> Options:
    known = {entry.name for entry in fields(Options)}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in receipt["options"].items()
        if name in known
    }
    # The limits of the first reading, also if they were the model's defaults.
    chosen |= {name: receipt[name] for name in ("threshold", "minimum_area_mm2") if name in receipt}
    try:
        return Options(**chosen)
    except TypeError as error:
        raise UserError(f"The receipt's options are invalid ({error}); name another receipt.") from error


def _compare(
    reading: Reading, receipt: Mapping[str, Any], folder: Path
) -> tuple[list[Deviation], list[Deviation], bool]:
    """Return (relevant differences, minor differences, whether all masks are identical)."""
    from .._version import __version__

    relevant: list[Deviation] = []
    notes: list[Deviation] = []
    version = (receipt.get("program") or {}).get("version")
    if version != __version__:
        notes.append(Deviation("program", f"It was read by version {version}; this is {__version__}."))
    crop: dict[str, Any] = reading.receipt["crop"]  # type: ignore[assignment]
    then = receipt.get("crop") or {}
    if any(list(then.get(name) or []) != list(crop[name]) for name in ("rows", "columns")):
        relevant.append(Deviation("crop", f"The box is now {_box(crop)}, it was {_box(then)}."))
    same = _compare_masks(reading, folder, relevant)
    _compare_probability(reading, folder, relevant, notes)
    count = receipt.get("lesions")
    if isinstance(count, int) and count != len(reading.lesions):
        text = f"{len(reading.lesions)} areas are found now, {count} were found then."
        relevant.append(Deviation("lesions", text))
    _compare_table(reading, folder, relevant)
    return relevant, notes, same


def _box(crop: Mapping[str, Any]) -> str:
    return f"rows {crop.get('rows')}, columns {crop.get('columns')}"


def _stored(path: Path) -> Any:
    """Return the (rows, columns) array of a result file; None if there is no file."""
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(open_image(path))[0] if path.is_file() else None
    except UserError as error:
        raise UserError(f"{path} is damaged; restore it or read the scan again.") from error


def _compare_masks(reading: Reading, folder: Path, relevant: list[Deviation]) -> bool:
    masks: dict[str, Any] = {"mask": reading.mask}
    masks |= {f"mask_{name}": ids for name, ids in reading.view_masks.items()}
    same = True
    for name, mask in masks.items():
        stored = _stored(folder / f"{name}.nrrd")
        if stored is None:
            same = False
            text = f"{name}.nrrd is missing in the folder of the receipt and cannot be compared."
            relevant.append(Deviation(name, text))
        elif stored.shape != mask.shape:
            same = False
            relevant.append(Deviation(name, f"{name}.nrrd has {stored.shape} pixels, the scan {mask.shape}."))
        elif differing := int((stored != mask).sum()):
            same = False
            text = f"{differing} pixels of {name}.nrrd differ: the file was changed, or the reading differs."
            relevant.append(Deviation(name, text))
    return same


def _compare_probability(reading: Reading, folder: Path, relevant: list[Deviation], notes: list[Deviation]) -> None:
    stored = _stored(folder / "probability.nrrd")
    if stored is None:
        return
    if stored.shape != reading.probability.shape:
        text = f"probability.nrrd has {stored.shape} pixels, the scan {reading.probability.shape}."
        relevant.append(Deviation("probability", text))
        return
    most = float(np.abs(stored - reading.probability).max())
    if most > 0:
        text = f"Probabilities differ by at most {most:.2g}; {PROBABILITY_TOLERANCE:g} is allowed."
        (relevant if most > PROBABILITY_TOLERANCE else notes).append(Deviation("probability", text))


def _compare_table(reading: Reading, folder: Path, relevant: list[Deviation]) -> None:
    from ..export.table import write_lesion_table
    from ..quantification.quantify import quantify

    try:
        stored = (folder / "lesions.csv").read_text(encoding="utf-8")
    except (OSError, ValueError):
        relevant.append(Deviation("table", "lesions.csv cannot be read and cannot be compared."))
        return
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write_lesion_table(reading, str(Path(temporary) / "lesions.csv"), quantify(reading))
        now = (Path(temporary) / "lesions.csv").read_text(encoding="utf-8")
    then_rows, now_rows = (list(csv.DictReader(io.StringIO(text))) for text in (stored, now))
    if len(then_rows) != len(now_rows):
        text = f"lesions.csv has {len(then_rows)} rows, the reading {len(now_rows)}."
        relevant.append(Deviation("table", text))
        return
    changed = sorted(
        {
            name
            for then, new in zip(then_rows, now_rows, strict=True)
            for name in new
            if name in then and not _equal(then[name], new[name])
        }
    )
    if changed:
        text = f"lesions.csv differs in {', '.join(changed)}: the file was edited, or the reading differs."
        relevant.append(Deviation("table", text))


def _equal(one: str | None, other: str | None) -> bool:
    try:
        return bool(np.isclose(float(one or "nan"), float(other or "nan"), rtol=1e-3, atol=1e-6, equal_nan=True))
    except ValueError:
        return one == other
