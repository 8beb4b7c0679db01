"""Masks as PNG or TIFF: lesions bright or numbered, background 0.

Like LabelMe files they have no patient coordinates: they show one view in the view's own pixels, the posterior one as
acquired, and only their size and name can be checked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.images import JPEG_SUFFIXES
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.grids import drawn_view, on_frame_of, view_grid
from ..labels.marks import Mark
from ..labels.slices import Picture
from .image_files import refuse_counts, values_of

__all__ = ["MASK_SUFFIXES", "REFUSED_SUFFIXES", "read_mask_picture", "refuse_mask"]

#: No JPEG: its lossy compression changes the values.
MASK_SUFFIXES = (".png", ".tif", ".tiff")
#: Other pictures: a mask in one is refused by name, so that its view does not silently count as not outlined.
REFUSED_SUFFIXES = (*JPEG_SUFFIXES, ".jfif", ".jp2", ".webp", ".bmp", ".gif")


def read_mask_picture(
    path: Path, scan: WholeBodyScan, named_view: ViewName | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """Read the marks of a mask image, one per value, and the view that it covers.

    Args:
        path: the file.
        scan: the scan it was drawn on.
        named_view: the view in its name, None for none.

    Raises:
        UserError: it is damaged, coloured, not a mask or of another size, or names no view though the scan has two.
    """
    pixels = _values(path)
    refuse_counts([pixels], path.name)
    view = drawn_view(path.name, scan, named_view)
    rows, columns = scan.views[view].shape
    if pixels.shape != (rows, columns):
        raise UserError(
            f"{path.name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the {view} view of {scan.case} has "
            f"{columns} x {rows}; save the mask in the pixels of that view alone."
        )
    grid = view_grid(scan.views[view], view)
    marks = [
        Mark(str(value), on_frame_of(np.asarray(pixels == value), grid, scan), view) for value in values_of(pixels)
    ]
    return marks, frozenset([view])


def refuse_mask(path: Path) -> None:
    """Reject a mask of a kind in REFUSED_SUFFIXES; do nothing for another file.

    Raises:
        UserError: it is of such a kind.
    """
    name = path.name.lower()
    if name.endswith((*JPEG_SUFFIXES, ".jfif")):
        # A PNG made from the JPEG would keep the changed values.
        raise UserError(
            f"{path.name} is a JPEG, whose compression changes the values of a mask; draw or export the mask as PNG."
        )
    if name.endswith(REFUSED_SUFFIXES):
        raise UserError(f"{path.name} is a picture of a kind that is not read as a mask; save the mask as PNG.")


def _values(path: Path) -> Picture:
    """Read the (rows, columns) values of a grey or palette image; palette indices, not colours."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            # Loading checks no checksums of a PNG.
            picture.verify()
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
            transparent = picture.mode in ("LA", "RGBA", "PA")
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path.name} is damaged or not the kind of file its name states; save it again.") from error
    if pixels.ndim == 3:
        channels = pixels[..., :-1] if transparent else pixels
        if not (channels == channels[..., :1]).all():
            raise UserError(f"{path.name} is a coloured image and no mask; save the mask in grey, lesions bright.")
        pixels = channels[..., 0]
    return pixels
