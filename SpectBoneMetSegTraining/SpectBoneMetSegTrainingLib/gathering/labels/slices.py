"""Read the slices of an image file that may contain a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.images import open_image
from SpectBoneMetSegLib.loading.orientation import toward

Picture = NDArray[Any]


def read_slices(path: Path) -> tuple[Picture, NDArray[np.float64], dict[str, str]]:
    """Read (slices, rows, columns[, layers]) of an image file, its 4x4 IJK to RAS matrix (mm), and its text fields.

    A coronal slice in patient axes (256 x 1 x 1024) is one slice, its rows from head to foot.

    Raises:
        UserError: the file is missing or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    image = open_image(path)
    size = image.GetDimension()
    if size not in (2, 3):
        raise UserError(f"{path.name} has {size} dimensions; export a labelmap of one slice.")
    pixels = sitk.GetArrayFromImage(image)
    lps = np.eye(4)
    lps[:size, :size] = np.reshape(image.GetDirection(), (size, size)) * np.array(image.GetSpacing())
    lps[:size, 3] = image.GetOrigin()
    if size == 3 and pixels.shape[0] > 2 and 1 in pixels.shape[1:3]:
        pixels, lps = _coronal(pixels, lps)
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    return (pixels[None] if size == 2 else pixels), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, fields


def _coronal(pixels: Picture, lps: NDArray[np.float64]) -> tuple[Picture, NDArray[np.float64]]:
    """Return an image with a flat first or second axis as one slice, with its matrix."""
    flat = 1 if pixels.shape[1] == 1 else 0
    column, row = (axis for axis in range(3) if axis != flat)
    turned = np.moveaxis(pixels, 2 - flat, 0)
    if toward(lps[:3, column]) in ("head", "feet"):
        column, row, turned = row, column, turned.swapaxes(1, 2)
    matrix = lps[:, [column, row, flat, 3]]
    if toward(matrix[:3, 1]) == "head":
        turned = turned[:, ::-1]
        matrix[:3, 3] += matrix[:3, 1] * (turned.shape[1] - 1)
        matrix[:3, 1] *= -1
    return turned, matrix
