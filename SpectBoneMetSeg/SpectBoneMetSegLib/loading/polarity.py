"""Inverted grey: pictures in which little uptake is bright become counts, in which it is dark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..common.errors import UserError
from ..scan.grey import background, bright_air_level
from .frames import Frame

__all__ = ["counts_dark_to_bright"]


def counts_dark_to_bright(frame: Frame, warnings: list[str]) -> Frame:
    """The frame as counts; what was turned is added to `warnings`.

    The air around the body decides, not the header: systems store counts under a header that wants them shown inverted,
    and screens inverted under a header that does not say so.

    Raises:
        UserError: the header speaks of inverted grey and the picture does not show which end is air.
    """
    name, air = frame.name, background(frame.counts)
    if air == "bright":
        warnings.append(
            f"{name} is stored as inverted grey, its air is the brightest: it was turned round; give the original "
            "counts where there are any."
        )
        turned = np.clip(bright_air_level(frame.counts) - frame.counts, 0, None)
        return replace(frame, counts=turned, shown_inverted=False)
    if frame.shown_inverted:
        if air != "dark":
            raise UserError(
                f"{name} is stored as inverted grey (MONOCHROME1 or WhiteIsZero), not as counts; give the original NM "
                "file."
            )
        warnings.append(
            f"{name} asks to be shown as inverted grey, but its air is the darkest: read as counts as stored."
        )
    return frame
