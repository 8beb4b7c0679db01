"""Soft tissue around the atlas skeleton: outline, lungs and the organs that take up tracer, as points.

The atlas has bones only. Outline and organs are smooth shapes fitted manually to its bones (adult anatomy, sizes in
mm). They are the authors' own, not measured on a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .skeleton import SEGMENTS, Skeleton, load_skeleton

#: Names of the tissues, in the order of their index.
TISSUES = (
    *("soft tissue", "lung", "heart", "liver", "spleen", "right kidney", "left kidney", "bladder"),
    *("right breast", "left breast"),
)
#: Grid of the tissue points.
SPACING_MM = 5.0

# Cross-sections of trunk and neck: S, half width, A of the back, A of the front (mm, atlas frame).
TRUNK = np.array(
    [
        (-165, 150, -132, 5),
        (-130, 168, -172, 15),
        (-80, 180, -197, 22),
        (0, 166, -186, 32),
        (80, 150, -184, 36),
        (150, 145, -187, 36),
        (230, 152, -203, 28),
        (330, 158, -211, 10),
        (400, 168, -211, -14),
        (450, 178, -197, -28),
        (485, 135, -178, -34),
        (512, 72, -165, -34),
        (600, 58, -158, -38),
    ],
    float,
)
# Exponent of the superelliptic cross-sections.
TRUNK_EXPONENT = 2.6

# Share of the girth's change that soft tissue takes: S (mm), share (less in shoulders, arms and shanks than in belly
# and hips).
TRUNK_FAT = ((-165.0, 0.0, 230.0, 330.0, 450.0, 512.0), (0.6, 0.9, 1.0, 0.75, 0.35, 0.3))
LEG_FAT = ((-900.0, -450.0, -165.0), (0.25, 0.5, 0.6))
ARM_FAT = ((-80.0, 60.0, 300.0), (0.0, 0.3, 0.5))

# Thickness of soft tissue over the bones of a limb: S (mm), thickness (mm); arms hang, so S runs down the limb.
LEG = np.array(
    [(-1000, 8), (-900, 22), (-860, 28), (-700, 45), (-620, 42), (-500, 40), (-300, 58), (-120, 72), (0, 60)], float
)
ARM = np.array([(-80, 6), (20, 7), (60, 12), (110, 22), (180, 24), (300, 28), (420, 34), (470, 30)], float)
# Thickness of soft tissue over the closed surface of the skull.
HEAD_MM = 7.0

# Ellipsoids: centre (R, A, S) and half axes (mm).
ORGANS = {
    "heart": ((-22, -62, 305), (50, 45, 55)),
    "liver": ((55, -85, 240), (92, 72, 62)),
    "spleen": ((-95, -132, 262), (28, 36, 48)),
    "right kidney": ((64, -148, 182), (27, 22, 52)),
    "left kidney": ((-64, -148, 194), (27, 22, 52)),
    "bladder": ((0, -48, -72), (38, 34, 32)),
}

# Right breast of a supine person: R and S of the centre; half axes along R, in front of the chest, along S (mm).
BREAST = ((96.0, 335.0), (58.0, 36.0, 62.0))

# Inside of the rib cage: S, half width, A of the back, A of the front (mm); domes of the diaphragm: R, S of the top.
LUNG = np.array(
    [(190, 118, -180, -12), (290, 124, -182, -16), (380, 112, -182, -40), (440, 85, -170, -58), (492, 40, -140, -72)],
    float,
)
DOMES = ((66.0, 308.0), (-66.0, 294.0))
# Drop of a dome at its border.
DOME_DROP_MM = 105.0


@dataclass(frozen=True)
class Body:
    """Soft tissue in the neutral pose.

    Attributes:
        points: (n, 3) float32 RAS mm on a grid of `spacing`.
        tissue: (n,) uint8 index into TISSUES.
        segment: (n,) uint8 index into skeleton.SEGMENTS.
        spacing: edge of the cube that one point represents, mm.
    """

    points: NDArray[np.float32]
    tissue: NDArray[np.uint8]
    segment: NDArray[np.uint8]
    spacing: float = SPACING_MM


@lru_cache(maxsize=1)
def load_body() -> Body:
    """Fill the outline around the atlas skeleton with points, each with its tissue and body segment."""
    skeleton = load_skeleton()
    low = skeleton.points.min(0) - 40
    size = np.ceil((skeleton.points.max(0) + 60 - low) / SPACING_MM).astype(int)
    index = np.indices(tuple(size), dtype=np.float32).reshape(3, -1).T
    points = (index * SPACING_MM + low).astype(np.float32)
    segment = np.full(len(points), 255, np.uint8)
    trunk = _superellipse(points, TRUNK, TRUNK_EXPONENT) & (points[:, 2] > TRUNK[0, 0]) & (points[:, 2] < TRUNK[-1, 0])
    segment[trunk] = SEGMENTS.index("trunk")
    for name, limb in (("head", None), ("right leg", LEG), ("left leg", LEG), ("right arm", ARM), ("left arm", ARM)):
        distance = _distance_to_bones(skeleton, SEGMENTS.index(name), low, size)
        thickness = HEAD_MM if limb is None else np.interp(points[:, 2], limb[:, 0], limb[:, 1])
        segment[(distance <= thickness) & (segment == 255)] = SEGMENTS.index(name)
    inside = segment != 255
    points, segment = points[inside], segment[inside]
    tissue = _tissues(points, segment)
    for name, breast in zip(("right breast", "left breast"), _breasts(), strict=True):
        points = np.concatenate([points, breast])
        tissue = np.concatenate([tissue, np.full(len(breast), TISSUES.index(name), np.uint8)])
        segment = np.concatenate([segment, np.full(len(breast), SEGMENTS.index("trunk"), np.uint8)])
    return Body(points, tissue, segment)


@lru_cache(maxsize=1)
def fat_share() -> NDArray[np.float64]:
    """Return the share (n,) of the girth's change that each point takes; 0 for organs and the head."""
    body = load_body()
    share = np.zeros(len(body.points))
    fat = body.tissue == TISSUES.index("soft tissue")
    tables = {"trunk": TRUNK_FAT, "arm": ARM_FAT, "leg": LEG_FAT}
    for number, name in enumerate(SEGMENTS):
        if name != "head":
            index = np.flatnonzero(fat & (body.segment == number))
            share[index] = np.interp(body.points[index, 2], *tables[name.split()[-1]])
    return share


def chest_front(right: NDArray[np.floating], height: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return A (mm, atlas frame) of the front of the trunk at R and S, without breasts."""
    half_width, back, front = (np.interp(height, TRUNK[:, 0], TRUNK[:, i]) for i in (1, 2, 3))
    across = np.clip(np.abs(right) / half_width, 0, 0.99)
    surface: NDArray[np.float64] = (back + front) / 2 + (front - back) / 2 * (1 - across**TRUNK_EXPONENT) ** (
        1 / TRUNK_EXPONENT
    )
    return surface


def _breasts() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the points of right and left breast on the chest, as mirror images."""
    (right, height), (across, front, along) = BREAST
    steps = [np.arange(-size, size + SPACING_MM, SPACING_MM) for size in (across, along)]
    u, w, v = (
        axis.ravel()
        for axis in np.meshgrid(steps[0], np.arange(SPACING_MM / 2, front, SPACING_MM), steps[1], indexing="ij")
    )
    inside = (u / across) ** 2 + (w / front) ** 2 + (v / along) ** 2 <= 1
    u, w, v = u[inside] + right, w[inside], v[inside] + height
    points = np.stack([u, chest_front(u, v) + w, v], 1).astype(np.float32)
    return points, points * np.array([-1, 1, 1], np.float32)


def _superellipse(points: NDArray[np.float32], table: NDArray[np.float64], exponent: float) -> NDArray[np.bool_]:
    height = points[:, 2]
    half_width, back, front = (np.interp(height, table[:, 0], table[:, i]) for i in (1, 2, 3))
    across = np.abs(points[:, 0]) / half_width
    along = np.abs(points[:, 1] - (back + front) / 2) / ((front - back) / 2)
    return across**exponent + along**exponent <= 1


def _distance_to_bones(
    skeleton: Skeleton, segment: int, low: NDArray[np.float32], size: NDArray[np.int_]
) -> NDArray[np.float64]:
    from scipy import ndimage

    bones = np.zeros(tuple(size), bool)
    cells = np.round((skeleton.points[skeleton.segment == segment] - low) / SPACING_MM).astype(int)
    bones[tuple(cells.T)] = True
    if segment == SEGMENTS.index("head"):
        bones = ndimage.binary_closing(bones, iterations=6)
        bones = ndimage.binary_fill_holes(bones)
    return np.asarray(ndimage.distance_transform_edt(~bones, sampling=SPACING_MM).ravel())


def _tissues(points: NDArray[np.float32], segment: NDArray[np.uint8]) -> NDArray[np.uint8]:
    tissue = np.zeros(len(points), np.uint8)
    trunk = segment == SEGMENTS.index("trunk")
    right, front, height = points.T
    floor = np.full(len(points), np.inf)
    for middle, top in DOMES:
        spread = ((right - middle) / 60) ** 2 + ((front + 95) / 90) ** 2
        side = right > 0 if middle > 0 else right <= 0
        floor = np.where(side, top - DOME_DROP_MM * np.clip(spread, 0, 1.1), floor)
    mediastinum = (np.abs(right) < 26) & ((front < -70) | (front > -60)) | (np.abs(right) < 18)
    lung = trunk & _superellipse(points, LUNG, 2.3) & (height > floor) & (height < LUNG[-1, 0]) & ~mediastinum
    for name in ("liver", "spleen", "heart", "right kidney", "left kidney", "bladder"):
        centre, axes = ORGANS[name]
        inside = (((points - np.array(centre)) / np.array(axes)) ** 2).sum(1) <= 1
        # The heart displaces lung; liver and spleen stay under the diaphragm.
        if name == "heart":
            lung &= ~inside
        tissue[inside & trunk & ~(lung & (name != "heart"))] = TISSUES.index(name)
    tissue[lung] = TISSUES.index("lung")
    return tissue
