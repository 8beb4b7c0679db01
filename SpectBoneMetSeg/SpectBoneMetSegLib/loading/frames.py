"""One stored picture before anyone has decided which side of the patient it shows."""

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
    """A picture and what its header says about its side.

    Attributes:
        counts: (rows, columns) float64, as stored.
        spacing: (row, column) in mm, None when the file does not say.
        file: where it came from.
        code: side told by this frame's own view code, None without one.
        other_view: name of a view that is neither anterior nor posterior ("Left lateral"), empty otherwise.
        texts: short header texts or the file's name, which may name the side.
        no_side_field: the format has no place for a side (DICOM Secondary Capture).
        across: where the columns run in the patient, "left" or "right"; "" when the file does not say.
        down: where the rows run, "feet" or "head"; "" when the file does not say.
        shown_inverted: the file wants its values shown from white to black (MONOCHROME1, WhiteIsZero).
        display_name: how sentences name the file; "" for its own name.
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
        """How sentences name the file."""
        return self.display_name or self.file.name


@dataclass(frozen=True)
class FrameFile:
    """What one file holds.

    Attributes:
        file: path as given.
        frames: pictures in stored order.
        study_uid: StudyInstanceUID, empty for formats without one.
        sop_uid: SOPInstanceUID, empty for formats without one.
        description: manufacturer, model, study date; nothing that names the patient.
        warnings: sentences for the receipt.
    """

    file: Path
    frames: tuple[Frame, ...]
    study_uid: str = ""
    sop_uid: str = ""
    description: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
