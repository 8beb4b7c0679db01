"""Patient motion during the sweep, and the shift between the two views of a single-head camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from .acquisition import PatientMovement

if TYPE_CHECKING:
    from .acquisition import Camera

Image = NDArray[np.float32]

#: Length of the detector along the table. Every row is acquired while the detector passes over it, so a movement shows
#: the rows under the detector twice and shifts the rows still to come.
DETECTOR_MM = 380.0
#: Share of scans with patient motion.
MOTION_SHARE = 0.08


def draw_motion(
    rng: np.random.Generator, rows: tuple[float, float], spacing: float, views: tuple[ViewName, ...], heads: int
) -> tuple[PatientMovement, ...]:
    """Draw the patient's movements during the sweep: mostly none, else one or two of 4-20 mm.

    Args:
        rng: source of the draws.
        rows: the patient's first and last row.
        spacing: pixel edge, mm.
        views: the views that are acquired.
        heads: detectors, 1 or 2; a single-head camera acquires one view after the other.
    """
    passes: list[ViewName | None] = [None] if heads == 2 else list(views)
    movements: list[PatientMovement] = []
    for view in passes:
        if rng.random() >= MOTION_SHARE / len(passes):
            continue
        for _ in range(1 + int(rng.random() < 0.25)):
            row = float(rng.uniform(rows[0] - 0.5 * DETECTOR_MM / spacing, rows[0] + 0.75 * (rows[1] - rows[0])))
            length = float(np.clip(rng.lognormal(np.log(8), 0.4), 4, 20)) / spacing
            # Patients move across the table more easily than along it.
            angle = float(rng.normal(0, 0.6)) + (np.pi if rng.random() < 0.5 else 0.0)
            back = row + float(rng.uniform(60, 500)) / spacing if rng.random() < 0.5 else None
            down, across = round(length * np.sin(angle)), round(length * np.cos(angle))
            movements.append(PatientMovement(round(row, 1), down, across or (1 if down == 0 else 0), back, view))
    return tuple(movements)


def apply_motion(image: Image, camera: Camera, view: str) -> Image:
    """Apply the patient's movements to a view's expected image (rows, columns), or a lesion's share of it.

    The result is a weighted sum of shifted copies: each row mixes the patient's positions by their share of the row's
    acquisition time. Counts that move out of the field are lost.
    """
    movements = [movement for movement in camera.motion if movement.view in (None, view)]
    if not movements:
        return image
    steps = [(movement.row, movement.rows, movement.columns) for movement in movements]
    steps += [
        (movement.return_row, -movement.rows, -movement.columns)
        for movement in movements
        if movement.return_row is not None
    ]
    steps.sort()
    reach = DETECTOR_MM / camera.spacing
    rows = np.arange(image.shape[0])
    # Share of a row's acquisition time after each step: 0 for complete rows, 1 for rows still to come.
    late = [np.ones(len(rows)), *(np.clip((rows - row) / reach, 0, 1) for row, _, _ in steps), np.zeros(len(rows))]
    result = np.zeros_like(image, np.float32)
    down = across = 0
    for number in range(len(steps) + 1):
        if number:
            down, across = down + steps[number - 1][1], across + steps[number - 1][2]
        weight = (late[number] - late[number + 1]).astype(np.float32)
        if weight.any():
            result += weight[:, None] * translate(image, down, across)
    return result


def apply_view_shift(image: Image, camera: Camera, view: str) -> Image:
    """Shift the posterior view by the camera's shift, with zeros at the border; the anterior view is not changed."""
    return image if view != "posterior" else translate(image, *camera.posterior_shift)


def translate(image: Image, rows: int, columns: int) -> Image:
    """Translate the image (rows, columns) down and to the right by whole pixels, with zeros at the border."""
    if (rows, columns) == (0, 0):
        return image
    moved = np.zeros_like(image)
    height, width = image.shape
    if abs(rows) < height and abs(columns) < width:
        moved[max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = image[
            max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)
        ]
    return moved
