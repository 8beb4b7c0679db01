"""Random draws of a camera and an acquisition: pixels, counts, heads, motion, processing and captures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

from ..person.anatomy import Person
from .acquisition import Camera
from .camera_profiles import CEILING, COUNTS, COUNTS_SIGMA, USUAL, CameraProfile, draw_matrix
from .metal import draw_metal
from .motion import draw_motion

#: Shares of scans with one view, and of half-time scans.
ONE_VIEW = 0.06
HALF_TIME = 0.01
#: Share of captures among scans with both views, and among scans with one: a single view is often a screen capture.
CAPTURED, CAPTURED_LONE = 0.05, 0.3
#: Shares of scans whose field is off centre, and that do not include the crown or the feet.
OFF_CENTRE = 0.04
HEAD_OUT, FEET_OUT = 0.01, 0.03
#: Range of the counts of a 2.26 mm pixel that are white in a capture, for a view of one million counts.
CAPTURE_WHITE = (20.0, 60.0)
#: Fields that `redraw_camera` keeps: views, the patient's position and movements, metal and the field.
KEPT_FIELDS = ("views", "heads", "posterior_shift", "motion", "metal", "width", "swept")
#: Range of the table's speed, cm/min; a half-time acquisition is twice as fast.
SPEED = (10.0, 15.0)


def draw_camera(
    person: Person,
    rng: np.random.Generator,
    shape: tuple[int, int] | None = None,
    spacing: float | None = None,
    profile: CameraProfile = USUAL,
) -> Camera:
    """Draw an acquisition (LEHR).

    Args:
        person: in the posture of the scan.
        rng: source of the draws.
        shape: rows and columns; None to draw them.
        spacing: pixel edge, mm; None to draw it.
        profile: the hospital's cameras.
    """
    occupied = person.bones[person.bone_volume > 0, 2]
    height, feet = float(occupied.max()), float(occupied.min())
    if spacing is None or shape is None:
        shape, spacing = draw_matrix(rng, profile, shape, spacing)
    margin = max(shape[0] * spacing - (height - feet) - 60, 0.0)
    top = height + 25 + float(rng.uniform(0.02, 0.75)) * margin
    centre = float(rng.normal(0, 14))
    if rng.random() < OFF_CENTRE:
        centre += float(rng.uniform(30, 60)) * (1 if rng.random() < 0.5 else -1)
    body = (top - height) / spacing, (top - feet) / spacing
    heads = 1 if rng.random() < profile.single_head else 2
    views = _draw_views(rng)
    half_time = bool(rng.random() < HALF_TIME)
    counts = _draw_counts(rng, profile, half_time=half_time)
    camera = Camera(
        shape=shape,
        spacing=spacing,
        counts=counts,
        top=top,
        centre=centre,
        gap=(float(rng.uniform(8, 40)), float(rng.uniform(10, 35))),
        scatter=float(rng.uniform(*profile.scatter)),
        scatter_width=float(rng.uniform(0.8, 1.25)),
        intrinsic=float(rng.uniform(*profile.intrinsic)),
        posterior_gain=float(rng.normal(*profile.posterior_gain)),
        posterior_shift=_draw_posterior_shift(rng) if heads == 1 else (0, 0),
        unevenness=float(rng.uniform(0.0, 0.03)),
        views=views,
        heads=heads,
        speed=float(rng.uniform(*SPEED)) * (2.0 if half_time else 1.0),
        width=float(rng.uniform(505, 545)),
        swept=_draw_swept(rng, shape[0], body, spacing),
        motion=draw_motion(rng, body, spacing, views, heads),
        metal=draw_metal(person, rng),
    )
    return _draw_processing(camera, rng, profile, half_time=half_time)


def redraw_camera(camera: Camera, rng: np.random.Generator, profile: CameraProfile = USUAL) -> Camera:
    """Redraw counts, sensitivity and processing: the same patient and camera on another day."""
    fresh = replace(ideal_camera(camera), **{name: getattr(camera, name) for name in KEPT_FIELDS})
    half_time = bool(rng.random() < HALF_TIME)
    fresh = replace(
        fresh,
        counts=_draw_counts(rng, profile, half_time=half_time),
        scatter=float(rng.uniform(*profile.scatter)),
        scatter_width=float(rng.uniform(0.8, 1.25)),
        posterior_gain=float(rng.normal(*profile.posterior_gain)),
        unevenness=float(rng.uniform(0.0, 0.03)),
    )
    return _draw_processing(fresh, rng, profile, half_time=half_time)


def ideal_camera(camera: Camera) -> Camera:
    """Return the same acquisition of both views with an ideal camera: Poisson noise is the only effect after optics."""
    return replace(
        camera,
        posterior_shift=(0, 0),
        smoothing=0.0,
        unevenness=0.0,
        views=VIEW_NAMES,
        heads=2,
        width=float("inf"),
        swept=None,
        motion=(),
        metal=(),
        enhancement=0.0,
        capture=0.0,
        ceiling=0,
    )


def describe_camera(camera: Camera) -> dict[str, object]:
    """Return the parameters of the acquisition for the record of a simulated scan."""
    return {
        "views": list(camera.views),
        "anterior_counts": round(camera.counts),
        "spacing_mm": camera.spacing,
        "heads": camera.heads,
        "seconds": round(camera.seconds),
        "half_time": camera.speed > SPEED[1],
        "posterior_shift_pixels": list(camera.posterior_shift),
        "jerks": len(camera.motion),
        "metal": sorted({piece.kind for piece in camera.metal}),
        "vendor_smoothing_pixels": round(camera.smoothing, 3),
        "enhancement": round(camera.enhancement, 3),
        "capture_white_counts": camera.capture,
        "ceiling": camera.ceiling,
    }


def _draw_counts(rng: np.random.Generator, profile: CameraProfile, *, half_time: bool) -> float:
    # The counts at normal speed are drawn; half the time gives half the counts.
    counts = float(np.exp(rng.normal(np.log(profile.counts), COUNTS_SIGMA))) * (0.5 if half_time else 1.0)
    return float(np.clip(counts, *COUNTS))


def _draw_posterior_shift(rng: np.random.Generator) -> tuple[int, int]:
    rows, columns = np.rint(rng.normal(0, 1.5, 2)).astype(int)
    return int(rows), int(columns)


def _draw_views(rng: np.random.Generator) -> tuple[ViewName, ...]:
    if rng.random() >= ONE_VIEW:
        return VIEW_NAMES
    return ("anterior",) if rng.random() < 0.65 else ("posterior",)


def _draw_swept(
    rng: np.random.Generator, rows: int, body: tuple[float, float], spacing: float
) -> tuple[int, int] | None:
    """Draw the rows of the sweep: the patient with a margin, seldom without the crown or the feet.

    The available real whole-body scan has a sweep of 841 of its 1024 rows.
    """
    above, below = rng.uniform(15, 130), rng.uniform(10, 120)
    full_field = rng.random() < 0.4
    if rng.random() < HEAD_OUT:
        above, full_field = -rng.uniform(15, 80), False
    if rng.random() < FEET_OUT:
        below, full_field = -rng.uniform(30, 300), False
    if full_field:
        return None
    first, end = round(body[0] - above / spacing), round(body[1] + below / spacing)
    return max(first, 0), min(end, rows)


def _draw_processing(camera: Camera, rng: np.random.Generator, profile: CameraProfile, *, half_time: bool) -> Camera:
    """Draw the processing of the counts by vendor and archive, and add it to the acquisition."""
    kind, strength, white = rng.random(), rng.random(), float(rng.uniform(*CAPTURE_WHITE))
    if half_time or kind < profile.enhanced:
        camera = replace(camera, enhancement=0.4 + 0.8 * float(strength))
    elif kind < profile.enhanced + profile.smoothed:
        camera = replace(camera, smoothing=0.5 + 0.5 * float(strength))
    if rng.random() < (CAPTURED if len(camera.views) == 2 else CAPTURED_LONE):
        return replace(camera, capture=round(white * camera.counts / 1e6 * (camera.spacing / 2.26) ** 2, 1))
    return replace(camera, ceiling=CEILING) if rng.random() < profile.clipped else camera
