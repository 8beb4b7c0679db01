"""Verification of a receipt: read its scan again in the same way, and report all differences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError, reason_of
from ..common.files import sha256_of
from ..loading.archive import FoundScan
from ..loading.options import Options
from .differences import PROBABILITY_TOLERANCE, Deviation, differences

if TYPE_CHECKING:
    from ..model.engines import EngineName
    from ..model.store import ModelFolder

__all__ = ["PROBABILITY_TOLERANCE", "Deviation", "Verdict", "verify_receipt"]


@dataclass(frozen=True)
class Verdict:
    """Result of a verification.

    Attributes:
        holds: the results are reproduced.
        same_bytes: every mask and region map is identical in all pixels.
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
    relevant, notes, same = differences(reading, record, path.parent)
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
