"""Readers' labels of a scan, and the per-view lesions for training.

There are two kinds of labels. A label drawn on one view (on its own grid, or a mask per view of a result folder) is
the reference outline of that view. A label drawn in the anterior whole-body frame of a scan with two views is the
union of both: it does not state which view shows the lesion. Then contrast decides (our rule): the lesion is a label
in the view with the highest contrast, and in the other view if its contrast is at least CONTRAST; else it is "ignore"
there, so that no view is trained on a lesion that it does not show. The union of the views stays as drawn. Outlines
of a union may be larger than the lesion in either view; for per-view outlines accurate to the pixel, draw on each
view.

A view without a label is "ignore" entirely, because no reader assessed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED
from SpectBoneMetSegLib.lesions.measurement import contrast_ring
from SpectBoneMetSegLib.scan.aggregation import views_on_anterior_grid
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ...dataset.cases import Instance

Mask = NDArray[np.bool_]

#: Name of segments and LabelMe labels that are excluded from training and evaluation.
IGNORE_NAME = "ignore"
#: Contrast (mean inside / mean of the surroundings) from which a view shows a lesion drawn on the union of both. On 489
#: simulated lesions whose views are known, the view with the highest contrast was right in 99 %; with 1.3 for the other
#: one, 97 % of the per-view labels were right and 89 % of the true ones kept (with 1.2, 93 % and 94 %). A wrong label
#: is training noise, a lost one is only "ignore".
CONTRAST = 1.3


@dataclass(frozen=True)
class Mark:
    """One marked area.

    Attributes:
        name: name of the segment or label, or the value in a labelmap.
        mask: (rows, columns) bool on the anterior whole-body frame.
        view: the view it was drawn on; None for the union of both.
        ignore: whether it is excluded from training and evaluation.
    """

    name: str
    mask: Mask
    view: ViewName | None
    ignore: bool = False


@dataclass(frozen=True)
class Labels:
    """Labels of one reader on one scan.

    Attributes:
        reader: name, for the report; never in a data set.
        marks: all areas; empty for a scan without lesions.
        covers: the views that were assessed; None is the union of both.
        sources: files or nodes they came from.
        notes: remarks for the report.
    """

    reader: str
    marks: tuple[Mark, ...]
    covers: frozenset[ViewName | None]
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelFile:
    """A label file and the view in its name.

    Attributes:
        path: the file.
        view: view in its name; None: the view is found from the geometry.
    """

    path: Path
    view: ViewName | None = None


@dataclass(frozen=True)
class LabelledScan:
    """A scan with the labels of its readers, in memory.

    Attributes:
        scan: as read.
        labels: one entry a reader.
        patient: patient's ID in the file, "" if there is none; becomes a pseudonym in a data set.
        place: file, folder or node, for the report.
    """

    scan: WholeBodyScan
    labels: tuple[Labels, ...]
    patient: str
    place: str


def covered_views(labels: Labels, scan: WholeBodyScan) -> tuple[ViewName, ...]:
    """Return the views of a scan that the labels cover."""
    return tuple(name for name in scan.views if None in labels.covers or name in labels.covers)


def is_union(labels: Labels) -> bool:
    """Whether a mark is the union of both views."""
    return None in labels.covers


def in_views(labels: Labels, scan: WholeBodyScan) -> Labels:
    """Return the labels of a union as labels of each view, as they are trained on: "ignore" where none is shown."""
    marks = [
        Mark(group[0].name, mask, name, ignore=not labelled[name])
        for group in _by_name(labels.marks)
        for masks, labelled, _ in _pieces(group, scan)
        for name, mask in masks.items()
    ]
    return replace(labels, marks=tuple(marks), covers=frozenset(covered_views(labels, scan)))


def image_of(labels: Labels, view: ViewName | None, shape: tuple[int, int]) -> Mask:
    """Return the (rows, columns) mask of all lesions in a view, or for None in any view, as Eq. 2 compares it."""
    found = [mark.mask for mark in labels.marks if not mark.ignore and (view is None or mark.view == view)]
    return np.any([np.zeros(shape, bool), *found], axis=0)


def instances_of(labels: Labels, scan: WholeBodyScan) -> list[Instance]:
    """Return the lesions of a scan, numbered from head to foot.

    A lesion is one connected piece of a mark; marks of one name that overlap across views are one lesion in both. Two
    marks of one view are two lesions, even if they touch and have one name.
    """
    lesions = [item for marks in _by_name(labels.marks) for item in _pieces(marks, scan)]
    lesions.sort(key=lambda item: _height(item[0]))
    found = [
        Instance(number, masks, labelled, about) for number, (masks, labelled, about) in enumerate(lesions, start=1)
    ]
    return found + unseen(covered_views(labels, scan), scan, len(found) + 1)


def unseen(covered: Sequence[ViewName], scan: WholeBodyScan, number: int) -> list[Instance]:
    """Return an "ignore" that covers every view that was not assessed; empty if all were."""
    missing = [name for name in scan.views if name not in covered]
    if not missing:
        return []
    masks = {name: np.ones(scan.frame.shape, bool) for name in missing}
    return [Instance(number, masks, dict.fromkeys(missing, False), {"source": "not labelled"})]


Piece = tuple[dict[ViewName, Mask], dict[ViewName, bool], dict[str, Any]]


def _by_name(marks: Iterable[Mark]) -> list[list[Mark]]:
    groups: dict[tuple[str, bool], list[Mark]] = {}
    for mark in marks:
        groups.setdefault((mark.name, mark.ignore), []).append(mark)
    return list(groups.values())


def _pieces(marks: list[Mark], scan: WholeBodyScan) -> list[Piece]:
    """Return the lesions in marks of one name, each with its mask in every view."""
    found: list[Piece] = []
    for own in _joined(marks):
        whole = np.any([mark.mask for mark in own], axis=0)
        masks: dict[ViewName, Mask] = {}
        for name in scan.views:
            mask = np.any(
                [np.zeros(whole.shape, bool), *(each.mask for each in own if each.view in (None, name))], axis=0
            )
            if mask.any():
                masks[name] = mask
        union = any(mark.view is None for mark in own)
        wanted = not marks[0].ignore
        labelled = shown_in(whole, scan) if union and wanted else dict.fromkeys(masks, wanted)
        about = {"source": "union of both views" if union and len(scan.views) > 1 else "per view"}
        found.append((masks, {name: labelled[name] for name in masks}, about))
    return found


def _joined(marks: list[Mark]) -> list[list[Mark]]:
    """Return the parts of marks of one name that are one lesion each: connected, and from one mark in every view."""
    from scipy import ndimage

    together = np.any([mark.mask for mark in marks], axis=0)
    components, count = ndimage.label(together, structure=EIGHT_CONNECTED)
    found = []
    for number in range(1, count + 1):
        piece = components == number
        parts = [replace(mark, mask=mark.mask & piece) for mark in marks if (mark.mask & piece).any()]
        found += _one_a_view(parts)
    return found


def _one_a_view(parts: list[Mark]) -> list[list[Mark]]:
    """Divide parts that touch so that no two are of one view; those that overlap most across views stay together."""
    if len({part.view for part in parts}) == len(parts):
        return [parts]
    groups = [[part] for part in parts]
    while True:
        pairs = [
            (_overlap(one, two), i, j)
            for (i, one), (j, two) in combinations(enumerate(groups), 2)
            if {part.view for part in one}.isdisjoint(part.view for part in two)
        ]
        most, i, j = max(pairs, key=lambda pair: pair[0], default=(0, 0, 0))
        if not most:
            return groups
        groups[i] += groups.pop(j)


def _overlap(one: list[Mark], two: list[Mark]) -> int:
    return sum(int((first.mask & second.mask).sum()) for first in one for second in two)


def shown_in(mask: Mask, scan: WholeBodyScan) -> dict[ViewName, bool]:
    """Return {view: whether it shows a lesion drawn on the union of both}; at least one does.

    Args:
        mask: (rows, columns) the lesion, anterior frame.
        scan: the scan on which it was drawn.
    """
    contrast = {name: _contrast(mask, view.counts, scan) for name, view in views_on_anterior_grid(scan).items()}
    most = max(contrast, key=lambda name: contrast[name])
    return {name: name == most or value >= CONTRAST for name, value in contrast.items()}


def _contrast(mask: Mask, counts: NDArray[np.float32], scan: WholeBodyScan) -> float:
    ring = contrast_ring(mask.astype(np.uint16), 1, scan.frame.spacing)
    around = float(counts[ring].mean()) if ring.any() else 0.0
    inside = float(counts[mask].mean())
    return inside / around if around > 0 else inside


def _height(masks: dict[ViewName, Mask]) -> tuple[float, float]:
    """Return the (row, column) centroid of a lesion."""
    rows, columns = np.nonzero(np.any(list(masks.values()), axis=0))
    return float(rows.mean()), float(columns.mean())
