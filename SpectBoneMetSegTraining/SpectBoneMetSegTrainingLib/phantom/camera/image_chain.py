"""The gamma camera and one acquisition with it.

The image chain of a view, all of it pure: `splat` and `project` (the patient in depth slabs to an unscattered image),
`add_scatter`, `displace` (metal, motion, late views, edges of the field; lesions' own shares go through it too),
`uneven` and `detect` (counts as the file holds them).
"""

from __future__ import annotations

from .acquisition import Camera
from .detector import in_field
from .metal import shadow
from .motion import move, shift
from .optics import Image


def displace(image: Image, camera: Camera, view: str) -> Image:
    """What is left of a view's expected image (rows, columns) by metal, motion, a late view and the field's edges.

    Linear, so a lesion's own share of the image goes through it alike and its label with it.
    """
    return in_field(move(shift(shadow(image, camera, view), camera, view), camera, view), camera)
