"""Find which view of a scan each stored frame of its DICOM file holds; outlines refer to stored frames.

Frames are matched by their counts, so that a misread view code cannot put an outline on the wrong side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import ViewName, WholeBodyScan
from .dicom import load_dataset
from .dicom_pixels import decode_counts, frame_count
from .frames import Frame
from .grey_values import counts_dark_to_bright

__all__ = ["StoredFrame", "stored_frames", "stored_views"]

#: (row step, column step): flips that reading may have applied to a frame.
FLIPS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True)
class StoredFrame:
    """A frame of a file.

    Attributes:
        view: the view whose counts it holds; None if it holds none of the scan's views.
        turn: (row step, column step) of the flip between frame and view, one of FLIPS.
        number: frame number from 1, in stored order.
        shape: (rows, columns) as stored.
        columns: half-open column range of the view in an image of both views; None if the frame holds one view.
    """

    view: ViewName | None
    turn: tuple[int, int] = (1, 1)
    number: int = field(default=0, compare=False)
    shape: tuple[int, int] = (0, 0)
    columns: tuple[int, int] | None = None

    def as_stored(self, pixels: NDArray[np.integer]) -> NDArray[np.integer]:
        """Map (rows, columns) pixels of the view's grid to the stored frame; 0 outside the view."""
        down, across = self.turn
        turned = pixels[::down, ::across]
        if self.columns is None:
            return np.ascontiguousarray(turned)
        whole = np.zeros(self.shape, pixels.dtype)
        whole[:, slice(*self.columns)] = turned
        return whole

    def to_view(self) -> NDArray[np.float64]:
        """Return the 4x4 matrix from (column, row, slice) of the stored frame to those of the view's grid."""
        rows, width = self.shape
        first, end = self.columns or (0, width)
        matrix = np.eye(4)
        matrix[0, 3] = -first
        if self.turn[1] < 0:
            matrix[0, 0], matrix[0, 3] = -1.0, end - 1.0
        if self.turn[0] < 0:
            matrix[1, 1], matrix[1, 3] = -1.0, rows - 1.0
        return matrix


def stored_frames(file: Path, scan: WholeBodyScan) -> list[StoredFrame]:
    """Return every frame of a DICOM file, in stored order; empty if its pixels cannot be read."""
    try:
        return [
            replace(_match(counts, scan), number=number, shape=counts.shape)
            for number, counts in enumerate(_pictures(file), start=1)
        ]
    except Exception:  # noqa: BLE001 - pydicom and its decoders raise whatever a damaged header makes them
        return []


def stored_views(file: Path, scan: WholeBodyScan) -> dict[ViewName, StoredFrame]:
    """Return the frame, or half of a frame, that holds each view; empty if the file's pixels cannot be read."""
    found: dict[ViewName, StoredFrame] = {}
    try:
        for number, counts in enumerate(_pictures(file), start=1):
            rows, width = counts.shape
            for columns in (None, (0, width // 2), (width // 2, width), (width - width // 2, width)):
                part = counts if columns is None else counts[:, slice(*columns)]
                frame = _match(part, scan)
                if frame.view is not None and frame.view not in found:
                    found[frame.view] = replace(frame, number=number, shape=(rows, width), columns=columns)
    except Exception:  # noqa: BLE001 - pydicom and its decoders raise whatever a damaged header makes them
        return {}
    return found


def _pictures(file: Path) -> Iterator[NDArray[np.float32]]:
    header, _ = load_dataset(file, pixels=True, name=file.name)
    frames, _ = decode_counts(header, file.name)
    if len(frames) != frame_count(header):
        return
    inverted = str(header.get("PhotometricInterpretation", "")) == "MONOCHROME1"
    for frame in frames:
        bright = counts_dark_to_bright(Frame(frame, None, file, shown_inverted=inverted), [])
        yield bright.counts.clip(0, None).astype(np.float32)


def _match(counts: NDArray[np.float32], scan: WholeBodyScan) -> StoredFrame:
    matches = [
        StoredFrame(name, flip)
        for name, view in scan.views.items()
        for flip in FLIPS
        if np.array_equal(view.counts, counts[:: flip[0], :: flip[1]])
    ]
    return matches[0] if len({item.view for item in matches}) == 1 else StoredFrame(None)
