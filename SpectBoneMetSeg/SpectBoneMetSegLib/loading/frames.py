"""Stored frames of a file, before their side (anterior or posterior) is determined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import ViewName

__all__ = ["Frame", "FrameFile"]


@dataclass(frozen=True)
class Frame:
    """A stored image and what its header states about its side.

    Attributes:
        counts: (rows, columns) float64, as stored.
        spacing: (row, column) in mm, None if the file does not state it.
        file: path of the source file.
        code: side in this frame's own view code, None without one.
        other_view: name of a view that is neither anterior nor posterior ("Left lateral"), empty otherwise.
        texts: short header texts or the file's name, which may name the side.
        no_side_field: the format has no field for the side (DICOM Secondary Capture).
        across: direction of increasing columns in the patient, "left" or "right"; "" if not stated.
        down: direction of increasing rows in the patient, "feet" or "head"; "" if not stated.
        shown_inverted: the file requests inverted display, white to black (MONOCHROME1, WhiteIsZero).
        display_name: name of the file in messages; "" for its own name.
        picture: it is an 8-bit grey picture, not a file of counts.
    """

    counts: NDArray[np.float64]
    spacing: tuple[float, float] | None
    file: Path
    code: ViewName | None = None
    other_view: str = ""
    texts: tuple[str, ...] = ()
    no_side_field: bool = False
    across: Literal["", "left", "right"] = ""
    down: Literal["", "feet", "head"] = ""
    shown_inverted: bool = False
    display_name: str = ""
    picture: bool = False

    @property
    def name(self) -> str:
        """Name of the file in messages."""
        return self.display_name or self.file.name


@dataclass(frozen=True)
class FrameFile:
    """Content of one file.

    Attributes:
        file: path as given.
        frames: images in stored order.
        study_uid: StudyInstanceUID, empty for formats without one.
        sop_uid: SOPInstanceUID, empty for formats without one.
        description: manufacturer, model, study date; nothing that identifies the patient.
        warnings: messages for the receipt.
    """

    file: Path
    frames: tuple[Frame, ...]
    study_uid: str = ""
    sop_uid: str = ""
    description: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
