"""What earlier runs have done: results that hold, failures that would come again, and rows of tables about both."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cases import Case, keys_of, receipt_of

if TYPE_CHECKING:
    from ..export.outputs import Outputs
    from ..loading.options import Options
    from ..model.card import ModelCard

__all__ = ["attempt_of", "is_done", "row_of", "row_of_earlier"]


def is_done(
    case: Case, card: ModelCard, options: Options, *, quick: bool = False, outputs: Outputs | None = None
) -> bool:
    """Whether a case's folder holds a result of this scan, this model and these options.

    Args:
        quick: masks and table are enough.
        outputs: what is to lie beside the result files.
    """
    told = receipt_of(case.folder)
    if not told or case.identity is None or (told.get("quick") and not quick):
        return False
    values = {
        "threshold": card.threshold if options.threshold is None else options.threshold,
        "minimum_area_mm2": card.minimum_area_mm2 if options.minimum_area_mm2 is None else options.minimum_area_mm2,
        "options": options.to_dict(),
        **({"outputs": list(outputs.wanted)} if outputs is not None and outputs.wanted else {}),
    }
    model = told.get("model")
    return (
        keys_of(told) == case.identity.keys
        and isinstance(model, dict)
        and model.get("sha256") == card.sha256
        and all(told.get(name) == value for name, value in values.items())
        and _whole(case.folder)
    )


def _whole(folder: Path) -> bool:
    """Whether no file of a result, in its folders too, is empty, as a power cut may leave it."""
    try:
        return all(path.stat().st_size > 0 for path in folder.rglob("*") if path.is_file())
    except OSError:
        return False


def attempt_of(case: Case, card: ModelCard, options: Options) -> str:
    """A digest of what is tried with a case: its files as they lie there, the model and the options."""
    files = []
    for path in case.scan.files if case.scan else (case.input,):
        try:
            facts = path.stat()
        except OSError:
            return ""
        files.append([str(path), facts.st_size, facts.st_mtime_ns])
    tried = json.dumps([files, card.sha256, options.to_dict()], sort_keys=True)
    return hashlib.sha256(tried.encode()).hexdigest()[:16]


def row_of(case: Case, result: dict[str, Any]) -> dict[str, Any]:
    """A row of `batch.csv` about what this run made of a case."""
    row: dict[str, Any] = {"input": str(case.input), "case": case.name}
    if "failure" in result:
        return {**row, "state": "failed", "reason": result["failure"]}
    return {
        **row,
        "state": "read",
        "areas": result["lesions"],
        "area_cm2": result["area_cm2"],
        "views": "+".join(result["views"]),
        "read": result["read"],
        "warnings": " | ".join(result["warnings"]),
        **{name: result[name] for name in ("confidence", "lowest_confidence", "crop_confidence")},
    }


def row_of_earlier(case: Case) -> dict[str, Any]:
    """A row of `batch.csv` about a case that an earlier run has read, from its files."""
    told = receipt_of(case.folder)
    views, warnings, crop = told.get("views") or [], told.get("warnings") or [], told.get("crop")
    lesions = _lesions(case.folder)
    known = [row["confidence"] for row in lesions if row.get("confidence")]
    return {
        "input": str(case.input),
        "case": case.name,
        "state": "read before",
        "areas": told.get("lesions"),
        "area_cm2": _area(lesions),
        "views": "+".join(views),
        "read": told.get("read"),
        "warnings": " | ".join(warnings),
        "confidence": told.get("confidence"),
        "lowest_confidence": min(known, key=float, default=None),
        "crop_confidence": crop.get("confidence") if isinstance(crop, dict) else None,
    }


def _lesions(folder: Path) -> list[dict[str, str]]:
    """The rows of an earlier result's table, without those that a physician rejected."""
    try:
        with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row.get("decision") != "rejected"]
    except (OSError, ValueError, csv.Error):
        return []


def _area(lesions: list[dict[str, str]]) -> float | str:
    try:
        return round(sum((float(row["area_cm2"]) for row in lesions), 0.0), 2)
    except (ValueError, KeyError):
        return ""
