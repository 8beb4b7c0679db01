"""Edit lesions by mouse: outline a missed lesion, remove a false one, resize, join or cut lesions.

Every function takes a labelmap, (rows, columns) whole numbers from 0, for none, to 65535 on the anterior whole-body
frame, and returns a new one, uint16; anything else is a UserError. `edits.update_edits` then stores the change like a
stroke of a brush: undo and sliders work as usual.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...common.errors import UserError
from ...scan.aggregation import views_on_anterior_grid
from ...scan.planar import PlanarView, ViewName, WholeBodyScan
from ..components import EIGHT_CONNECTED, fill_holes
from ..measurement import contrast_ring
from .bridge import bridge_between
from .checks import check_view, distance_of, labelmap_of, next_id, probability_of, spacing_of
from .growth import Mask, grow_from
from .positions import Ids, Position, lesion_near, line_between, pixel_of

__all__ = [
    "add_lesion",
    "cut_lesion",
    "join_lesions",
    "remove_lesion",
    "resize_lesion",
]

#: A click within this number of pixels of a lesion selects it.
NEAR = 3
#: A view shows the lesion if its mean is at least this multiple of its ring's mean.
CONTRAST = 1.3


def add_lesion(
    ids: Ids,
    scan: WholeBodyScan,
    probabilities: Mapping[ViewName, NDArray[np.float32]],
    position: Position,
    view: ViewName | None = None,
) -> Ids:
    """Outline the lesion at a click; one pixel stays free between it and every other lesion.

    Args:
        ids: the lesions before the click.
        scan: the scan.
        probabilities: per view on the anterior frame; may be empty.
        position: (row, column) on the anterior frame.
        view: the clicked view; None uses every view that shows the lesion clearly.

    Raises:
        UserError: the click lies outside the frame, on a lesion, or too near to one; the scan does not have the view;
            labelmap or probabilities do not fit the scan.
    """
    from scipy import ndimage

    ids = labelmap_of(ids, scan.frame.shape)
    row, column = pixel_of(position, ids.shape)
    if ids[row, column]:
        raise UserError("There is already a lesion at this position; click beside it.")
    number = next_id(ids)
    views = views_on_anterior_grid(scan)
    check_view(view, views)
    maps = {
        name: probability_of(f"probability map of the {name} view", probabilities[name], ids.shape)
        for name in views
        if name in probabilities
    }
    found = {}
    for name, shown in views.items():
        if view in (None, name):
            found[name] = grow_from(shown, maps.get(name), position, ids > 0)
    if view is None and len(found) > 1:
        contrast = {name: _contrast(mask, views[name]) for name, mask in found.items()}
        most = max(contrast, key=lambda name: contrast[name])
        found = {name: mask for name, mask in found.items() if name == most or contrast[name] >= CONTRAST}
    mask = fill_holes(np.asarray(np.any(list(found.values()), axis=0)))
    # Touching lesions would become one: keep a pixel free.
    parts, count = ndimage.label(mask & ~ndimage.binary_dilation(ids > 0, EIGHT_CONNECTED), structure=EIGHT_CONNECTED)
    if not count:
        raise UserError("Another lesion is too near to outline a new one; enlarge that one.")
    # A neighbour may split the area: keep the part nearest to the click.
    pixels = np.argwhere(parts)
    nearest = pixels[((pixels - (row, column)) ** 2).sum(1).argmin()]
    result = ids.copy()
    result[parts == parts[tuple(nearest)]] = number
    return result


def remove_lesion(ids: Ids, position: Position) -> Ids:
    """Remove the lesion at a click, or the nearest one within three pixels.

    Raises:
        UserError: no lesion lies within three pixels.
    """
    result = labelmap_of(ids)
    result[result == _at(result, position)] = 0
    return result


def resize_lesion(ids: Ids, position: Position, by_mm: float, spacing: tuple[float, float]) -> Ids:
    """Enlarge (by_mm > 0) or shrink (by_mm < 0) a lesion on all sides; others keep their pixels and a gap of one pixel.

    Args:
        ids: the lesions before.
        position: (row, column) of the lesion.
        by_mm: distance that its edge moves outwards, in mm.
        spacing: (row, column) spacing of the pixels in mm.

    Raises:
        UserError: there is no lesion, nothing would be left of it, or distance or spacing is no length.
    """
    from scipy import ndimage

    ids, by_mm, spacing = labelmap_of(ids), distance_of(by_mm), spacing_of(spacing)
    number = _at(ids, position)
    own = ids == number
    if by_mm < 0:
        left = ndimage.distance_transform_edt(np.pad(own, 1), sampling=spacing)[1:-1, 1:-1] > -by_mm
        if not left.any():
            raise UserError("Nothing would be left of the lesion; remove it instead.")
        return np.where(own & ~left, 0, ids).astype(np.uint16)
    others = ndimage.binary_dilation((ids > 0) & ~own, EIGHT_CONNECTED)
    near = ndimage.distance_transform_edt(~own, sampling=spacing) <= by_mm
    grown = own | (near & ~others)
    # Do not grow past another lesion.
    parts, _ = ndimage.label(grown, structure=EIGHT_CONNECTED)
    reached = np.isin(parts, np.unique(parts[own]))
    return np.where(grown & reached, number, ids).astype(np.uint16)


def join_lesions(ids: Ids, first: Position, second: Position) -> Ids:
    """Join two lesions by the shortest bridge between them, three pixels wide where there is room.

    The bridge goes round other lesions, and leaves one pixel free between them and itself.

    Raises:
        UserError: there are no two lesions at these positions, or other lesions leave no room for a bridge.
    """
    ids = labelmap_of(ids)
    one, two = _at(ids, first), _at(ids, second)
    if one == two:
        raise UserError("Both positions lie in one lesion; give two lesions.")
    bridge = bridge_between(ids == one, ids == two, (ids > 0) & (ids != one) & (ids != two))
    if bridge is None:
        raise UserError("Another lesion leaves no room to join these two; join one of them with that lesion first.")
    result = ids.copy()
    result[bridge | (ids == two)] = one
    return result


def cut_lesion(ids: Ids, start: Position, end: Position) -> Ids:
    """Cut every lesion that a line crosses, one pixel wide; the largest piece keeps its number.

    Raises:
        UserError: the line divides no lesion, or there is no number left for the pieces.
    """
    from scipy import ndimage

    ids = labelmap_of(ids)
    a, b = pixel_of(start, ids.shape), pixel_of(end, ids.shape)
    line = _without_diagonals(line_between(ids.shape, a, b))
    result = ids.copy()
    crossed = [int(number) for number in np.unique(ids[line]) if number]
    divided = False
    for number in crossed:
        rest = (ids == number) & ~line
        parts, count = ndimage.label(rest, structure=EIGHT_CONNECTED)
        if count < 2:
            continue
        divided = True
        result[ids == number] = 0
        order = np.argsort(-np.bincount(parts.ravel())[1:]) + 1
        for index, part in enumerate(order):
            result[parts == part] = number if index == 0 else next_id(result)
    if not divided:
        raise UserError("The line divides no lesion; draw it across one.")
    return result


def _without_diagonals(line: Mask) -> Mask:
    """Return a line without diagonal steps, across which 8-connected pieces would still touch."""
    whole = line.copy()
    whole[:-1, 1:] |= line[:-1, :-1] & line[1:, 1:]
    whole[:-1, :-1] |= line[:-1, 1:] & line[1:, :-1]
    return whole


def _contrast(mask: Mask, view: PlanarView) -> float:
    ring = contrast_ring(mask.astype(np.uint16), 1, view.spacing)
    around = float(view.counts[ring].mean()) if ring.any() else 0.0
    inside = float(view.counts[mask].mean()) if mask.any() else 0.0
    return inside / around if around > 0 else inside


def _at(ids: Ids, position: Position) -> int:
    """Return the ID of the lesion at a position, or of the nearest one within three pixels."""
    pixel_of(position, ids.shape)
    number = lesion_near(ids, position, NEAR)
    if not number:
        raise UserError("There is no lesion at this position; click on one.")
    return number
