"""Find the pixel size of a public set: given, stated, in the files' headers, or estimated from the bodies' height."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.eight_bit import STATURE_MM, pixel_size_of_body

from .description import PublicSet
from .listing import Listing
from .views import read_view

__all__ = ["PixelSize", "find_pixel_size"]

#: Number of scans, spread over the set, from which its pixel size is estimated.
MEASURED_SCANS = 200


@dataclass(frozen=True)
class PixelSize:
    """The pixel size of a set.

    Attributes:
        edge: mm; None where every file states its own.
        source: where it is from.
        estimated: whether it is an estimate.
    """

    edge: float | None
    source: str
    estimated: bool = False


def find_pixel_size(found: PublicSet, listing: Listing, given: float | None) -> PixelSize:
    """Return the one pixel size of all scans; the same files give the same size.

    Args:
        found: description of the set.
        listing: its files.
        given: mm, by the user; it goes before all others.

    Raises:
        UserError: nothing states it, and no scan shows a whole body.
    """
    if given is not None:
        return PixelSize(given, "given by the user")
    if found.pixel_mm is not None:
        return PixelSize(found.pixel_mm, found.pixel_source)
    places = sorted(listing.of("scan").items())
    sizes = []
    for _, path in places[:: max(1, len(places) // MEASURED_SCANS)]:
        try:
            view = read_view(path, found, "anterior", as_counts=False)
        except UserError:
            continue
        if view.spacing is not None:
            return PixelSize(None, found.pixel_source)
        edge = pixel_size_of_body(view.counts)
        if edge is not None:
            sizes.append(edge)
    if not sizes:
        raise UserError(
            f"No scan of {found.title} shows a whole body from which to estimate the pixel size; give it.",
            "pixel_size",
        )
    spread = float(np.std(sizes) / np.mean(sizes)) if len(sizes) > 1 else 0.0
    source = (
        f"{found.pixel_source}; estimated from the height of {len(sizes)} bodies, taken for "
        f"{STATURE_MM / 10:.0f} cm on average (they differ by {spread:.0%})"
    )
    return PixelSize(round(float(np.median(sizes)), 2), source, estimated=True)
