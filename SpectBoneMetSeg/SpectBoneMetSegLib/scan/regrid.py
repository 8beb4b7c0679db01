"""Resample counts and maps between pixel grids through patient space."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .planar import REFERENCE_SPACING_MM, SPACING_TOLERANCE, PlanarView, ViewName, ijk_to_ras

__all__ = ["regrid", "sample_on"]

#: Pixels whose centres lie closer than this (in pixels) count as the same pixel, as in `planar.same_grid`.
_ALIGNED = 0.01


def regrid(
    view: PlanarView,
    spacing: tuple[float, float] = (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM),
    shape: tuple[int, int] | None = None,
) -> PlanarView:
    """Rebin the counts of a view to another pixel size by area-weighted overlap.

    The counts of an input pixel are spread evenly over its area and summed in the output pixels. Overlaps of rows and
    of columns are independent, so the result is R @ counts @ C.T. Counts are preserved where the output field covers
    the input field. The centre of the field keeps its position in the patient.

    Args:
        view: (rows, columns) counts.
        spacing: (row, column) mm of the result. If it is within SPACING_TOLERANCE of the view's own, that is kept.
        shape: (rows, columns) of the result; by default the smallest field that covers the input.

    Returns:
        The same object if neither size nor spacing changes, otherwise a new view of the same name.

    Raises:
        ValueError: spacing or shape is not positive.
    """
    if min(spacing) <= 0 or (shape is not None and min(shape) < 1):
        raise ValueError(f"a grid needs a positive spacing and shape, not {spacing} and {shape}")
    if np.allclose(spacing, view.spacing, rtol=SPACING_TOLERANCE, atol=0):
        if shape is None or shape == view.shape:
            return view
        spacing = view.spacing
    extent = [count * step for count, step in zip(view.shape, view.spacing, strict=True)]
    # The small tolerance prevents an empty row due to rounding (1024 * 2.26 / 1.13).
    size = shape or tuple(max(1, math.ceil(mm / step - 1e-6)) for mm, step in zip(extent, spacing, strict=True))
    rows = _overlap(view.shape[0], view.spacing[0], size[0], spacing[0])
    columns = _overlap(view.shape[1], view.spacing[1], size[1], spacing[1])
    counts = (columns @ (rows @ view.counts.astype(np.float64)).T).T
    return PlanarView(counts.astype(np.float32), spacing, view.name, _origin(view, (size[0], size[1]), spacing))


def sample_on(image: NDArray[Any], from_view: PlanarView, onto_view: PlanarView, order: int = 1) -> NDArray[Any]:
    """Sample an image at the pixel centres of another view's grid, by position in the patient.

    Values are sampled, not summed: use it for masks (order=0), probabilities and contrasts, not to rebin counts. Where
    pixel centres coincide (a mirrored view, a crop), values are copied without interpolation.

    Args:
        image: (rows, columns) on the grid of `from_view`.
        from_view: the source grid; its counts are not used.
        onto_view: the target grid. Sides may differ.
        order: spline order as in scipy.ndimage.map_coordinates; 0 is nearest and keeps the type of `image`.

    Returns:
        (rows, columns) on the grid of `onto_view`; zero outside the image. float32 unless order is 0 or values were
        copied, which keep the type of `image`.

    Raises:
        ValueError: the image does not have the shape of `from_view`.
    """
    if image.shape != from_view.shape:
        raise ValueError(f"an image of shape {image.shape} does not lie on a grid of {from_view.shape}")
    rows, columns = _positions(from_view, onto_view)
    if _whole(rows) and _whole(columns):
        return _copied(image, np.rint(rows).astype(int), np.rint(columns).astype(int))
    if order == 0:
        return _copied(image, np.floor(rows + 0.5).astype(int), np.floor(columns + 0.5).astype(int))
    if order == 1:
        return _interpolated(image, rows, columns)
    from scipy.ndimage import map_coordinates

    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.asarray(map_coordinates(image.astype(np.float32), grid, order=order, mode="grid-constant", cval=0.0))


# Both views and their sum lie on one grid: the shares are the same for all three.
@lru_cache(maxsize=8)
def _overlap(n_in: int, step_in: float, n_out: int, step_out: float) -> Any:
    """Return the sparse (n_out, n_in) share of each input cell in each output cell; both fields are centred on 0."""
    from scipy.sparse import csr_array

    edges_in = (np.arange(n_in + 1) - n_in / 2) * step_in
    edges_out = (np.arange(n_out + 1) - n_out / 2) * step_out
    cells = np.arange(n_in)
    first = np.searchsorted(edges_out, edges_in[:-1], side="right") - 1
    # An input cell overlaps the output cell in which it starts and at most ceil(step_in / step_out) more.
    targets = np.clip(first[:, None] + np.arange(math.ceil(step_in / step_out) + 1), 0, n_out - 1)
    upper = np.minimum(edges_out[targets + 1], edges_in[1:, None])
    lower = np.maximum(edges_out[targets], edges_in[:-1, None])
    share = np.clip(upper - lower, 0, None) / step_in
    # Beyond the edge, clipping repeats the last cell.
    share[:, 1:][targets[:, 1:] == targets[:, :-1]] = 0
    covered = (edges_in[:-1] >= edges_out[0] - 1e-6 * step_in) & (edges_in[1:] <= edges_out[-1] + 1e-6 * step_in)
    # Shares of a fully covered cell sum to 1 except for rounding at the edge; normalising makes that exact.
    share[covered] /= share[covered].sum(axis=1, keepdims=True)
    inside = share > 0
    target, source = targets[inside], np.broadcast_to(cells[:, None], targets.shape)[inside]
    return csr_array((share[inside], (target, source)), shape=(n_out, n_in))


def _steps(name: ViewName, spacing: tuple[float, float]) -> tuple[float, float]:
    """Return (dS per row, dR per column) in mm."""
    matrix = ijk_to_ras(name, spacing, (0.0, 0.0, 0.0))
    return float(matrix[2, 1]), float(matrix[0, 0])


def _origin(view: PlanarView, shape: tuple[int, int], spacing: tuple[float, float]) -> tuple[float, float, float]:
    """Return RAS mm of pixel (0, 0) of a grid centred on the same point as the view."""
    assert view.origin is not None
    old, new = _steps(view.name, view.spacing), _steps(view.name, spacing)
    superior = view.origin[2] + old[0] * (view.shape[0] - 1) / 2 - new[0] * (shape[0] - 1) / 2
    right = view.origin[0] + old[1] * (view.shape[1] - 1) / 2 - new[1] * (shape[1] - 1) / 2
    return (right, view.origin[1], superior)


def _positions(from_view: PlanarView, onto_view: PlanarView) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractional row and column of `from_view` at each row and each column of `onto_view`."""
    assert from_view.origin is not None
    assert onto_view.origin is not None
    source, target = _steps(from_view.name, from_view.spacing), _steps(onto_view.name, onto_view.spacing)
    rows = (onto_view.origin[2] + target[0] * np.arange(onto_view.shape[0]) - from_view.origin[2]) / source[0]
    columns = (onto_view.origin[0] + target[1] * np.arange(onto_view.shape[1]) - from_view.origin[0]) / source[1]
    return np.asarray(rows, dtype=np.float64), np.asarray(columns, dtype=np.float64)


def _whole(positions: NDArray[np.float64]) -> bool:
    return bool(np.all(np.abs(positions - np.rint(positions)) <= _ALIGNED))


def _copied(image: NDArray[Any], rows: NDArray[np.int_], columns: NDArray[np.int_]) -> NDArray[Any]:
    """Return pixels by index, zero where the index lies outside."""
    in_rows = (rows >= 0) & (rows < image.shape[0])
    in_columns = (columns >= 0) & (columns < image.shape[1])
    result = np.zeros((rows.size, columns.size), dtype=image.dtype)
    result[np.ix_(in_rows, in_columns)] = image[np.ix_(rows[in_rows], columns[in_columns])]
    return result


def _interpolated(image: NDArray[Any], rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate linearly at every pair of a row and a column; the image is zero outside.

    Computed only around non-zero pixels: the maps of a thorax are zero over most of a whole body.
    """
    result = np.zeros((rows.size, columns.size), np.float32)
    hit = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    if not hit[0].size:
        return result
    near = [
        (positions > found[0] - 1) & (positions < found[-1] + 1)
        for positions, found in zip((rows, columns), hit, strict=True)
    ]
    # A border of one zero pixel represents the outside.
    padded = np.pad(image.astype(np.float64), 1)
    top, left = np.floor(rows[near[0]]).astype(int), np.floor(columns[near[1]]).astype(int)
    down, across = (rows[near[0]] - top)[:, None], columns[near[1]] - left
    lines = padded[top + 1] * (1 - down) + padded[top + 2] * down
    result[np.ix_(*near)] = lines[:, left + 1] * (1 - across) + lines[:, left + 2] * across
    return result
