"""`receipt.json`: how a reading came about."""

from __future__ import annotations

import json

from ..common.jsonable import plain
from ..lesions.results import Reading

__all__ = ["plain", "write_receipt"]


def write_receipt(reading: Reading, path: str) -> None:
    """Write the reading's receipt as it is; OSError when the file cannot be written."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(plain(reading.receipt), file, indent=2, ensure_ascii=False, allow_nan=False)
        file.write("\n")
