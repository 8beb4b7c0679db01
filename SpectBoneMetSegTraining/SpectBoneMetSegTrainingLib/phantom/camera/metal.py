"""Metal on or just under the anterior skin, which attenuates the anterior view only.

Photons to the posterior detector do not cross it. Transmission at 140 keV: a few millimetres of titanium, copper or
steel transmit 20-80 %.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..person.skeleton import load_skeleton
from .acquisition import Metal
from .optics import blur_sigma

if TYPE_CHECKING:
    from ..person.anatomy import Person
    from .acquisition import Camera

Image = NDArray[np.float32]
#: Share of scans with metal.
METAL_SHARE = 0.06
#: Subpixels per pixel edge, for the edges of pieces.
_FINE = 4
#: Returns the mean position (R, S mm) of the named bones.
Locate = Callable[..., NDArray[np.float64]]


def draw_metal(person: Person, rng: np.random.Generator) -> tuple[Metal, ...]:
    """Draw the pieces of metal: mostly none, otherwise one kind of object that patients carry or wear."""
    if rng.random() >= METAL_SHARE:
        return ()
    kinds, share = list(_KINDS), [share for share, _ in _KINDS.values()]
    kind = kinds[int(rng.choice(len(kinds), p=share))]
    return tuple(_KINDS[kind][1](_bone_centres(person), rng))


def attenuate_by_metal(image: Image, camera: Camera, view: str) -> Image:
    """Attenuate a view's expected image (rows, columns), or a lesion's share of it, by the metal."""
    if view != "anterior" or not camera.metal:
        return image
    shadowed = image.copy()
    for piece in camera.metal:
        part, passed = _passed(piece, camera)
        shadowed[part] *= passed
    return shadowed


def _passed(piece: Metal, camera: Camera) -> tuple[tuple[slice, slice], Image]:
    """Return the part of the field that a piece attenuates, and the transmitted share (rows, columns) there."""
    from scipy import ndimage

    # The piece is on the skin, so its edge has the collimator's resolution at the gap.
    sigma = blur_sigma(camera.gap[0], camera)
    middle = (
        (camera.top - piece.centre[1]) / camera.spacing - 0.5,
        (camera.centre - piece.centre[0]) / camera.spacing + camera.shape[1] / 2 - 0.5,
    )
    reach = int(np.ceil(max(piece.half_axes) / camera.spacing + 4 * sigma)) + 1
    first = [round(value) - reach for value in middle]
    fine = (np.arange((2 * reach + 1) * _FINE) + 0.5) / _FINE - 0.5
    down = ((fine + first[0] - middle[0]) * camera.spacing)[:, None]
    across = ((fine + first[1] - middle[1]) * camera.spacing)[None]
    # Columns run towards the patient's left and rows towards the feet: (R, S) is (-across, -down).
    angle = np.deg2rad(piece.angle)
    along, transverse = -np.cos(angle) * across - np.sin(angle) * down, np.sin(angle) * across - np.cos(angle) * down
    covered = (along / piece.half_axes[0]) ** 2 + (transverse / piece.half_axes[1]) ** 2 <= 1
    share = covered.reshape(2 * reach + 1, _FINE, 2 * reach + 1, _FINE).mean((1, 3))
    passed = 1 - (1 - piece.transmission) * ndimage.gaussian_filter(share, sigma, mode="constant")
    low = [min(max(start, 0), limit) for start, limit in zip(first, camera.shape, strict=True)]
    high = [min(max(start + 2 * reach + 1, 0), limit) for start, limit in zip(first, camera.shape, strict=True)]
    inside = tuple(slice(a - start, b - start) for a, b, start in zip(low, high, first, strict=True))
    return (slice(low[0], high[0]), slice(low[1], high[1])), passed[inside].astype(np.float32)


def _bone_centres(person: Person) -> Locate:
    """Return a function from bone names to the mean position (R, S mm) of these bones in the person's posture."""
    skeleton = load_skeleton()

    def bone_centre(*names: str) -> NDArray[np.float64]:
        return person.bones[skeleton.of(*names)][:, (0, 2)].mean(0, dtype=np.float64)

    return bone_centre


def _piece(
    kind: str, centre: NDArray[np.float64], axes: tuple[float, float], angle: float, transmission: float
) -> Metal:
    right, up = (round(float(value), 1) for value in centre)
    return Metal(kind, (right, up), (round(axes[0], 1), round(axes[1], 1)), round(angle, 1), round(transmission, 3))


def _implant(kind: str, bone_centre: Locate, rng: np.random.Generator, left: float, size: float) -> tuple[str, Metal]:
    side = "left" if rng.random() < left else "right"
    # Under the skin below the clavicle.
    centre = bone_centre(f"{side} clavicle") + rng.normal(0, 10, 2) + (-8 if side == "left" else 8, -45)
    axes = (size * float(rng.uniform(0.9, 1.15)), size * float(rng.uniform(0.75, 1.0)))
    transmission = float(rng.uniform(0.2, 0.4) if kind == "pacemaker" else rng.uniform(0.4, 0.7))
    return side, _piece(kind, centre, axes, float(rng.uniform(0, 180)), transmission)


def _pacemaker(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    return [_implant("pacemaker", bone_centre, rng, 0.8, 24.0)[1]]


def _port(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    return [_implant("port", bone_centre, rng, 0.3, 14.0)[1]]


def _buckle(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    centre = bone_centre("L5") + rng.normal(0, (12, 20))
    axes = (float(rng.uniform(20, 35)), float(rng.uniform(14, 22)))
    return [_piece("belt buckle", centre, axes, float(rng.normal(0, 5)), float(rng.uniform(0.2, 0.5)))]


def _coins(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    side = "right" if rng.random() < 0.6 else "left"
    hip, knee = bone_centre(f"{side} femur"), bone_centre(f"{side} patella")
    pocket = hip + (hip - knee) * float(rng.uniform(0.25, 0.7)) + ((30 if side == "right" else -30), 0)
    return [
        _piece("coin", pocket + rng.normal(0, 15, 2), (radius, radius), 0.0, float(rng.uniform(0.3, 0.7)))
        for radius in rng.uniform(9, 13, int(rng.integers(1, 5))).tolist()
    ]


def _necklace(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    low = bone_centre("sternum") + np.array([rng.normal(0, 10), rng.uniform(-20, 50)])
    ends = [bone_centre(f"{side} clavicle") * (0.6, 1) + (0, 25) for side in ("right", "left")]
    links = [
        _piece("necklace", low + (end - low) * t, (5.0, 2.0), 60.0 if end[0] > low[0] else 120.0, 0.75)
        for end in ends
        for t in np.linspace(0.1, 1, 14)
    ]
    radius = float(rng.uniform(8, 14))
    return [_piece("medallion", low, (radius, radius * 0.9), 90.0, float(rng.uniform(0.35, 0.7))), *links]


def _electrodes(bone_centre: Locate, rng: np.random.Generator) -> list[Metal]:
    spots = [bone_centre(f"{side} rib {rib}") for rib in (2, 8) for side in ("right", "left")]
    kept = rng.permutation(4)[: int(rng.integers(3, 5))]
    return [
        _piece("electrode", spots[i] + rng.normal(0, 12, 2), (6.0, 6.0), 0.0, float(rng.uniform(0.45, 0.7)))
        for i in kept.tolist()
    ]


_KINDS: dict[str, tuple[float, Callable[[Locate, np.random.Generator], list[Metal]]]] = {
    "pacemaker": (0.3, _pacemaker),
    "port": (0.25, _port),
    "belt buckle": (0.12, _buckle),
    "coins": (0.13, _coins),
    "necklace": (0.12, _necklace),
    "electrodes": (0.08, _electrodes),
}
