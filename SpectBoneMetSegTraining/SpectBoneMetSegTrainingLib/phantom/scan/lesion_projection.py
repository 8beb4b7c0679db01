"""Projection of a single focus, in a window around it: a lesion fills a thousandth of the scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from ..camera.acquisition import Camera
from ..camera.image_chain import apply_acquisition_effects
from ..camera.optics import DepthSlabs, blur_sigma, project, splat
from ..person.anatomy import Person
from .ground_truth import Window

Image = NDArray[np.float32]

#: Pixels below this share of a projection's highest pixel are left out of the window.
NEGLIGIBLE = 1e-3


def project_focus(
    person: Person, index: NDArray[np.int64], levels: NDArray[np.float32], camera: Camera, depths: DepthSlabs
) -> tuple[Window, dict[ViewName, Image]]:
    """Project some bone points alone.

    Args:
        person: in the posture of the scan.
        index: (k,) indices of the bone points.
        levels: (k,) concentration at these points.
        camera: defines the field and the views.
        depths: the depth slabs.

    Returns:
        The window that holds the projection, and {view: primary image in the window}.
    """
    points, weights = person.bones[index], levels * person.bone_volume[index]
    present = weights > 0
    rows = (camera.top - points[present, 2]) / camera.spacing - 0.5
    columns = (camera.centre - points[present, 0]) / camera.spacing + camera.shape[1] / 2 - 0.5
    reach = int(np.ceil(4 * max(blur_sigma(float(d.max()), camera) for d in depths.distance.values()))) + 2
    box = _box(rows, columns, reach, camera.shape)
    height, width = box[0].stop - box[0].start, box[1].stop - box[1].start
    if height <= 0 or width <= 0:
        return (slice(0, 0), slice(0, 0)), {view: np.zeros((0, 0), np.float32) for view in camera.views}
    small = replace(
        camera,
        shape=(height, width),
        top=camera.top - box[0].start * camera.spacing,
        centre=camera.centre + camera.spacing * (camera.shape[1] / 2 - box[1].start - width / 2),
    )
    near = DepthSlabs(
        depths.centres, {view: seen[:, *box] for view, seen in depths.transmission.items()}, depths.distance
    )
    volume = splat(points, weights, small, depths.centres, small.shape)
    return box, {view: project(volume, near, small, view) for view in camera.views}


def acquired_window(
    projected: tuple[Window, dict[ViewName, Image]], view: ViewName, gain: float, camera: Camera
) -> tuple[Window, Image]:
    """Apply metal, motion and the field's edges to a projected focus; returns its window and counts in one view."""
    box, images = projected
    whole = np.zeros(camera.shape, np.float32)
    whole[box] = images[view] * np.float32(gain)
    return crop_to_support(apply_acquisition_effects(whole, camera, view), NEGLIGIBLE)


def crop_to_support(image: Image, negligible: float) -> tuple[Window, Image]:
    """Crop a view to the window of its non-negligible pixels.

    Args:
        image: (rows, columns).
        negligible: pixels whose magnitude is below this share of the highest magnitude may be left out.

    Returns:
        The window, and the image there.
    """
    size = np.abs(image)
    seen = size > negligible * size.max(initial=0.0)
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if not len(rows):
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return box, image[box]


def _box(rows: NDArray[np.floating], columns: NDArray[np.floating], reach: int, shape: tuple[int, int]) -> Window:
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    parts = []
    for positions, size in zip((rows, columns), shape, strict=True):
        first = max(int(np.floor(positions.min())) - reach, 0)
        parts.append(slice(min(first, size), max(min(int(np.ceil(positions.max())) + reach + 1, size), 0)))
    return parts[0], parts[1]
