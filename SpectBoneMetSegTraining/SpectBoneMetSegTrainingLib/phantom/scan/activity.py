"""The activity of a person in the camera's field: tissue and bone points summed into depth slabs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..camera.acquisition import Camera
from ..camera.optics import DepthSlabs, splat, upsample
from ..person.anatomy import Person

Volume = NDArray[np.float32]


def soft_activity(person: Person, levels: NDArray[np.float32], camera: Camera, depths: DepthSlabs) -> Volume:
    """Return the activity (slabs, rows, columns) of soft tissue and organs, anterior frame, arbitrary units.

    Args:
        person: in the posture of the scan.
        levels: (m,) concentration at each of the person's tissue points.
        camera: defines the field.
        depths: the depth slabs.
    """
    from scipy import ndimage

    coarse = 2
    shape = (-(-camera.shape[0] // coarse), -(-camera.shape[1] // coarse))
    soft = splat(person.tissues, levels * person.tissue_volume, camera, depths.centres, shape, coarse)
    # Tissue points are 5 mm apart: blur their pattern, and keep the sum when upsampling.
    soft = ndimage.gaussian_filter(soft, (0.6, 0.9, 0.9), mode="constant")
    return upsample(soft, coarse, camera.shape) / np.float32(coarse**2)


def bone_activity(
    person: Person, index: NDArray[np.int64], levels: NDArray[np.float32], camera: Camera, depths: DepthSlabs
) -> Volume:
    """Return the activity (slabs, rows, columns) of some bone points, as in `soft_activity`.

    Args:
        person: in the posture of the scan.
        index: (k,) indices of the bone points.
        levels: (k,) concentration at these points.
        camera: defines the field.
        depths: the depth slabs.
    """
    if not len(index):
        return np.zeros((len(depths.centres), *camera.shape), np.float32)
    weights = levels * person.bone_volume[index]
    return splat(person.bones[index], weights, camera, depths.centres, camera.shape)
