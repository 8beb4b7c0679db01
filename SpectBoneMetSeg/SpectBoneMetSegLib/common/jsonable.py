"""Conversion of values to JSON types."""

from __future__ import annotations

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
