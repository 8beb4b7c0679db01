"""NRRD, NIfTI, MetaImage, PNG and TIFF through SimpleITK, as frames.

Only the pixel size of such a file is trusted, not its directions: rows are taken to run from head to foot. A pixel size
of exactly 1 x 1 mm is what the formats fall back to when nobody stated one, and counts as not stated.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common.errors import UserError
from .frames import Frame, FrameFile

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["IMAGE_SUFFIXES", "is_whole", "open_image", "read_image"]

IMAGE_SUFFIXES = (".nrrd", ".nii", ".nii.gz", ".mha", ".png", ".tif", ".tiff")


def read_image(path: Path, label: str) -> FrameFile:
    """One or two grey pictures.

    Args:
        path: file with a suffix of IMAGE_SUFFIXES.
        label: the file name without suffix, which may tell the side ("patient3_ANT").

    Raises:
        UserError: empty, damaged, coloured, or with more than two slices.
    """
    import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation

    image = open_image(path)
    pixels = sitk.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:
        if np.iscomplexobj(pixels) or not (pixels == pixels[..., :1]).all():
            raise UserError(
                f"{path.name} is a colour picture, from which counts cannot be told; give a grey picture of counts."
            )
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and len(pixels) > 2):
        raise UserError(
            f"{path.name} holds {len(pixels)} slices, not one or two planar views; give one picture per view."
        )
    notes = []
    if pixels.dtype == np.uint8:
        notes.append(
            f"{path.name} has 8-bit grey values, taken as counts as they stand: they may have been scaled or cut off."
        )
    spacing = (float(image.GetSpacing()[1]), float(image.GetSpacing()[0]))
    known = None if path.suffix.lower() == ".png" or spacing == (1.0, 1.0) else spacing
    stack = pixels.reshape(-1, *pixels.shape[-2:]).astype(np.float64)
    frames = tuple(Frame(picture, known, path, texts=(label,)) for picture in stack)
    return FrameFile(path, frames, warnings=tuple(notes))


def open_image(path: Path) -> SimpleITK.Image:
    """The image in a file, without what the library prints on the terminal.

    Raises:
        UserError: empty or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    if path.stat().st_size == 0:
        raise UserError(f"{path.name} is empty; export it again.")
    loud = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UserError(f"{path.name} is damaged or not the kind of file its name says; export it again.") from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(loud)
    if not is_whole(path, image):
        raise UserError(f"{path.name} is cut short or damaged; copy or export it again.")
    return image


def is_whole(path: Path, image: SimpleITK.Image) -> bool:
    """Whether a NIfTI file holds all its pixels; the library fills up with zeros what a file cut short lacks.

    Args:
        path: the file. image: what the library read from it. Other formats are whole where the library can read them.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return True
    size = path.stat().st_size
    if name.endswith(".gz"):
        try:
            with gzip.open(path) as stream:
                size = sum(map(len, iter(lambda: stream.read(2**20), b"")))
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
    dimensions = int(image.GetMetaData("dim[0]"))
    pixels = math.prod(max(1, int(image.GetMetaData(f"dim[{axis}]"))) for axis in range(1, dimensions + 1))
    return size >= float(image.GetMetaData("vox_offset")) + pixels * int(image.GetMetaData("bitpix")) // 8
