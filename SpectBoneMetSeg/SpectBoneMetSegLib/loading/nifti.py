"""Read NIfTI-1 and NIfTI-2 files; no library among the dependencies reads all valid variants.

Format: https://nifti.nimh.nih.gov/nifti-1/ and https://nifti.nimh.nih.gov/nifti-2/. Two dimensions, either byte order,
a slope of zero (no scaling, whatever the intercept) and units of metres all occur.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import DamagedFileError, UserError

__all__ = ["Nifti", "read_nifti"]

_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}
#: Most pixels of an image, so that a damaged header cannot exhaust the memory.
LARGEST = 2**28


@dataclass(frozen=True)
class Nifti:
    """A NIfTI image.

    Attributes:
        pixels: float64 or the stored type, axes (i, j) or (i, j, k, ...), scaled as the header says.
        spacing: mm along each axis.
        directions: (3, 3) LPS direction of each of the first three axes; zeros where the file states none.
    """

    pixels: NDArray[Any]
    spacing: tuple[float, ...]
    directions: NDArray[np.float64]


@dataclass(frozen=True)
class _Layout:
    """Offsets of header fields in bytes, with their struct format."""

    dim: tuple[int, str]
    kind: int
    pixdim: tuple[int, str]
    offset: tuple[int, str]
    scaling: tuple[int, str]
    units: tuple[int, str]
    codes: tuple[int, str]
    quaternion: tuple[int, str]
    rows: tuple[int, str]


#: Layout by header size in bytes: 348 for NIfTI-1, 540 for NIfTI-2.
_LAYOUTS = {
    348: _Layout(
        (40, "8h"), 70, (76, "8f"), (108, "f"), (112, "2f"), (123, "b"), (252, "2h"), (256, "3f"), (280, "12f")
    ),
    540: _Layout(
        (16, "8q"), 12, (104, "8d"), (168, "q"), (176, "2d"), (500, "i"), (344, "2i"), (352, "3d"), (400, "12d")
    ),
}


def read_nifti(path: Path) -> Nifti:
    """Read the image in a `.nii` or `.nii.gz` file.

    Raises:
        UserError: empty, cut short, damaged, or of colours or complex numbers.
    """
    name = path.name
    damaged = f"{name} is damaged or not the kind of file its name states; export it again."
    content = _content(path)
    order, size = next(
        ((order, size) for order in "<>" for size in _LAYOUTS if content[:4] == struct.pack(order + "i", size)), ("", 0)
    )
    if not order or len(content) < size:
        raise DamagedFileError(damaged)
    layout = _LAYOUTS[size]

    def field(position: tuple[int, str]) -> tuple[Any, ...]:
        return struct.unpack_from(order + position[1], content, position[0])

    dim, pixdim = field(layout.dim), field(layout.pixdim)
    if not 1 <= dim[0] <= 7 or min(dim[1 : dim[0] + 1]) < 1 or math.prod(dim[1 : dim[0] + 1]) > LARGEST:
        raise DamagedFileError(damaged)
    (kind,) = field((layout.kind, "h"))
    if kind not in _TYPES:
        raise UserError(f"{name} holds colours or complex numbers, no counts; give a grey image of counts.")
    shape = tuple(dim[1 : dim[0] + 1])
    dtype = np.dtype(order + _TYPES[kind])
    (offset,), count = field(layout.offset), math.prod(shape)
    if not math.isfinite(offset) or offset < 0:
        raise DamagedFileError(damaged)
    start = int(offset)
    if len(content) < start + count * dtype.itemsize:
        raise DamagedFileError(f"{name} is cut short or damaged; copy or export it again.")
    stored = np.frombuffer(content, dtype, count, start).reshape(shape, order="F")
    slope, intercept = field(layout.scaling)
    pixels = stored.astype(dtype.newbyteorder("="))
    if np.isfinite(slope) and slope != 0 and np.isfinite(intercept) and (slope, intercept) != (1, 0):
        pixels = pixels * float(slope) + float(intercept)
    unit = _MM_PER_UNIT.get(field(layout.units)[0] & 7, 1.0)
    directions = _directions(field(layout.codes), field(layout.quaternion), field(layout.rows), pixdim[0])
    return Nifti(pixels, tuple(abs(float(edge)) * unit for edge in pixdim[1 : dim[0] + 1]), directions)


def _content(path: Path) -> bytes:
    if path.stat().st_size == 0:
        raise DamagedFileError(f"{path.name} is empty; export it again.")
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DamagedFileError(f"{path.name} is cut short or damaged; copy or export it again.") from error


def _directions(
    codes: tuple[int, int], quaternion: tuple[float, ...], rows: tuple[float, ...], handed: float
) -> NDArray[np.float64]:
    """Return (axis, LPS) unit directions from the affine, else from the quaternion; zeros if none is stated."""
    if codes[1] > 0:
        columns = np.array(rows, float).reshape(3, 4)[:, :3]
    elif codes[0] > 0:
        b, c, d = quaternion
        a = math.sqrt(max(0.0, 1 - b * b - c * c - d * d))
        columns = np.array([
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ])  # fmt: skip
        columns[:, 2] *= -1 if handed < 0 else 1
    else:
        return np.zeros((3, 3))
    columns = np.diag([-1.0, -1.0, 1.0]) @ np.nan_to_num(columns)
    length = np.linalg.norm(columns, axis=0)
    return np.asarray((columns / np.where(length > 0, length, 1)).T)
