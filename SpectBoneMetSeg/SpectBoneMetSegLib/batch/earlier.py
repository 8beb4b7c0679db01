"""Results and failures of earlier runs: which are still valid, and their rows in the tables."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.files import sha256_of
from ..export.receipt import input_digests
from .cases import Case, keys_of, receipt_of

if TYPE_CHECKING:
    from ..export.outputs import Outputs
    from ..loading.options import Options
    from ..model.card import ModelCard

__all__ = ["attempt_of", "is_done", "row_of", "row_of_earlier"]


def is_done(
    case: Case, card: ModelCard, options: Options, *, quick: bool = False, outputs: Outputs | None = None
) -> bool:
    """Return whether a case's folder holds a complete result of this scan with this model and these options.

    The scan's files are compared with the digests of the receipt if they changed after it was written.

    Args:
        case: the case.
        card: card of the model.
        options: options of the reading.
        quick: accept a result with masks and table only.
        outputs: outputs that the result must have in addition to the result files; it may have more.
    """
    receipt = receipt_of(case.folder)
    if not receipt or case.identity is None or (receipt.get("quick") and not quick):
        return False
    values = {
        "threshold": card.threshold if options.threshold is None else options.threshold,
        "minimum_area_mm2": card.minimum_area_mm2 if options.minimum_area_mm2 is None else options.minimum_area_mm2,
        "options": options.to_dict(),
    }
    model = receipt.get("model")
    return (
        keys_of(receipt) == case.identity.keys
        and isinstance(model, dict)
        and model.get("sha256") == card.sha256
        and all(receipt.get(name) == value for name, value in values.items())
        and _whole(case.folder, receipt, regions=bool(card.network.regions))
        and (outputs is None or _has_outputs(case.folder, receipt, outputs))
        and _unchanged(case, receipt)
    )


def _whole(folder: Path, receipt: dict[str, Any], *, regions: bool) -> bool:
    """Return whether all files of a result exist, none is empty, and the table has a row for every lesion."""
    from ..export.result_folder import result_files

    views = receipt.get("views") or []
    try:
        present = {path.name for path in folder.iterdir()}
        filled = all(path.stat().st_size > 0 for path in folder.rglob("*") if path.is_file())
    except OSError:
        return False
    expected = result_files(views, quick=bool(receipt.get("quick")), regions=regions)
    return filled and expected <= present and len(_lesions(folder)) == receipt.get("lesions")


def _has_outputs(folder: Path, receipt: dict[str, Any], outputs: Outputs) -> bool:
    """Return whether a result has the wanted outputs, made in the wanted way, and all their files."""
    from ..export.result_folder import output_files

    wanted, there = set(outputs.wanted), set(receipt.get("outputs") or [])
    # The patient's name in an output that is not wanted does not matter.
    ways = {"de_identify"} if wanted & {"dicom", "report"} else set()
    ways |= {"name_patient"} if "report" in wanted else set()
    seen_in = [row.get("seen_in") or "" for row in _lesions(folder)]
    files = output_files(wanted, receipt.get("warnings") or [], seen_in)
    return wanted <= there and wanted & ways == there & ways and all((folder / name).is_file() for name in files)


def _unchanged(case: Case, receipt: dict[str, Any]) -> bool:
    """Return whether the files of a case are those of its result; only files newer than the result are read."""
    files = case.scan.files if case.scan else ()
    try:
        written = (case.folder / "receipt.json").stat().st_mtime
        # A file that was copied may have an old time of modification.
        if all(max(status.st_mtime, status.st_ctime) < written for status in map(Path.stat, files)):
            return True
        copies = [copy for path in files for copy in case.scan.copies.get(path, ())] if case.scan else []
        return input_digests(receipt) <= {sha256_of(path) for path in (*files, *copies)}
    except OSError:
        return False


def attempt_of(case: Case, card: ModelCard, options: Options) -> str:
    """Return a digest of an attempt: the case's files (path, size, time of change), the model and the options."""
    files = []
    for path in case.scan.files if case.scan else (case.input,):
        try:
            status = path.stat()
        except OSError:
            return ""
        files.append([str(path), status.st_size, status.st_mtime_ns])
    attempt = json.dumps([files, card.sha256, options.to_dict()], sort_keys=True)
    return hashlib.sha256(attempt.encode()).hexdigest()[:16]


def row_of(case: Case, result: dict[str, Any]) -> dict[str, Any]:
    """Return the row of `batch.csv` for a case that this run has read or failed to read."""
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
    """Return the row of `batch.csv` for a case that an earlier run has read, from its files."""
    receipt = receipt_of(case.folder)
    views, warnings, crop = receipt.get("views") or [], receipt.get("warnings") or [], receipt.get("crop")
    lesions = _lesions(case.folder)
    confidences = [row["confidence"] for row in lesions if row.get("confidence")]
    return {
        "input": str(case.input),
        "case": case.name,
        "state": "read before",
        "areas": receipt.get("lesions"),
        "area_cm2": _area(lesions),
        "views": "+".join(views),
        "read": receipt.get("read"),
        "warnings": " | ".join(warnings),
        "confidence": receipt.get("confidence"),
        "lowest_confidence": min(confidences, key=float, default=None),
        "crop_confidence": crop.get("confidence") if isinstance(crop, dict) else None,
    }


def _lesions(folder: Path) -> list[dict[str, str]]:
    """Return the rows of an earlier result's lesion table, without rejected areas."""
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
