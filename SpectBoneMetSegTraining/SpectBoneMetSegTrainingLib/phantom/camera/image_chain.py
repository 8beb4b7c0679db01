"""The image chain of one view, as pure functions in this order.

- `splat` and `project`: the patient in depth slabs becomes the image of primary (unscattered) photons.
- `add_scatter`.
- `apply_acquisition_effects`: metal, motion, late views, edges of the field; each lesion's own share passes it too.
- `apply_nonuniformity` and `detect_counts`: the counts that the file holds.
"""

from __future__ import annotations

from .acquisition import Camera
from .detector import mask_to_field
from .metal import attenuate_by_metal
from .motion import apply_motion, apply_view_shift
from .optics import Image


def apply_acquisition_effects(image: Image, camera: Camera, view: str) -> Image:
    """Apply metal, motion, the shift of a late view and the field's edges to a view's expected image (rows, columns).

    The operation is linear, so it applies to a lesion's own share of the image, and thus to its label, in the same way.
    """
    return mask_to_field(
        apply_motion(apply_view_shift(attenuate_by_metal(image, camera, view), camera, view), camera, view), camera
    )
