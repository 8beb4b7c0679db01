"""Labels drawn on the stored frames of a DICOM file, by frame reference or as one slice per frame."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.stored_frames import StoredFrame, stored_frames
from SpectBoneMetSegLib.scan.planar import SPACING_TOLERANCE, ViewName, WholeBodyScan

from .grids import DIRECTION_TOLERANCE, on_frame_of, view_grid
from .slices import Picture, read_slices

__all__ = ["on_frames", "on_stored_frame"]

#: Column and row directions (RAS) of an image without a stated orientation.
NO_DIRECTIONS = np.diag([-1.0, -1.0, 1.0])[:, :2]


def on_stored_frame(pixels: NDArray[Any], stored: StoredFrame, scan: WholeBodyScan, name: str) -> NDArray[Any]:
    """Return (rows, columns) pixels of a stored frame on the anterior whole-body frame.

    Raises:
        UserError: the numbers of pixels differ.
    """
    assert stored.view is not None, "a frame of none of the scan's views"
    own = scan.views[stored.view]
    if stored.columns is not None and pixels.shape == stored.shape:
        pixels = pixels[:, slice(*stored.columns)]
    if pixels.shape != own.shape:
        raise UserError(
            f"{name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the {stored.view} view of {scan.case} "
            f"{own.shape[1]} x {own.shape[0]}; export it in the pixels of that view."
        )
    down, across = stored.turn
    return on_frame_of(np.ascontiguousarray(pixels[::down, ::across]), view_grid(own, stored.view), scan)


def on_frames(
    pictures: list[list[Picture]], matrix: NDArray[np.float64], scan: WholeBodyScan, name: str
) -> list[list[tuple[Picture, ViewName | None]]]:
    """Return the slices of a label drawn on a file of several frames, one slice per frame.

    Args:
        pictures: per slice its layers, each (rows, columns).
        matrix: the label's 4x4 IJK to RAS mm.
        scan: the scan to which the label belongs.
        name: file, for messages.

    Returns:
        Per slice of a view, its layers on the anterior whole-body frame, each with that view.

    Raises:
        UserError: the numbers of frames or the pixel sizes differ, or the label may be flipped or rotated.
    """
    files = scan.source.files
    frames = stored_frames(Path(files[0]), scan) if len(files) == 1 and scan.source.sop_instance_uids else []
    if len(frames) != len(pictures) or not any(frame.view for frame in frames):
        raise UserError(
            f"{name} holds {len(pictures)} slices, not one, and {scan.case} has no file of {len(pictures)} frames; "
            "export the label of one view."
        )
    _check_stored_way(matrix, Path(files[0]), scan, name)
    found: list[list[tuple[Picture, ViewName | None]]] = []
    for layers, frame in zip(pictures, frames, strict=True):
        if frame.view is not None:
            found.append([(on_stored_frame(layer, frame, scan, name), frame.view) for layer in layers])
        elif any(layer.any() for layer in layers):
            raise UserError(f"{name} marks a frame of {scan.case} that is none of its views; draw on the views alone.")
    return found


def _check_stored_way(matrix: NDArray[np.float64], file: Path, scan: WholeBodyScan, name: str) -> None:
    """Reject a label whose row and column directions may differ from the file's.

    Tools that show frames as slices either keep the directions that ITK reads from the file, or state none.
    """
    steps = np.linalg.norm(matrix[:3, :2], axis=0)
    own = next(iter(scan.views.values())).spacing[::-1]
    sized = np.allclose(steps, own, rtol=SPACING_TOLERANCE, atol=0) or np.allclose(steps, 1.0)
    cosines = matrix[:3, :2] / np.where(steps > 0, steps, 1)
    ways = [NO_DIRECTIONS]
    with contextlib.suppress(UserError):
        ways.append(read_slices(file)[1][:3, :2])
    stored = any(
        np.abs(cosines - way / np.linalg.norm(way, axis=0)).max() <= DIRECTION_TOLERANCE for way in ways if way.any()
    )
    if not sized or not stored:
        raise UserError(
            f"{name} has pixels of {steps[0]:.4g} x {steps[1]:.4g} mm or directions other than the frames of "
            f"{scan.case}, so that left and right are not sure; draw it on that very file and save it without turning."
        )
