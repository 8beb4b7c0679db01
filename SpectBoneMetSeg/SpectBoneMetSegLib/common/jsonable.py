"""Conversion of values to JSON types."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np


def to_jsonable(value: Any) -> Any:
    """Convert a value to JSON types: arrays and tuples to lists, NumPy scalars to Python's, paths to text, NaN to None.

    Raises:
        TypeError: the value has no JSON form.
    """
    if isinstance(value, dict):
        return {str(key): to_jsonable(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [to_jsonable(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a receipt cannot hold {type(value).__name__}")


def json_text(value: Any, depth: int = 2) -> str:
    """Return JSON text that people can read: an entry per line for the outer `depth` levels, the inner ones in a line.

    Indenting everything takes several times longer: it disables the fast encoder of the standard library.

    Raises:
        TypeError: the value has no JSON form.
    """
    return _indented(to_jsonable(value), depth, "")


def _indented(plain: Any, depth: int, indent: str) -> str:
    inner = indent + "  "
    if not plain or not depth or not isinstance(plain, dict | list):
        return json.dumps(plain, ensure_ascii=False, allow_nan=False)
    if isinstance(plain, list):
        entries = [_indented(entry, depth - 1, inner) for entry in plain]
    else:
        entries = [f"{json.dumps(key, ensure_ascii=False)}: {_indented(plain[key], depth - 1, inner)}" for key in plain]
    first, last = "[]" if isinstance(plain, list) else "{}"
    return first + ",".join(f"\n{inner}{entry}" for entry in entries) + f"\n{indent}{last}"
