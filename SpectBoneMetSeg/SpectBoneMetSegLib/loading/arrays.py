"""Make a scan from arrays, with the same checks as for files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..common.errors import UserError
from ..scan.planar import PlanarView, ScanSource, ViewName, WholeBodyScan
from .frames import Frame
from .grey_values import counts_dark_to_bright
from .study import planar_view, view_warnings

__all__ = ["scan_from_arrays"]


def scan_from_arrays(
    anterior: ArrayLike | None, posterior: ArrayLike | None, pixel_size_mm: float | None, case: str = "array"
) -> WholeBodyScan:
    """Make a scan of one or two views.

    Args:
        anterior: (rows, columns) counts, rows from head to foot, columns from the patient's right to left; None if
            there is no anterior view.
        posterior: (rows, columns) counts, rows from head to foot, columns as the detector sees them from behind, from
            the patient's left to right; None if there is no posterior view.
        pixel_size_mm: edge of a pixel.
        case: name of the results.

    Raises:
        UserError: no view, wrong number of axes, pixels that are not counts, or no pixel size.
    """
    given: dict[ViewName, ArrayLike | None] = {"anterior": anterior, "posterior": posterior}
    if all(pixels is None for pixels in given.values()):
        raise UserError("There is no view: give anterior, posterior or both as arrays of rows and columns.")
    if pixel_size_mm is None:
        raise UserError("Arrays do not state their pixel size; give it in mm, for example pixel_size_mm=2.26.")
    warnings: list[str] = []
    views: dict[ViewName, PlanarView] = {}
    for name, pixels in given.items():
        if pixels is None:
            continue
        frame = Frame(
            _counts(pixels, name), (pixel_size_mm, pixel_size_mm), Path(case), display_name=f"{case} ({name})"
        )
        views[name] = planar_view(name, counts_dark_to_bright(frame, warnings), None, warnings)
    warnings += view_warnings(views)
    # The hash identifies the input where there is no file.
    digest = hashlib.sha256(b"".join(view.counts.tobytes() for view in views.values())).hexdigest()
    return WholeBodyScan(
        case, views.get("anterior"), views.get("posterior"), ScanSource((case,), (digest,)), tuple(warnings)
    )


def _counts(pixels: ArrayLike, name: ViewName) -> NDArray[np.float64]:
    if np.ma.is_masked(pixels):
        # NumPy would read what lies under the mask as counts.
        raise UserError(f"The {name} view has masked pixels; fill them first, for example with pixels.filled(0).")
    try:
        counts: NDArray[Any] = np.asarray(pixels)
        if counts.dtype.kind in "cmM":
            raise TypeError
        counts = counts.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"The {name} view is no array of numbers; give counts by rows and columns.") from error
    if counts.ndim != 2 or 0 in counts.shape:
        raise UserError(f"The {name} view has the shape {counts.shape}; give an array of rows and columns.")
    return counts
