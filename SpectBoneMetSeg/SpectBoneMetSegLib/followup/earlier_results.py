"""Find earlier results of the patient whose scan is open."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..common.dates import format_date
from ..scan.planar import WholeBodyScan
from .patients import differ, patient_in, patient_of
from .read_back import is_result

__all__ = ["EarlierResult", "results_of_patient"]


@dataclass(frozen=True)
class EarlierResult:
    """A result folder and the date of its scan.

    Attributes:
        folder: result folder.
        day: date of the scan, year-month-day; "" if unknown.
    """

    folder: Path
    day: str


def results_of_patient(folders: Iterable[str], scan: WholeBodyScan) -> list[EarlierResult]:
    """Return the result folders of the same patient but another study, latest first.

    The patient is identified by the headers of the files that the results were read from; a result whose files are
    missing or name no patient is not returned.

    Args:
        folders: candidate result folders.
        scan: scan of the patient.
    """
    patient = patient_of(scan)
    if not patient[0]:
        # A date of birth alone does not identify a patient.
        return []
    found = []
    for folder in map(Path, dict.fromkeys(folders)):
        receipt = _receipt_of(folder)
        if not receipt or receipt.get("study_instance_uid") == scan.source.study_instance_uid:
            continue
        other = patient_in(Path(str(entry.get("file", ""))) for entry in receipt.get("inputs") or [])
        if other[0] == patient[0] and not differ(patient, other):
            found.append(EarlierResult(folder, format_date(str((receipt.get("scan") or {}).get("study_date", "")))))
    return sorted(found, key=lambda each: each.day, reverse=True)


def _receipt_of(folder: Path) -> dict[str, Any]:
    try:
        receipt = json.loads((folder / "receipt.json").read_text(encoding="utf-8")) if is_result(folder) else {}
    except (OSError, ValueError):
        return {}
    return receipt if isinstance(receipt, dict) else {}
