"""`receipt.json`: provenance of a reading (program, model, inputs, options, warnings)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..common.jsonable import to_jsonable
from ..lesions.results import Reading

__all__ = ["input_digests", "stored_input_digests", "to_jsonable", "write_receipt"]


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


def stored_input_digests(path: Path) -> set[str] | None:
    """Return `input_digests` of a stored receipt; None if there is none, or it is not readable."""
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return input_digests(receipt) if isinstance(receipt, dict) else None
