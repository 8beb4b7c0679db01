"""Checks of what a script gives to the editing of lesions; each message is one sentence that names the remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...common.errors import UserError

__all__ = ["check_size", "check_view", "distance_of", "labelmap_of", "next_id", "probability_of", "spacing_of"]

Ids = NDArray[np.uint16]

#: The largest ID that a labelmap can hold.
LARGEST = int(np.iinfo(np.uint16).max)
#: Probabilities may exceed 0 to 1 by this much, the rounding of their mean over several networks.
ROUNDING = 1e-3


def labelmap_of(ids: ArrayLike, shape: tuple[int, int] | None = None) -> Ids:
    """Return a new labelmap, (rows, columns) uint16, with the IDs of another.

    Args:
        ids: (rows, columns) whole numbers, 0 for none.
        shape: (rows, columns) of the scan's anterior frame; None for any.

    Raises:
        UserError: it is a mask, it has another shape, or its values are no whole numbers from 0 to 65535.
    """
    try:
        values = np.asarray(ids)
    except ValueError:
        raise UserError("The labelmap has rows of different lengths; give one with rows and columns.") from None
    if values.ndim != 2 or not values.size:
        raise UserError(f"The labelmap has the shape {values.shape}; give one with rows and columns, like the scan.")
    if shape is not None:
        check_size("labelmap", values, shape)
    if values.dtype == bool:
        raise UserError("A mask does not tell its lesions apart; number them with number_lesions first.")
    if not _are_whole(values):
        raise UserError("The labelmap holds values that are no numbers of lesions; give a whole number to each lesion.")
    if values.min() < 0 or values.max() > LARGEST:
        raise UserError(f"The labelmap holds numbers outside 0 to {LARGEST}; number its lesions from 1.")
    return values.astype(np.uint16)


def next_id(ids: Ids) -> int:
    """Return the ID of a new lesion, above those of a labelmap.

    Raises:
        UserError: there is none.
    """
    number = int(ids.max(initial=0)) + 1
    if number > LARGEST:
        raise UserError(f"A new lesion would need a number above {LARGEST}; number the lesions of the labelmap from 1.")
    return number


def check_size(name: str, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Check that a map has the shape of the scan's frame.

    Args:
        name: what the map is, for the message.
        values: the map.
        shape: (rows, columns) of the anterior frame.

    Raises:
        UserError: it has another shape.
    """
    if values.shape != shape:
        sizes = [" x ".join(str(length) for length in each) for each in (values.shape, shape)]
        raise UserError(
            f"The {name} has {sizes[0]} pixels, the scan {sizes[1]}; give one on the scan's anterior frame."
        )


def probability_of(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a map of probabilities, (rows, columns) float32.

    Args:
        name: what the map is, for the message.
        values: (rows, columns) from 0 to 1.
        shape: (rows, columns) of the anterior frame.

    Raises:
        UserError: it has another shape, or values outside 0 to 1.
    """
    try:
        found = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise UserError(f"The {name} holds no numbers; give probabilities.") from None
    check_size(name, found, shape)
    if ((found < -ROUNDING) | (found > 1 + ROUNDING)).any():
        raise UserError(f"The {name} has values outside 0 to 1; give probabilities.")
    return found


def check_view(view: object, views: Iterable[str]) -> None:
    """Check that a scan has a view; None stands for all.

    Raises:
        UserError: it does not have it.
    """
    names = list(views)
    if view is not None and view not in names:
        raise UserError(f"The scan has no view {view!r}; give {' or '.join(map(repr, names))}, or None for all views.")


def distance_of(millimetres: object) -> float:
    """Return a distance in mm.

    Raises:
        UserError: it is no finite number.
    """
    message = f"The distance {millimetres!r} is no length; give a finite number of millimetres."
    return float(_numbers(millimetres, (), message))


def spacing_of(spacing: object) -> tuple[float, float]:
    """Return the (row, column) spacing of pixels in mm.

    Raises:
        UserError: they are not two positive numbers.
    """
    message = f"The pixel size {spacing!r} is none; give the row and column spacing in millimetres."
    rows, columns = (float(step) for step in _numbers(spacing, (2,), message))
    if min(rows, columns) <= 0:
        raise UserError(message)
    return rows, columns


def _numbers(value: Any, shape: tuple[int, ...], message: str) -> NDArray[np.float64]:
    """Return finite numbers of a shape; raise a UserError with this message for anything else."""
    try:
        numbers = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(message) from None
    if numbers.shape != shape or not np.isfinite(numbers).all():
        raise UserError(message)
    return numbers


def _are_whole(values: NDArray[Any]) -> bool:
    if np.issubdtype(values.dtype, np.integer):
        return True
    return bool(np.issubdtype(values.dtype, np.floating) and (values == np.rint(values)).all())
