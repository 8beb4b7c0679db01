"""Read a view of a public set as counts, oriented as acquired, with a record of the processing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import DamagedFileError, UserError
from SpectBoneMetSegLib.common.native_output import native_output
from SpectBoneMetSegLib.loading.grey_values import counts_dark_to_bright
from SpectBoneMetSegLib.loading.images import read_image
from SpectBoneMetSegLib.scan.eight_bit import fill_overflow, find_gain
from SpectBoneMetSegLib.scan.planar import ViewName

from .description import PublicSet

__all__ = ["SetView", "as_acquired", "downloaded", "read_view"]

#: Of the reader's warnings those that hold for every picture of such a set; its description states its grey values.
KNOWN = ("has 8-bit grey values", "was compressed with loss")
#: Headers of pixels in a file of their own, and the line that names it.
PIXEL_FILES = {
    ".mhd": re.compile(r"^ElementDataFile\s*=\s*(.+?)\s*$", re.MULTILINE),
    ".nhdr": re.compile(r"^data ?file:\s*(.+?)\s*$", re.MULTILINE | re.IGNORECASE),
}
HEADER_BYTES = 2**16


@dataclass(frozen=True)
class SetView:
    """A view.

    Attributes:
        counts: (rows, columns) float32 whole numbers, as acquired.
        spacing: (row, column) mm, None where not stated.
        about: JSON values: gain and its source, overflowed or clipped pixels, inversion.
        doubts: sentences on why its file may be damaged or not what it seems.
    """

    counts: NDArray[np.float32]
    spacing: tuple[float, float] | None
    about: dict[str, Any]
    doubts: tuple[str, ...] = ()


def read_view(path: Path, found: PublicSet, view: ViewName, *, as_counts: bool = True) -> SetView:
    """Read a scan's file.

    Args:
        path: image file of one view.
        found: description of the set.
        view: the view that it shows.
        as_counts: divide grey values by their gain if it can be estimated; else they stay as stored.

    Raises:
        UserError: it is not a grey image of the set's size, or is damaged.
    """
    with downloaded(path):
        file = read_image(path, path.stem)
    if len(file.frames) != 1:
        raise UserError(f"{path} holds {len(file.frames)} images, not one view.")
    notes: list[str] = []
    frame = counts_dark_to_bright(file.frames[0], notes)
    grey = np.rint(frame.counts.clip(0, None))
    if found.size is not None and grey.shape != found.size:
        raise UserError(
            f"{path} has {grey.shape[1]} x {grey.shape[0]} pixels, those of {found.title} have {found.size[1]} x "
            f"{found.size[0]}."
        )
    if not grey.any():
        raise UserError(f"{path} holds no counts.")
    about: dict[str, Any] = {"turned from inverted grey": True} if notes else {}
    if frame.picture:
        filled, lost = fill_overflow(grey)
        about["pixels_cut_off_or_ran_over"] = int(lost.sum())
        about["pixels_ran_over"] = int((lost & (filled != grey)).sum())
        grey = filled
    gain = find_gain(grey) if as_counts and not found.counts else None
    if gain is not None:
        about |= {"grey_values_a_count": gain.value, "told_by": gain.source}
        stretched = grey.max() > 255
        grey = np.rint((grey + 0.5) / gain.value) if stretched else np.rint(grey / gain.value)
    elif as_counts and not found.counts:
        about["grey_values_kept"] = True
    grey = as_acquired(grey.clip(0, 65535), found, view)
    # Both views of a patient may have one name.
    named = [warning.replace(path.name, f"{path.parent.name}/{path.name}", 1) for warning in file.warnings]
    doubts = tuple(warning for warning in named if not any(known in warning for known in KNOWN))
    return SetView(np.ascontiguousarray(grey, np.float32), frame.spacing, about, doubts)


@contextmanager
def downloaded(path: Path) -> Iterator[None]:
    """Name the remedy for a damaged file of a public set, which nobody here can export again.

    Raises:
        UserError: the file is empty, cut short or damaged, cannot be read, or the file of its pixels is missing.
    """
    try:
        pixels = _file_of_pixels(path)
        if pixels is not None and not pixels.exists():
            raise UserError(f"{pixels} is missing, which holds the pixels of {path.name}; download it again.")
        # The library prints of a MetaImage that is cut short, besides raising an error.
        with native_output(wanted=path.suffix.lower() in (".mhd", ".mha")):
            yield
    except (DamagedFileError, OSError) as error:
        raise UserError(f"{path} is cut short or damaged; download it again.") from error


def _file_of_pixels(path: Path) -> Path | None:
    """Return the one file that a header names for its pixels; None of another file or of several."""
    line = PIXEL_FILES.get(path.suffix.lower())
    if line is None:
        return None
    with path.open("rb") as stream:
        stated = line.search(stream.read(HEADER_BYTES).decode("utf-8", "replace"))
    # "LOCAL" is the header's own file; a list and a pattern with "%" name several.
    if stated is None or stated[1].upper().startswith(("LOCAL", "LIST")) or "%" in stated[1]:
        return None
    return path.parent / stated[1]


def as_acquired(image: NDArray[Any], found: PublicSet, view: ViewName) -> NDArray[Any]:
    """Return (rows, columns) as acquired: a posterior view that is stored flipped is flipped back."""
    return image[:, ::-1] if view == "posterior" and found.posterior == "flipped" else image
