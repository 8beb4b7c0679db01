"""Write masks and probability maps as NRRD files with patient geometry."""

from __future__ import annotations

import gzip
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..lesions.results import Reading

__all__ = ["ijk_to_lps", "write_layers", "write_masks", "write_volume", "write_volumes"]

#: {NumPy type: NRRD type}.
_TYPES = {"u1": "uchar", "u2": "ushort", "i2": "short", "i4": "int", "u4": "uint", "f4": "float", "f8": "double"}


def write_volumes(reading: Reading, folder: str) -> None:
    """Write the masks, `probability.nrrd` (anterior frame) and, if the model segments regions, `regions_<view>.nrrd`.

    Raises:
        OSError: a file cannot be written.
    """
    write_masks(reading, folder)
    frame = reading.scan.frame.ijk_to_ras
    write_volume(reading.probability.astype(np.float32), frame, os.path.join(folder, "probability.nrrd"))
    for name, regions in reading.regions.items():
        view = reading.scan.views[name]
        write_volume(regions, view.ijk_to_ras, os.path.join(folder, f"regions_{name}.nrrd"))


def write_masks(reading: Reading, folder: str) -> None:
    """Write `mask.nrrd` (anterior frame) and `mask_<view>.nrrd` per existing view (own grid).

    Raises:
        OSError: a file cannot be written.
    """
    write_volume(reading.mask.astype(np.uint8), reading.scan.frame.ijk_to_ras, os.path.join(folder, "mask.nrrd"))
    for name, view in reading.scan.views.items():
        ids = reading.view_masks[name].astype(np.uint16)
        write_volume(ids, view.ijk_to_ras, os.path.join(folder, f"mask_{name}.nrrd"))


def write_volume(
    pixels: NDArray[Any], ijk_to_ras: NDArray[np.float64], path: str, metadata: dict[str, str] | None = None
) -> None:
    """Write a (rows, columns) array as a compressed NRRD of one slice, stored (k, j, i) = (1, rows, columns).

    Args:
        pixels: the values, in a type that NRRD knows.
        ijk_to_ras: 4x4 from (column, row, slice) to RAS mm.
        path: of the file; must end in ".nrrd".
        metadata: further header fields (key:=value).

    Raises:
        OSError: the file cannot be written.
    """
    rows, columns = pixels.shape
    _write(path, pixels, ijk_to_lps(ijk_to_ras), ["domain"] * 3, (columns, rows, 1), metadata or {})


def write_layers(
    layers: NDArray[np.uint8], ijk_to_ras: NDArray[np.float64], path: str, metadata: dict[str, str]
) -> None:
    """Write layers of a segmentation as one slice whose first axis is a list, Slicer's format of overlapping segments.

    ITK would write this axis as a vector, which Slicer does not read as layers.

    Args:
        layers: (layers, rows, columns) labels.
        ijk_to_ras: 4x4 from (column, row, slice) to RAS mm.
        path: of the file.
        metadata: header fields (key:=value).

    Raises:
        OSError: the file cannot be written.
    """
    count, rows, columns = layers.shape
    # The first axis of a NRRD file varies fastest.
    pixels = np.ascontiguousarray(np.moveaxis(layers, 0, -1), np.uint8)
    _write(path, pixels, ijk_to_lps(ijk_to_ras), ["list", *["domain"] * 3], (count, columns, rows, 1), metadata)


def _write(
    path: str,
    pixels: NDArray[Any],
    lps: NDArray[np.float64],
    kinds: list[str],
    sizes: tuple[int, ...],
    metadata: dict[str, str],
) -> None:
    """Write a NRRD file with fast compression: a few per cent larger, in a fraction of the time."""
    little = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    directions = ["(" + ",".join(f"{part:.17g}" for part in lps[:3, axis]) + ")" for axis in range(3)]
    lines = [
        *("NRRD0004", f"type: {_TYPES[pixels.dtype.str[1:]]}", f"dimension: {len(sizes)}"),
        *("space: left-posterior-superior", f"sizes: {' '.join(map(str, sizes))}"),
        f"space directions: {' '.join(['none'] * (len(sizes) - 3) + directions)}",
        *(f"kinds: {' '.join(kinds)}", "endian: little", "encoding: gzip"),
        "space origin: (" + ",".join(f"{part:.17g}" for part in lps[:3, 3]) + ")",
        *(f"{key}:={value}" for key, value in metadata.items()),
    ]
    with open(path, "wb") as file:
        file.write("\n".join([*lines, "", ""]).encode("utf-8"))
        file.write(gzip.compress(little.tobytes(), compresslevel=1, mtime=0))


def ijk_to_lps(ijk_to_ras: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert a 4x4 from RAS to LPS mm, the convention of NRRD, DICOM and ITK."""
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_ras + 0.0
