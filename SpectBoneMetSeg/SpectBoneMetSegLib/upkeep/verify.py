"""Whether a receipt still holds: its scan is read again as it says, and what differs is told."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import UserError
from ..common.files import sha256_of
from ..loading.archive import FoundScan
from ..loading.images import open_image
from ..loading.options import Options

if TYPE_CHECKING:
    from ..lesions.results import Reading
    from ..model.engines import EngineName
    from ..model.store import ModelFolder

__all__ = ["PROBABILITY_TOLERANCE", "Difference", "Verdict", "verify_receipt"]

#: Engines, devices and other processors round otherwise; more than this is another result.
PROBABILITY_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Difference:
    """What is not as the receipt and its files say: `what` in a few words, `told` a sentence."""

    what: str
    told: str


@dataclass(frozen=True)
class Verdict:
    """What a second reading showed.

    Attributes:
        holds: nothing that matters differs.
        same_bytes: every mask is the same to the pixel.
        differences: what is not as it was, with what does not matter (a later version of the program).
        facts: engine and device then and now.
    """

    holds: bool
    same_bytes: bool
    differences: tuple[Difference, ...]
    facts: dict[str, str]


def verify_receipt(
    receipt: Path, model: str | None = None, files: Path | None = None, engine: EngineName | None = None
) -> Verdict:
    """Read the scan of a receipt again, and compare.

    Args:
        receipt: a receipt.json, or its folder.
        model: name or folder of the model where that of the receipt's name is not it.
        files: folder in which the scan's files lie now, when they have moved.
        engine: another one than the receipt's.

    Raises:
        UserError: no receipt, the scan or the model is not there any more, or what is there is another one.
    """
    from ..pipeline import Reader

    path = receipt / "receipt.json" if receipt.is_dir() else receipt
    told = _read(path)
    scan_files = _files(told, files)
    reader = Reader(model or str(told["model"]["name"]), engine or _engine(told), "auto")
    _check_model(reader.model, told)
    options = _options(told)
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
        "engine": f"{told.get('engine')} then, {reader.engine.name} now",
        "device": f"{told.get('device')} then, {reader.engine.device} now",
    }
    matters, notes, same = _compared(reading, told, path.parent)
    return Verdict(not matters, same, (*matters, *notes), facts)


def _read(path: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        model, inputs = told["model"], told["inputs"]
        sound = (
            isinstance(model["sha256"], str) and isinstance(model["name"], str) and isinstance(told["options"], dict)
        )
        if not sound or not inputs or not all(isinstance(entry, dict) for entry in inputs):
            raise ValueError("it lacks parts")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); name a receipt.json or its folder.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path} is no receipt of a reading ({error}); name another one.") from error
    return told


def _files(told: Mapping[str, Any], folder: Path | None) -> list[Path]:
    """The files of the scan, each with the digest that the receipt says."""
    found = []
    for entry in told["inputs"]:
        path = Path(str(entry.get("file")))
        path = folder / path.name if folder is not None else path
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise UserError(
                f"{path}, which was read, cannot be read ({error.strerror}); name the folder where it lies now.",
                "files",
            ) from error
        if digest != entry.get("sha256"):
            raise UserError(f"{path} is not the file that was read: its SHA-256 differs; name another folder.", "files")
        found.append(path)
    return found


def _engine(told: Mapping[str, Any]) -> Any:
    return told["engine"] if told.get("engine") in ("onnx", "tensorflow") else "auto"


def _check_model(model: ModelFolder, told: Mapping[str, Any]) -> None:
    wanted = told["model"]
    if model.card.sha256 != wanted["sha256"]:
        raise UserError(
            f"The model {model.card.name} is version {model.card.version} now, another one than version "
            f"{wanted.get('version')} with which the scan was read; name the folder of that one.",
            "model",
        )


def _options(told: Mapping[str, Any]) -> Options:
    known = {entry.name for entry in fields(Options)}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in told["options"].items()
        if name in known
    }
    # The limits that held then, also where they were the model's own.
    chosen |= {name: told[name] for name in ("threshold", "minimum_area_mm2") if name in told}
    try:
        return Options(**chosen)
    except TypeError as error:
        raise UserError(f"The receipt's options cannot be understood ({error}); name another one.") from error


def _compared(
    reading: Reading, told: Mapping[str, Any], folder: Path
) -> tuple[list[Difference], list[Difference], bool]:
    """(what matters, what does not, whether every mask is the same)."""
    from .._version import __version__

    matters: list[Difference] = []
    notes: list[Difference] = []
    version = (told.get("program") or {}).get("version")
    if version != __version__:
        notes.append(Difference("program", f"It was read by version {version}; this is {__version__}."))
    crop: dict[str, Any] = reading.receipt["crop"]  # type: ignore[assignment]
    then = told.get("crop") or {}
    if any(list(then.get(name) or []) != list(crop[name]) for name in ("rows", "columns")):
        matters.append(Difference("crop", f"The box is {_box(crop)} now, it was {_box(then)}."))
    same = _compare_masks(reading, folder, matters)
    _compare_probability(reading, folder, matters, notes)
    count = told.get("lesions")
    if isinstance(count, int) and count != len(reading.lesions):
        words = f"{len(reading.lesions)} areas are found now, {count} were."
        matters.append(Difference("lesions", words))
    _compare_table(reading, folder, matters)
    return matters, notes, same


def _box(crop: Mapping[str, Any]) -> str:
    return f"rows {crop.get('rows')}, columns {crop.get('columns')}"


def _stored(path: Path) -> Any:
    """The (rows, columns) array of a result file; None where there is none."""
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(open_image(path))[0] if path.is_file() else None
    except UserError as error:
        raise UserError(f"{path} is damaged; restore it or read the scan again.") from error


def _compare_masks(reading: Reading, folder: Path, matters: list[Difference]) -> bool:
    masks: dict[str, Any] = {"mask": reading.mask}
    masks |= {f"mask_{name}": ids for name, ids in reading.view_masks.items()}
    same = True
    for name, mask in masks.items():
        stored = _stored(folder / f"{name}.nrrd")
        if stored is None:
            same = False
            matters.append(Difference(name, f"{name}.nrrd is not beside the receipt; nothing tells whether it holds."))
        elif stored.shape != mask.shape:
            same = False
            matters.append(Difference(name, f"{name}.nrrd has {stored.shape} pixels, the scan {mask.shape}."))
        elif differing := int((stored != mask).sum()):
            same = False
            words = f"{differing} pixels of {name}.nrrd differ: it was changed, or read otherwise."
            matters.append(Difference(name, words))
    return same


def _compare_probability(reading: Reading, folder: Path, matters: list[Difference], notes: list[Difference]) -> None:
    stored = _stored(folder / "probability.nrrd")
    if stored is None:
        return
    if stored.shape != reading.probability.shape:
        words = f"probability.nrrd has {stored.shape} pixels, the scan {reading.probability.shape}."
        matters.append(Difference("probability", words))
        return
    most = float(np.abs(stored - reading.probability).max())
    if most > 0:
        words = f"Probabilities differ by {most:.2g} at most, where {PROBABILITY_TOLERANCE:g} is allowed."
        (matters if most > PROBABILITY_TOLERANCE else notes).append(Difference("probability", words))


def _compare_table(reading: Reading, folder: Path, matters: list[Difference]) -> None:
    from ..export.table import write_lesion_table
    from ..quantification.quantify import quantify

    try:
        stored = (folder / "lesions.csv").read_text(encoding="utf-8")
    except (OSError, ValueError):
        matters.append(Difference("table", "lesions.csv cannot be read; nothing tells whether it holds."))
        return
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        write_lesion_table(reading, str(Path(place) / "lesions.csv"), quantify(reading))
        now = (Path(place) / "lesions.csv").read_text(encoding="utf-8")
    then_rows, now_rows = (list(csv.DictReader(io.StringIO(text))) for text in (stored, now))
    if len(then_rows) != len(now_rows):
        words = f"lesions.csv has {len(then_rows)} rows, the reading {len(now_rows)}."
        matters.append(Difference("table", words))
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
        words = f"lesions.csv differs in {', '.join(changed)}: changed by hand, or read otherwise."
        matters.append(Difference("table", words))


def _equal(one: str | None, other: str | None) -> bool:
    try:
        return bool(np.isclose(float(one or "nan"), float(other or "nan"), rtol=1e-3, atol=1e-6, equal_nan=True))
    except ValueError:
        return one == other
