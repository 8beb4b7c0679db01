"""LabelMe JSON: shapes drawn on an image of one view.

The image must show one view in the view's own pixels, the posterior one as acquired, from behind. A LabelMe file has no
patient coordinates, so only its size and name can be checked. Old versions and scripts omit the size; it is then read
from the image inside the file or next to it.
"""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.grids import drawn_view, on_frame_of, view_grid
from ..labels.marks import IGNORE_NAME, Mark
from .labelme_shapes import NoAreaError, filled, size_of_picture

__all__ = ["is_labelme", "read_labelme"]

#: Encodings to try, in this order, for a JSON file that is not UTF-8; they affect names only.
OTHER_ENCODINGS = ("cp1252", "gb18030", "latin-1")


def is_labelme(path: Path) -> bool:
    """Whether a JSON file is one of LabelMe's.

    Raises:
        UserError: it cannot be read.
    """
    content = _json(path, [])
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(
    path: Path, scan: WholeBodyScan, named_view: ViewName | None = None, notes: list[str] | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """Read the marks of a LabelMe file and the view that it covers.

    Args:
        path: the file.
        scan: the scan whose picture was annotated.
        named_view: the view in its name, None for none.
        notes: list to which remarks about skipped parts are added.

    Raises:
        UserError: damaged, another picture's size or none, no view named on a scan with two, or shapes of which none
            marks a pixel.
    """
    notes = [] if notes is None else notes
    content = _load(path, notes)
    view = drawn_view(path.name, scan, named_view)
    rows, columns = scan.views[view].shape
    stated = _size(content, path)
    if stated != (rows, columns):
        raise UserError(
            f"{path.name} was drawn on an image of {stated[1]} x {stated[0]} pixels, the {view} view of {scan.case} "
            f"has {columns} x {rows}; annotate an image of that view alone, pixel by pixel."
        )
    grid = view_grid(scan.views[view], view)
    return [
        Mark(name, on_frame_of(mask, grid, scan), view, name.strip().lower() == IGNORE_NAME)
        for name, mask in _drawn(content["shapes"], (rows, columns), path.name, notes)
    ], frozenset([view])


def _drawn(
    shapes: list[Any], size: tuple[int, int], name: str, notes: list[str]
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return (label, mask) of every shape that contains a pixel; the others are reported in `notes`.

    Raises:
        UserError: a damaged shape, or shapes of which none marks anything.
    """
    found: list[tuple[str, NDArray[np.bool_]]] = []
    without_area: list[NoAreaError] = []
    for shape in shapes:
        try:
            mask = filled(shape, size, name)
        except NoAreaError as error:
            without_area.append(error)
            continue
        if mask.any():
            found.append((str(shape.get("label", "")), mask))
    if shapes and not found:
        if without_area:
            raise without_area[0]
        raise UserError(
            f"{name} has {pluralize(len(shapes), 'shape')} and none marks a pixel, outside of the image or thinner "
            "than one; draw on the image, or delete all shapes to say that there is no lesion."
        )
    notes += [f"{error} It was ignored." for error in without_area[:1]]
    lost = len(shapes) - len(found) - len(without_area)
    if lost:
        notes.append(
            f"{name} has {lost} of {len(shapes)} shapes outside of the image or thinner than a pixel; they mark "
            "nothing."
        )
    return found


def _size(content: dict[str, Any], path: Path) -> tuple[int, int]:
    """Return (rows, columns) of the annotated image, from the file itself or the image in it or next to it.

    Raises:
        UserError: the size is not known.
    """
    try:
        return int(content["imageHeight"]), int(content["imageWidth"])
    except (KeyError, TypeError, ValueError):
        pass
    found = size_of_picture(content.get("imageData")) if content.get("imageData") else None
    # The path may be one of a Windows machine; its last part alone is looked for here.
    beside = path.parent / PureWindowsPath(str(content.get("imagePath") or "")).name
    if found is None and beside.is_file():
        found = _size_of_file(beside)
    if found is None:
        raise UserError(
            f"{path.name} does not state how large its image was (imageHeight and imageWidth); open it in LabelMe "
            "with its image and save it again."
        )
    return found


def _size_of_file(path: Path) -> tuple[int, int] | None:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.height, picture.width
    except (OSError, ValueError):
        return None


def _load(path: Path, notes: list[str]) -> dict[str, Any]:
    content = _json(path, notes)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise UserError(f"{path.name} is no LabelMe file; save the annotation from LabelMe.")
    return content


def _json(path: Path, notes: list[str]) -> Any:
    """Parse a JSON file, also in Windows encodings; a guessed encoding is reported in `notes`.

    Raises:
        UserError: it cannot be opened or is no JSON.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path.name} cannot be opened ({reason_of(error)}); ask for permission to read it.") from error
    try:
        # UTF-8 with or without a mark, UTF-16 and UTF-32.
        return json.loads(raw)
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path.name} is damaged or no LabelMe file; save it again.") from error
    for encoding in sorted(OTHER_ENCODINGS, key=lambda name: name == "cp1252" and _in_pairs(raw)):
        try:
            content = json.loads(raw.decode(encoding))
        except (ValueError, RecursionError):
            continue
        notes.append(f"{path.name} is not UTF-8 and was read as {encoding}: the names in it may be wrong.")
        return content
    raise UserError(f"{path.name} is damaged or no LabelMe file; save it again.")


def _in_pairs(raw: bytes) -> bool:
    """Whether non-ASCII bytes are adjacent more often than alone, as in Chinese and not in western text."""
    high = np.concatenate([[False], np.frombuffer(raw, np.uint8) >= 0x80, [False]])
    alone = high[1:-1] & ~high[:-2] & ~high[2:]
    return int(high.sum()) > 2 * int(alone.sum())
