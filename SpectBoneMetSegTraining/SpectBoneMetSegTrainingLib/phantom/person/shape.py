"""The body shape of a patient: sex, size, weight, missing parts, and differences of the bones from the atlas.

Statures and weights follow ANSUR II (2012, anthropometric survey of U.S. Army personnel: women 1.63 +- 0.064 m and
67.8 +- 11 kg, men 1.756 +- 0.069 m and 85.5 +- 14 kg), widened because patients are older and heavier.

The non-rigid part of a body is drawn from one of two disjoint ranges, so that a network can be tested on shapes that no
training patient has:

========================  ==============================  ==================================
parameter                 usual                           held out
========================  ==============================  ==================================
wavelength of `waves`     90-150 or 220-420 mm            150-220 mm (open at both ends)
`parts`, `ribs`,          -0.7 .. 0.7                     magnitude 0.8 .. 1.0
`proportions`
apex of the kyphosis      S = 340-400 mm (T5-T8)          S = 240-310 mm (T9-T12)
scoliosis                 signs do not alternate          signs alternate (S-shaped, three bends)
========================  ==============================  ==================================

Sex, stature, weight, widths, missing parts and organs have the same distribution in both ranges.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .rig import CROWN_MM, HIP, PARTS, SOLE_MM, spine_length
from .skeleton import RIBS, SEGMENTS, load_skeleton
from .soft_tissue import TISSUES, fat_share, load_body

Sex = Literal["female", "male"]

#: Stature of the atlas, m.
ATLAS_M = 1.70
#: Mean, sigma and limits of the stature, m.
STATURE_M: dict[Sex, tuple[float, float, float, float]] = {
    "female": (1.63, 0.070, 1.42, 1.85),
    "male": (1.756, 0.075, 1.52, 1.98),
}
#: Median weight (kg) at mean stature, sigma of its logarithm, and limits (kg).
WEIGHT_KG: dict[Sex, tuple[float, float, float, float]] = {
    "female": (70.0, 0.19, 40.0, 135.0),
    "male": (85.0, 0.18, 48.0, 160.0),
}
#: Limits of the girth, factor on the atlas' soft tissue.
GIRTH = (0.84, 1.55)
#: Mean and sigma of the width of hips and shoulders, factor on the atlas.
HIPS: dict[Sex, tuple[float, float]] = {"female": (1.035, 0.025), "male": (0.975, 0.025)}
SHOULDERS: dict[Sex, tuple[float, float]] = {"female": (0.965, 0.022), "male": (1.03, 0.022)}

#: Wavelengths (mm) of the usual and of the held-out shapes.
USUAL_WAVES_MM = ((90.0, 150.0), (220.0, 420.0))
HELD_OUT_WAVES_MM = (150.0, 220.0)
#: Largest magnitude of a usual draw; range of magnitudes of a held-out draw.
USUAL_DRAW, HELD_OUT_DRAW = 0.7, (0.8, 1.0)
#: S (mm, atlas) of the apex of the kyphosis.
USUAL_APEX_MM, HELD_OUT_APEX_MM = (340.0, 400.0), (240.0, 310.0)

#: Values that `BodyShape.missing` may hold.
MISSING = tuple(
    f"{side} {part}"
    for side in ("right", "left")
    for part in ("breast", "kidney", "arm", "leg below knee", "leg above knee")
)


def _zeros(rows: int, columns: int) -> NDArray[np.float64]:
    return np.zeros((rows, columns))


@dataclass(frozen=True, eq=False)
class BodyShape:
    """The shape of a person's body: drawn once per patient and kept for follow-ups.

    Attributes:
        stature: factor on the atlas (1.70 m tall); exact for a straight spine, whatever the proportions are.
        trunk_width: factor on the width of the atlas; limbs take half of the change.
        trunk_depth: factor on the depth of the atlas; limbs take half of the change.
        leg_length: factor on the atlas.
        arm_length: factor on the atlas.
        girth: factor on the soft tissue around the bones (0.84 lean .. 1.55 obese).
        scoliosis: shift along R (mm) of the spine at three heights.
        waves: (n, 7) smooth non-rigid displacement: amplitude R, A, S (mm), wave vector R, A, S (1/mm), phase.
        bladder: factor on the half axes of the bladder.
        sex: "female" or "male".
        age: years; the kyphosis increases with it.
        hips: factor on the width of the trunk at the hips.
        shoulders: factor on the width of the trunk at the shoulders.
        kyphosis: forward shift of the head (mm) and S of the apex (mm, atlas).
        proportions: lumbar spine, thorax, thigh, upper arm: -1 .. 1 of rig.PROPORTIONS.
        parts: (len(rig.PARTS), 3) scaling of each bone along R, A, S: -1 .. 1 of the part's range.
        ribs: (24, 2) slope and width of each of skeleton.RIBS: -1 .. 1 of bones.RIB_SLOPE and bones.RIB_WIDTH.
        breast: factor on the half axes of the breasts; men have none.
        missing: missing parts, out of MISSING.
        prosthesis: replaced joints, out of "right hip" and "left hip".
    """

    stature: float
    trunk_width: float
    trunk_depth: float
    leg_length: float
    arm_length: float
    girth: float
    scoliosis: tuple[float, float, float]
    waves: NDArray[np.float64]
    bladder: float = 1.0
    sex: Sex = "male"
    age: float = 65.0
    hips: float = 1.0
    shoulders: float = 1.0
    kyphosis: tuple[float, float] = (0.0, 370.0)
    proportions: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    parts: NDArray[np.float64] = field(default_factory=lambda: _zeros(len(PARTS), 3))
    ribs: NDArray[np.float64] = field(default_factory=lambda: _zeros(len(RIBS), 2))
    breast: float = 1.0
    missing: tuple[str, ...] = ()
    prosthesis: tuple[str, ...] = ()


def draw_shape(rng: np.random.Generator, *, held_out: bool = False) -> BodyShape:
    """Draw the body shape of a patient.

    Args:
        rng: source of the draws.
        held_out: whether to draw the non-rigid part from the range held out for testing (see the module's table).
    """
    sex: Sex = "female" if rng.random() < 0.45 else "male"
    middle, spread, low, high = STATURE_M[sex]
    stature = float(np.clip(rng.normal(middle, spread), low, high))
    age = float(np.clip(rng.normal(66, 12), 25, 92))
    width, depth = (float(np.clip(rng.normal(mean, sigma), 0.9, 1.2)) for mean, sigma in ((1.06, 0.045), (0.99, 0.055)))
    frame = BodyShape(
        stature=stature / ATLAS_M,
        trunk_width=width,
        trunk_depth=depth,
        leg_length=float(rng.normal(1.0, 0.025)),
        arm_length=float(rng.normal(1.0, 0.025)),
        girth=1.0,
        scoliosis=_scoliosis(rng, held_out=held_out),
        waves=_waves(rng, held_out=held_out),
        bladder=float(np.clip(rng.lognormal(-0.05, 0.25), 0.5, 1.7)),
        sex=sex,
        age=age,
        hips=float(rng.normal(*HIPS[sex])),
        shoulders=float(rng.normal(*SHOULDERS[sex])),
        kyphosis=_kyphosis(rng, age, held_out=held_out),
        proportions=tuple(_in_range(rng.uniform(-1, 1, 4), held_out=held_out).tolist()),
        parts=_draw_parts(rng, held_out=held_out),
        ribs=_draw_ribs(rng, held_out=held_out),
        missing=_draw_missing(rng, sex),
        prosthesis=_draw_prosthesis(rng, age),
    )
    girth = _draw_girth(frame, rng)
    breast = float(np.clip(girth**1.2 * rng.lognormal(0.0, 0.18), 0.6, 1.6))
    return replace(frame, girth=girth, breast=breast)


def height_m(shape: BodyShape) -> float:
    """Return the stature in metres."""
    return ATLAS_M * shape.stature


def weight_kg(shape: BodyShape) -> float:
    """Return the weight in kg, with all limbs and without breasts.

    It is computed from volumes: lung has 0.26, other soft tissue 1 kg/l.
    """
    square, linear, rest = _mass_terms(shape)
    return float(square * shape.girth**2 + linear * shape.girth + rest)


def scale_per_point(segment: NDArray[np.uint8], factor: float) -> NDArray[np.float64]:
    """Return the width or depth factor of each point: the trunk takes all of the change, limbs half, the head 0.3."""
    scale: NDArray[np.float64] = _segment_scale(factor)[segment]
    return scale


def _segment_scale(factor: float) -> NDArray[np.float64]:
    """Return the factor (len(SEGMENTS),) that `scale_per_point` applies to each segment."""
    share = np.array([{"trunk": 1.0, "head": 0.3}.get(name, 0.5) for name in SEGMENTS])
    return 1 + share * (factor - 1)


def length_factor(shape: BodyShape) -> float:
    """Return the standing height relative to the atlas before `stature`, so that proportions do not change stature."""
    trunk = spine_length(shape.proportions[0], shape.proportions[1]) + CROWN_MM - HIP[2]
    return float((trunk + (HIP[2] - SOLE_MM) * shape.leg_length) / (CROWN_MM - SOLE_MM))


def _mass_terms(shape: BodyShape) -> tuple[float, float, float]:
    """Return the coefficients (kg) of the weight as a quadratic of the girth (factors of anatomy._tissue_growth)."""
    body, skeleton = load_body(), load_skeleton()
    litres = body.spacing**3 / 1e6 * (shape.stature / length_factor(shape)) ** 3
    litre = (litres * _segment_scale(shape.trunk_width) * _segment_scale(shape.trunk_depth))[body.segment]
    # The size of the breasts follows from the girth, so they are left out of the weight.
    breasts, lungs = _light_tissue()
    litre[breasts] = 0
    litre[lungs] *= 0.26
    bones = 0.85 * len(skeleton.points) * skeleton.spacing**3 / 1e6 * shape.stature**3
    square, linear, rest = _girth_powers()
    return float(litre @ square), float(2 * litre @ linear), float(litre @ rest + bones)


@lru_cache(maxsize=1)
def _light_tissue() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of the atlas' points in the breasts and in the lungs."""
    tissue = load_body().tissue
    breasts = np.isin(tissue, [TISSUES.index("right breast"), TISSUES.index("left breast")])
    return np.flatnonzero(breasts), np.flatnonzero(tissue == TISSUES.index("lung"))


@lru_cache(maxsize=1)
def _girth_powers() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Expand (1 + share * (girth - 1))**2 in powers of the girth: (n,) each, the linear coefficient halved."""
    share = fat_share()
    return share**2, share * (1 - share), (1 - share) ** 2


def _draw_girth(shape: BodyShape, rng: np.random.Generator) -> float:
    median, spread, low, high = WEIGHT_KG[shape.sex]
    # Taller people are heavier; 1.6 is about the slope of log weight over log stature in ANSUR II.
    usual = median * (height_m(shape) / STATURE_M[shape.sex][0]) ** 1.6
    weight = float(np.clip(usual * np.exp(rng.normal(0, spread)), low, high))
    square, linear, rest = _mass_terms(shape)
    root = (-linear + np.sqrt(max(linear**2 - 4 * square * (rest - weight), 0.0))) / (2 * square)
    if root < GIRTH[0] + 0.1:
        # Bones must not protrude: lean people approach the lowest girth but never pass it.
        root = GIRTH[0] + 0.1 * np.exp((root - GIRTH[0] - 0.1) / 0.1)
    return float(min(root, GIRTH[1]))


def _in_range(draw: NDArray[np.float64], *, held_out: bool) -> NDArray[np.float64]:
    """Map values in -1 .. 1 to the usual range or to the held-out shell."""
    if not held_out:
        return draw * USUAL_DRAW
    low, high = HELD_OUT_DRAW
    return np.where(draw < 0, -1.0, 1.0) * (low + (high - low) * np.abs(draw))


def _waves(rng: np.random.Generator, *, held_out: bool) -> NDArray[np.float64]:
    count = 10
    if held_out:
        length = rng.uniform(*HELD_OUT_WAVES_MM, count)
    else:
        short, long = (rng.uniform(*limits, count) for limits in USUAL_WAVES_MM)
        length = np.where(rng.random(count) < 0.25, short, long)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    waves = np.empty((count, 7))
    # Short waves bend locally, so their amplitude must be small to keep bones from folding.
    waves[:, :3] = rng.normal(size=(count, 3)) * (0.008 * length)[:, None]
    waves[:, 3:6] = direction * (2 * np.pi / length)[:, None]
    waves[:, 6] = rng.uniform(0, 2 * np.pi, count)
    return waves


def _scoliosis(rng: np.random.Generator, *, held_out: bool) -> tuple[float, float, float]:
    strength = 4.0 if rng.random() < 0.8 else 12.0
    low, middle, high = rng.normal(0, 1, 3) * strength
    alternating = low * middle < 0 and middle * high < 0
    if alternating != held_out:
        low, high = abs(low), abs(high)
        middle = -abs(middle) if held_out else abs(middle)
        if rng.random() < 0.5:
            low, middle, high = -low, -middle, -high
    return float(low), float(middle), float(high)


def _kyphosis(rng: np.random.Generator, age: float, *, held_out: bool) -> tuple[float, float]:
    strength = float(np.clip(rng.normal(0.4 * (age - 50), 9.0), 0.0, 45.0))
    return strength, float(rng.uniform(*(HELD_OUT_APEX_MM if held_out else USUAL_APEX_MM)))


def _draw_parts(rng: np.random.Generator, *, held_out: bool) -> NDArray[np.float64]:
    """Draw the parts: left sides share 3/4 with the right side, vertebrae share 1/2 with each other."""
    draw = rng.uniform(-1, 1, (len(PARTS), 3))
    names = [part.name for part in PARTS]
    for i, name in enumerate(names):
        if name.startswith("left "):
            draw[i] = 0.75 * draw[names.index(name.replace("left", "right"))] + 0.25 * draw[i]
    spine = [i for i, name in enumerate(names) if name[0] in "CTL" and name[1:].isdigit()]
    draw[spine] = 0.5 * draw[spine] + 0.5 * rng.uniform(-1, 1, 3)
    return _in_range(draw, held_out=held_out)


def _draw_ribs(rng: np.random.Generator, *, held_out: bool) -> NDArray[np.float64]:
    """Draw the ribs: smooth over the twelve pairs plus a small own part, so that neighbours do not touch."""
    knots = rng.uniform(-1, 1, (4, 2))
    numbers = np.linspace(0, 3, 12)
    pair = np.stack([np.interp(numbers, np.arange(4), knots[:, i]) for i in range(2)], 1)
    if held_out:
        # One sign for all pairs: in the shell a change of sign would make two neighbours cross.
        pair = np.abs(pair) * np.where(rng.random(2) < 0.5, -1.0, 1.0)
    own = rng.uniform(-1, 1, (len(RIBS), 2))
    mixed = 0.85 * np.concatenate([pair, pair]) + 0.15 * (np.abs(own) * np.sign(pair[0]) if held_out else own)
    return _in_range(mixed, held_out=held_out)


def _draw_missing(rng: np.random.Generator, sex: Sex) -> tuple[str, ...]:
    chances = {"kidney": 0.02, "leg below knee": 0.006, "leg above knee": 0.004, "arm": 0.002}
    if sex == "female":
        chances["breast"] = 0.08
    missing = []
    for part, chance in chances.items():
        if rng.random() < chance:
            missing.append(f"{'right' if rng.random() < 0.5 else 'left'} {part}")
    if any("breast" in name for name in missing) and rng.random() < 0.12:
        missing = [name for name in missing if "breast" not in name] + ["right breast", "left breast"]
    return tuple(missing)


def _draw_prosthesis(rng: np.random.Generator, age: float) -> tuple[str, ...]:
    chance = 0.01 if age < 55 else 0.045
    sides = tuple(f"{side} hip" for side in ("right", "left") if rng.random() < 0.15)
    if rng.random() >= chance:
        return ()
    return sides or ("right hip" if rng.random() < 0.5 else "left hip",)
