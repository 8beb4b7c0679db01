"""Grey values that are no counts as they stand: inverted (low uptake is bright), negative, or overflowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..common.plural import pluralize
from ..scan.eight_bit import fill_overflow
from ..scan.grey import background, bright_air_level
from .frames import Frame

__all__ = ["counts_dark_to_bright", "without_negatives", "without_overflow"]

#: Signed 16-bit values continue at the negative of this one after its predecessor.
SIGNED_END = 2**15


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


def without_negatives(counts: NDArray[np.float64], view: str, file: str, warnings: list[str]) -> NDArray[np.float64]:
    """Set negative values to 0, and add a warning with its remedy."""
    found = f"{file} has {pluralize(int((counts < 0).sum()), 'negative pixel')} in {view}, set to 0"
    overflowed = counts.min() < -SIGNED_END / 2 and counts.max() > SIGNED_END / 2
    warnings.append(
        f"{found}: they may be the hottest, whose counts exceed 16 signed bits; export the scan with unsigned pixels."
        if overflowed
        else f"{found}: counts are never negative; export the scan as it was acquired, without subtraction or filter."
    )
    return counts.clip(0, None)


def without_overflow(counts: NDArray[Any], display_name: str, warnings: list[str]) -> NDArray[Any]:
    """Set overflowed hot spots of an 8-bit image to the highest value, a lower bound, and add a warning."""
    filled, lost = fill_overflow(counts)
    overflowed = int((lost & (filled != counts)).sum())
    if not overflowed:
        return counts
    warnings.append(
        f"{display_name} has hot spots that overflowed the 8 bits of its grey values: {overflowed} dark pixels in "
        "them were set to the highest value, their counts are lost; export the original counts where there are any."
    )
    return filled
