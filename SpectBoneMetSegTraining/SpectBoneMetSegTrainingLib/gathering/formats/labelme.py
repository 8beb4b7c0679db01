"""LabelMe's JSON: polygons drawn on a picture of one view.

A point (x, y) counts from the outer corner of the first pixel, as LabelMe draws it: pixel (row, column) is marked when
its centre (column + 0.5, row + 0.5) lies inside. The picture must show one view in the view's own pixels, the posterior
one as acquired, from behind; a LabelMe file knows no patient space, so its size and its name are all there is to check.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.grids import on_frame_of, view_grid
from ..labels.marks import IGNORE_NAME, Mark

__all__ = ["is_labelme", "read_labelme"]


def is_labelme(path: Path) -> bool:
    """Whether a JSON file is one of LabelMe's."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(value, dict) and isinstance(value.get("shapes"), list) and "imageHeight" in value


def read_labelme(
    path: Path, scan: WholeBodyScan, said: ViewName | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """The marks of a LabelMe file, and the view that it covers.

    Args:
        path: the file. scan: the scan whose picture was annotated. said: the view that its name speaks of.

    Raises:
        UserError: damaged, another picture's size, no view named on a scan with two, or a shape without an area.
    """
    content = _load(path)
    views = scan.views
    view = said or (next(iter(views)) if len(views) == 1 else None)
    if view is None:
        raise UserError(
            f"{path.name} does not say on which view it was drawn; let its name end in _anterior or _posterior."
        )
    if view not in views:
        raise UserError(f"{path.name} was drawn on the {view} view, which the scan {scan.case} does not have.")
    rows, columns = views[view].shape
    stated = (content.get("imageHeight"), content.get("imageWidth"))
    if stated != (rows, columns):
        raise UserError(
            f"{path.name} was drawn on a picture of {stated[1]} x {stated[0]} pixels, the {view} view of {scan.case} "
            f"has {columns} x {rows}; annotate a picture of that view alone, pixel by pixel."
        )
    grid = view_grid(views[view], view)
    marks = []
    for shape in content["shapes"]:
        mask = _filled(shape, (rows, columns), path.name)
        name = str(shape.get("label", ""))
        if mask.any():
            marks.append(Mark(name, on_frame_of(mask, grid, scan), view, name.strip().lower() == IGNORE_NAME))
    return marks, frozenset([view])


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name} is damaged or no LabelMe file; save it again.") from error
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise UserError(f"{path.name} is no LabelMe file; save the annotation from LabelMe.")
    return content


def _filled(shape: Any, size: tuple[int, int], name: str) -> NDArray[np.bool_]:
    from skimage.draw import disk, polygon2mask

    try:
        kind = str(shape.get("shape_type") or "polygon")
        points = np.asarray(shape["points"], float).reshape(-1, 2)
        finite = bool(np.isfinite(points).all())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{name} has a damaged shape; save the annotation from LabelMe again.") from error
    # (x, y) from the corner of the first pixel as (row, column) from its centre.
    corners = points[:, ::-1] - 0.5
    if finite and kind == "polygon" and len(corners) > 2:
        return np.asarray(polygon2mask(size, corners), bool)
    if finite and kind == "rectangle" and len(corners) == 2:
        (top, left), (bottom, right) = corners.min(0), corners.max(0)
        box = np.array([(top, left), (top, right), (bottom, right), (bottom, left)])
        return np.asarray(polygon2mask(size, box), bool)
    if finite and kind == "circle" and len(corners) == 2:
        mask = np.zeros(size, bool)
        mask[disk(corners[0], float(np.linalg.norm(corners[1] - corners[0])), shape=size)] = True
        return mask
    raise UserError(
        f"{name} has a {kind} of {len(points)} points, which marks no area; draw polygons, boxes or circles."
    )
