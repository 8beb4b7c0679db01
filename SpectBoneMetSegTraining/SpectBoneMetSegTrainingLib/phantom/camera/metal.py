"""Metal on or just under the skin in front, which shadows the anterior view and no other.

Photons on their way to the detector behind do not cross it. Transmissions at 140 keV: some millimetres of titanium,
copper or steel let 20-80 % through.
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
METAL_SHARE = 0.06
_FINE = 4
BoneCentre = Callable[..., NDArray[np.float64]]


def draw_metal(person: Person, rng: np.random.Generator) -> tuple[Metal, ...]:
    """Mostly none; else one kind of thing that patients carry or forget to take off."""
    if rng.random() >= METAL_SHARE:
        return ()
    kinds, share = list(_KINDS), [share for share, _ in _KINDS.values()]
    kind = kinds[int(rng.choice(len(kinds), p=share))]
    return tuple(_KINDS[kind][1](_place_of(person), rng))


def attenuate_by_metal(image: Image, camera: Camera, view: str) -> Image:
    """A view's expected image (rows, columns), or a lesion's share of it, behind the metal."""
    if view != "anterior" or not camera.metal:
        return image
    shadowed = image.copy()
    for piece in camera.metal:
        part, passed = _passed(piece, camera)
        shadowed[part] *= passed
    return shadowed


def _passed(piece: Metal, camera: Camera) -> tuple[tuple[slice, slice], Image]:
    """The part of the field that a piece shadows and the share (rows, columns) that passes there."""
    from scipy import ndimage

    # It lies on the skin, so its edge is as sharp as the collimator is at the gap.
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
    # Columns run towards the patient's left and rows to the feet: along the axis is (-across, -down) in (R, S).
    angle = np.deg2rad(piece.angle)
    along, beside = -np.cos(angle) * across - np.sin(angle) * down, np.sin(angle) * across - np.cos(angle) * down
    covered = (along / piece.half_axes[0]) ** 2 + (beside / piece.half_axes[1]) ** 2 <= 1
    share = covered.reshape(2 * reach + 1, _FINE, 2 * reach + 1, _FINE).mean((1, 3))
    passed = 1 - (1 - piece.transmission) * ndimage.gaussian_filter(share, sigma, mode="constant")
    low = [min(max(place, 0), limit) for place, limit in zip(first, camera.shape, strict=True)]
    high = [min(max(place + 2 * reach + 1, 0), limit) for place, limit in zip(first, camera.shape, strict=True)]
    inside = tuple(slice(a - place, b - place) for a, b, place in zip(low, high, first, strict=True))
    return (slice(low[0], high[0]), slice(low[1], high[1])), passed[inside].astype(np.float32)


def _place_of(person: Person) -> BoneCentre:
    """A function from bone names to the middle (R, S mm) of these bones as the person lies."""
    skeleton = load_skeleton()

    def place(*names: str) -> NDArray[np.float64]:
        return person.bones[skeleton.of(*names)][:, (0, 2)].mean(0, dtype=np.float64)

    return place


def _piece(
    kind: str, centre: NDArray[np.float64], axes: tuple[float, float], angle: float, transmission: float
) -> Metal:
    right, up = (round(float(value), 1) for value in centre)
    return Metal(kind, (right, up), (round(axes[0], 1), round(axes[1], 1)), round(angle, 1), round(transmission, 3))


def _implant(kind: str, place: BoneCentre, rng: np.random.Generator, left: float, size: float) -> tuple[str, Metal]:
    side = "left" if rng.random() < left else "right"
    # Under the skin below the clavicle.
    centre = place(f"{side} clavicle") + rng.normal(0, 10, 2) + (-8 if side == "left" else 8, -45)
    axes = (size * float(rng.uniform(0.9, 1.15)), size * float(rng.uniform(0.75, 1.0)))
    transmission = float(rng.uniform(0.2, 0.4) if kind == "pacemaker" else rng.uniform(0.4, 0.7))
    return side, _piece(kind, centre, axes, float(rng.uniform(0, 180)), transmission)


def _pacemaker(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    return [_implant("pacemaker", place, rng, 0.8, 24.0)[1]]


def _port(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    return [_implant("port", place, rng, 0.3, 14.0)[1]]


def _buckle(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    centre = place("L5") + rng.normal(0, (12, 20))
    axes = (float(rng.uniform(20, 35)), float(rng.uniform(14, 22)))
    return [_piece("belt buckle", centre, axes, float(rng.normal(0, 5)), float(rng.uniform(0.2, 0.5)))]


def _coins(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    side = "right" if rng.random() < 0.6 else "left"
    hip, knee = place(f"{side} femur"), place(f"{side} patella")
    pocket = hip + (hip - knee) * float(rng.uniform(0.25, 0.7)) + ((30 if side == "right" else -30), 0)
    return [
        _piece("coin", pocket + rng.normal(0, 15, 2), (radius, radius), 0.0, float(rng.uniform(0.3, 0.7)))
        for radius in rng.uniform(9, 13, int(rng.integers(1, 5))).tolist()
    ]


def _necklace(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    low = place("sternum") + np.array([rng.normal(0, 10), rng.uniform(-20, 50)])
    ends = [place(f"{side} clavicle") * (0.6, 1) + (0, 25) for side in ("right", "left")]
    links = [
        _piece("necklace", low + (end - low) * t, (5.0, 2.0), 60.0 if end[0] > low[0] else 120.0, 0.75)
        for end in ends
        for t in np.linspace(0.1, 1, 14)
    ]
    radius = float(rng.uniform(8, 14))
    return [_piece("medallion", low, (radius, radius * 0.9), 90.0, float(rng.uniform(0.35, 0.7))), *links]


def _electrodes(place: BoneCentre, rng: np.random.Generator) -> list[Metal]:
    spots = [place(f"{side} rib {rib}") for rib in (2, 8) for side in ("right", "left")]
    kept = rng.permutation(4)[: int(rng.integers(3, 5))]
    return [
        _piece("electrode", spots[i] + rng.normal(0, 12, 2), (6.0, 6.0), 0.0, float(rng.uniform(0.45, 0.7)))
        for i in kept.tolist()
    ]


_KINDS: dict[str, tuple[float, Callable[[BoneCentre, np.random.Generator], list[Metal]]]] = {
    "pacemaker": (0.3, _pacemaker),
    "port": (0.25, _port),
    "belt buckle": (0.12, _buckle),
    "coins": (0.13, _coins),
    "necklace": (0.12, _necklace),
    "electrodes": (0.08, _electrodes),
}
