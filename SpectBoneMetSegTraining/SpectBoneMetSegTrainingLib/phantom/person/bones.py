"""Variation of single bones, so that no two skeletons are alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .rig import PARTS, Points, Rig, load_rig
from .skeleton import load_skeleton

if TYPE_CHECKING:
    from .shape import BodyShape


#: Largest change of a rib's slope (mm along S per mm along A) and of its width about its head (relative).
RIB_SLOPE, RIB_WIDTH = 0.09, 0.07


def vary_bones(points: Points, shape: BodyShape) -> Points:
    """Return all bone points of the atlas (n, 3; RAS mm) with this person's shape of each bone."""
    rig = load_rig()
    moved = scale_bones(points, load_skeleton().bone, shape)
    controls = np.concatenate([_rib_shift(rig.ends, np.arange(len(rig.ends)), shape), _edge_shift(rig, shape)])
    moved[rig.cartilage] = points[rig.cartilage] + (rig.pull @ controls).astype(np.float32)
    return moved


def scale_bones(points: Points, bone: NDArray[np.uint8], shape: BodyShape) -> Points:
    """Scale every bone about its anchor, and tilt and widen every rib about its head; cartilage stays.

    Args:
        points: (n, 3) RAS mm, atlas frame.
        bone: (n,) bone index.
        shape: the person's body shape.
    """
    rig = load_rig()
    change = _part_change(shape).astype(np.float32)
    moved = points + (points - rig.anchor.astype(np.float32)[bone]) * change[bone]
    row = np.full(len(rig.part), -1)
    row[rig.ribs] = np.arange(len(rig.ribs))
    index = np.flatnonzero(row[bone] >= 0)
    moved[index] = points[index] + _rib_shift(points[index], row[bone[index]], shape)
    return moved


def bone_growth(shape: BodyShape) -> NDArray[np.float64]:
    """Return the factor by which `vary_bones` changes the volume of each bone (names,)."""
    growth: NDArray[np.float64] = np.prod(1 + _part_change(shape), axis=1)
    growth[load_rig().ribs] = 1 + RIB_WIDTH * shape.ribs[:, 1]
    return growth


def _part_change(shape: BodyShape) -> NDArray[np.float64]:
    rig = load_rig()
    reach = np.array([part.reach for part in PARTS])
    return np.where(rig.part[:, None] >= 0, (shape.parts * reach)[rig.part], 0.0)


def _rib_shift(points: NDArray[np.floating], row: NDArray[np.int64], shape: BodyShape) -> NDArray[np.floating]:
    offset = points - load_rig().heads[row]
    slope, width = (shape.ribs * (RIB_SLOPE, RIB_WIDTH))[row].T
    return np.stack([width * offset[:, 0], np.zeros(len(row)), slope * offset[:, 1]], 1).astype(points.dtype)


def _edge_shift(rig: Rig, shape: BodyShape) -> NDArray[np.float64]:
    sternum = load_skeleton().names.index("sternum")
    shift: NDArray[np.float64] = (rig.edge - rig.anchor[sternum]) * _part_change(shape)[sternum]
    return shift
