"""`receipt.json`: provenance of a reading (program, model, inputs, options, warnings)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.jsonable import to_jsonable
from ..lesions.results import Reading

__all__ = ["input_digests", "is_reviewed", "stored_input_digests", "stored_receipt", "to_jsonable", "write_receipt"]


def write_receipt(reading: Reading, path: str) -> None:
    """Write the receipt of a reading; OSError when the file cannot be written."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(to_jsonable(reading.receipt), file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")


def input_digests(receipt: Mapping[str, object]) -> set[str]:
    """Return the SHA-256 digests of the files that were read, as a receipt lists them."""
    inputs = receipt.get("inputs")
    entries = inputs if isinstance(inputs, list) else []
    return {str(entry.get("sha256")) for entry in entries if isinstance(entry, dict)}


def is_reviewed(receipt: Mapping[str, Any]) -> bool:
    """Return whether a physician decided on a lesion, classified, edited or erased one, as a receipt states."""
    review = receipt.get("review")
    entries = review if isinstance(review, list) else []
    decided = any(
        entry.get("decision", "open") != "open" or entry.get("classification") or entry.get("edited")
        for entry in entries
        if isinstance(entry, dict)
    )
    return decided or bool(receipt.get("edited") or receipt.get("erased"))


def stored_receipt(path: Path) -> dict[str, Any] | None:
    """Return a stored receipt; None if there is none, or it is not readable."""
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return receipt if isinstance(receipt, dict) else None


def stored_input_digests(path: Path) -> set[str] | None:
    """Return `input_digests` of a stored receipt; None if there is none, or it is not readable."""
    receipt = stored_receipt(path)
    return None if receipt is None else input_digests(receipt)
