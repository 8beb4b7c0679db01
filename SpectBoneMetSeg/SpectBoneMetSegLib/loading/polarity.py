"""Convert inverted grey values, in which low uptake is bright, to counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..common.errors import UserError
from ..scan.grey import background, bright_air_level
from .frames import Frame

__all__ = ["counts_dark_to_bright"]


def counts_dark_to_bright(frame: Frame, warnings: list[str]) -> Frame:
    """Return the frame as counts; an inversion is added to `warnings`.

    The air around the body decides, not the header: some systems store counts with a header that requests inverted
    display, and screen captures are stored inverted without such a header.

    Raises:
        UserError: the header states inverted grey, and the background of the image is ambiguous.
    """
    name, air = frame.name, background(frame.counts)
    if air == "bright":
        warnings.append(
            f"{name} is stored as inverted grey, its air is the brightest: it was inverted; give the original counts "
            "where there are any."
        )
        inverted = np.clip(bright_air_level(frame.counts) - frame.counts, 0, None)
        return replace(frame, counts=inverted, shown_inverted=False)
    if frame.shown_inverted:
        if air != "dark":
            raise UserError(
                f"{name} is stored as inverted grey (MONOCHROME1 or WhiteIsZero), not as counts; give the original NM "
                "file."
            )
        warnings.append(
            f"{name} requests display as inverted grey, but its air is the darkest: read as counts as stored."
        )
    return frame
