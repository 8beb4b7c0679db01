"""Match a label's geometry to a view of the scan, to a tenth of a pixel; a label that fits none is rejected.

Both views have true directions (`SpectBoneMetSegLib.scan.planar`), so the direction of a label's columns shows whether
it was drawn on the anterior or the posterior view. A label from a tool without patient coordinates fits if its grid is
exactly that of the scan's image file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import SPACING_TOLERANCE, PlanarView, ViewName, WholeBodyScan, mirror, same_grid
from SpectBoneMetSegLib.scan.regrid import sample_on

__all__ = [
    "DIRECTION_TOLERANCE",
    "PIXEL_TOLERANCE",
    "Grid",
    "drawn_view",
    "grids_of",
    "on_frame_of",
    "place",
    "view_grid",
]

#: Tolerance of a label's pixel centres (pixels) and of its directions (cosines).
PIXEL_TOLERANCE = 0.1
DIRECTION_TOLERANCE = 0.001
#: Tolerance of a label's distance from the plane of the views (mm): a planar scan has no depth.
DEPTH_TOLERANCE_MM = 1.0


@dataclass(frozen=True)
class Grid:
    """A pixel grid that a label may have been drawn on.

    Attributes:
        name: for messages.
        shape: (rows, columns).
        matrix: 4x4 (column, row, slice) to RAS mm.
        view: the view that it labels; None for the union of both.
        own: the view on whose grid the pixels are.
        across: -1 if the columns are mirrored on reading, else 1.
    """

    name: str
    shape: tuple[int, int]
    matrix: NDArray[np.float64]
    view: ViewName | None
    own: PlanarView
    across: int = 1


def view_grid(view: PlanarView, marks: ViewName | None, name: str = "") -> Grid:
    """Return the grid of a view; `marks` as `Grid.view`."""
    return Grid(name or f"the {view.name} view", view.shape, view.ijk_to_ras, marks, view)


def drawn_view(name: str, scan: WholeBodyScan, named_view: ViewName | None) -> ViewName:
    """Return the view of a label that was drawn on an image of one view.

    Args:
        name: of its file.
        scan: the scan to which the label belongs.
        named_view: the view in its name, None for none.

    Raises:
        UserError: the name contains no view though the scan has two, or a view that the scan does not have.
    """
    view = named_view or (next(iter(scan.views)) if len(scan.views) == 1 else None)
    if view is None:
        raise UserError(f"{name} does not state on which view it was drawn; end its name in _anterior or _posterior.")
    if view not in scan.views:
        raise UserError(f"{name} was drawn on the {view} view, which the scan {scan.case} does not have.")
    return view


def grids_of(scan: WholeBodyScan, named_view: ViewName | None = None) -> list[Grid]:
    """Return every grid on which a label of a scan may have been drawn.

    Args:
        scan: the scan to which the label belongs.
        named_view: the view in the label's name; a label in the anterior frame named "anterior" marks that view
            alone.
    """
    views = scan.views
    both = len(views) == 2
    frame_marks = (named_view if named_view == "anterior" else None) if both else next(iter(views))
    found = [view_grid(scan.frame, frame_marks, "the anterior frame")]
    if scan.posterior is not None:
        found.append(view_grid(scan.posterior, "posterior"))
    for file in scan.source.files:
        grid = _picture_grid(Path(file), scan)
        if grid is not None:
            found.append(grid)
    return found


def place(
    pixels: NDArray[Any],
    matrix: NDArray[np.float64],
    scan: WholeBodyScan,
    name: str,
    *,
    named_view: ViewName | None = None,
    cropped: bool = False,
) -> tuple[NDArray[Any], ViewName | None]:
    """Resample a label to the anterior frame; return it with the view that it labels (None for the union of both).

    Args:
        pixels: (rows, columns) of the label.
        matrix: its 4x4 IJK to RAS mm.
        scan: the scan to which the label belongs.
        name: file or node, for messages.
        named_view: the view in its name, None for none.
        cropped: whether it may cover part of the field, on the scan's pixel grid (as segmentations are stored).

    Raises:
        UserError: it fits none of the scan's grids, or another view than the one in its name.
    """
    misfits: list[list[str]] = []
    for grid in grids_of(scan, named_view):
        reasons, offset = _compare(pixels.shape, matrix, grid, cropped=cropped)
        if reasons:
            misfits.append(reasons)
            continue
        if named_view is not None and grid.view != named_view:
            raise UserError(
                f"{name} is named {named_view} but lies on {grid.name}; rename it, or export it again with the "
                f"{named_view} view's volume as reference geometry."
            )
        whole = np.ascontiguousarray(_full(pixels, offset, grid.shape)[:, :: grid.across])
        return on_frame_of(whole, grid, scan), grid.view
    nearest = min(misfits, key=len)
    raise UserError(
        f"{name} does not lie on the scan {scan.case} ({'; '.join(nearest)}); export it again with the scan's "
        "volume as reference geometry, or draw it on the scan itself."
    )


def _compare(
    shape: tuple[int, ...], matrix: NDArray[np.float64], grid: Grid, *, cropped: bool
) -> tuple[list[str], tuple[int, int]]:
    """Return why a label does not fit a grid (empty if it fits), and the grid's (row, column) at its first pixel."""
    reasons: list[str] = []
    if not np.isfinite(matrix).all():
        return ["its place in the patient is not a number"], (0, 0)
    steps = np.linalg.norm(matrix[:3, :2], axis=0)
    own = np.linalg.norm(grid.matrix[:3, :2], axis=0)
    if min(steps) <= 0:
        return ["its pixels have no size"], (0, 0)
    if not cropped and tuple(shape) != grid.shape:
        reasons.append(f"{shape[1]} x {shape[0]} pixels instead of {grid.shape[1]} x {grid.shape[0]} on {grid.name}")
    if not np.allclose(steps, own, rtol=SPACING_TOLERANCE, atol=0):
        reasons.append(f"pixels of {steps[0]:.4g} x {steps[1]:.4g} mm instead of {own[0]:.4g} x {own[1]:.4g} mm")
    turned = np.abs(matrix[:3, :2] / steps - grid.matrix[:3, :2] / own).max()
    if turned > DIRECTION_TOLERANCE:
        reasons.append(f"its rows or columns run another way than those of {grid.name}")
    if reasons:
        return reasons, (0, 0)
    corners = np.array([[i, j, 0.0, 1.0] for i in (0, shape[1] - 1) for j in (0, shape[0] - 1)])
    # Slice thickness is arbitrary for planar scans: depth is compared in mm, not in slices.
    away = corners @ matrix.T @ np.linalg.inv(_flat(grid.matrix)).T - corners
    offset = np.rint(away[:, :2]).astype(int)
    apart = away[:, :2] - (offset[:1] if cropped else 0)
    if np.abs(apart).max() > PIXEL_TOLERANCE or np.abs(away[:, 2]).max() > DEPTH_TOLERANCE_MM:
        shift = (matrix - grid.matrix)[:3, 3]
        offsets = ", ".join(f"{value:.4g}" for value in shift)
        return [f"its first pixel lies (R, A, S) = ({offsets}) mm from that of {grid.name}"], (0, 0)
    return [], (int(offset[0, 1]), int(offset[0, 0])) if cropped else (0, 0)


def _flat(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix with a slice thickness of 1 mm normal to the image, whatever it states."""
    result = matrix.copy()
    across = np.cross(matrix[:3, 0], matrix[:3, 1])
    result[:3, 2] = across / np.linalg.norm(across)
    return result


def _full(pixels: NDArray[Any], offset: tuple[int, int], shape: tuple[int, int]) -> NDArray[Any]:
    """Return the label on the whole grid; pixels outside the field are dropped."""
    if offset == (0, 0) and pixels.shape == shape:
        return pixels
    whole = np.zeros(shape, pixels.dtype)
    low = [max(0, first) for first in offset]
    high = [min(size, first + count) for size, first, count in zip(shape, offset, pixels.shape, strict=True)]
    if low[0] < high[0] and low[1] < high[1]:
        whole[low[0] : high[0], low[1] : high[1]] = pixels[
            low[0] - offset[0] : high[0] - offset[0], low[1] - offset[1] : high[1] - offset[1]
        ]
    return whole


def on_frame_of(pixels: NDArray[Any], grid: Grid, scan: WholeBodyScan) -> NDArray[Any]:
    """Resample (rows, columns) pixels of a grid to the anterior whole-body frame."""
    own, frame = grid.own, scan.frame
    if same_grid(own, frame):
        return pixels
    if same_grid(mirror(own), frame):
        return np.ascontiguousarray(pixels[:, ::-1])
    return sample_on(pixels, own, frame, order=0)


def _picture_grid(file: Path, scan: WholeBodyScan) -> Grid | None:
    """Return the grid stated in a one-slice image file; its view is the one with identical counts."""
    from SpectBoneMetSegLib.loading.images import IMAGE_SUFFIXES

    from .slices import read_slices

    if not file.name.lower().endswith(IMAGE_SUFFIXES):
        return None
    try:
        slices, matrix, _ = read_slices(file)
    except UserError:
        return None
    if len(slices) != 1 or slices.ndim != 3:
        return None
    counts = slices[0].astype(np.float32)
    for name, view in scan.views.items():
        for across in (1, -1):
            if np.array_equal(view.counts, counts[:, ::across]):
                return Grid(f"the image {file.name}", counts.shape, matrix, name, view, across)
    return None
