"""Slices of an image file that may hold a label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.images import open_image

Picture = NDArray[Any]


def read_slices(path: Path) -> tuple[Picture, NDArray[np.float64], dict[str, str]]:
    """(slices, rows, columns[, layers]) of an image file, 4x4 IJK to RAS mm, and its text fields.

    Raises:
        UserError: missing or damaged.
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
    fields = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    return (pixels[None] if size == 2 else pixels), np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps, fields
