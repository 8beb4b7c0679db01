"""Consensus of several readers of one scan (Lin et al. 2022, Sec. 2.2; see `reader_agreement` for Eq. 2).

An image is a view, or the union of both views if a reader outlined the union and every other reader assessed both
views. If every pair of readers differs by at most 5 %, one reader's outlines are chosen at random; else the consensus
is the majority vote per pixel, and the image is listed for re-annotation. Lesions without a pixel of the majority are
"ignore", as in the simulated data. What any reader excluded stays excluded, except for pixels of the consensus lesions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from SpectBoneMetSegLib.lesions.components import EIGHT_CONNECTED
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ...dataset.reader_agreement import LARGEST_DIFFERENCE, area_difference, dice, majority
from .marks import IGNORE_NAME, Labels, Mark, Mask, covered_views, image_of, in_views, is_union

__all__ = ["Consensus", "ReaderPair", "comparable", "settle"]

#: Name of a consensus lesion, which no single reader outlined.
AGREED_NAME = "agreed"


@dataclass(frozen=True)
class ReaderPair:
    """Two readers on one image.

    Attributes:
        image: "anterior", "posterior" or "union".
        first: name of the first reader.
        second: name of the second reader.
        difference: Eq. 2, 0..1.
        dice: Dice coefficient of the same masks, 0..1.
        first_pixels: area of the first reader's mask in pixels.
        second_pixels: area of the second reader's mask in pixels.
    """

    image: str
    first: str
    second: str
    difference: float
    dice: float
    first_pixels: int
    second_pixels: int


@dataclass(frozen=True)
class Consensus:
    """The consensus labels of one scan.

    Attributes:
        labels: labels for training.
        decided_by: "one reader" (no image has two), "agreement" or "majority" (in any image).
        comparisons: every pair on every image.
        again: the images to be annotated again.
    """

    labels: Labels
    decided_by: Literal["one reader", "agreement", "majority"]
    comparisons: tuple[ReaderPair, ...] = ()
    again: tuple[str, ...] = ()

    @property
    def largest_difference(self) -> float | None:
        """Largest area difference of any pair on any image, 0..1; None without pairs."""
        return max((item.difference for item in self.comparisons), default=None)


def settle(readers: Sequence[Labels], scan: WholeBodyScan, rng: np.random.Generator) -> Consensus:
    """Compute the consensus of at least one reader of a scan; `rng` chooses among agreeing readers."""
    if len(readers) == 1:
        return Consensus(readers[0], "one reader")
    readers, images = comparable(readers, scan)
    order = [readers[i] for i in rng.permutation(len(readers))]
    marks: list[Mark] = []
    covers: set[ViewName | None] = set()
    compared: list[ReaderPair] = []
    again: list[str] = []
    for image in images:
        group = [labels for labels in order if _speaks_of(labels, image, scan)]
        if not group:
            continue
        covers.add(image)
        pairs = _compare([labels for labels in readers if _speaks_of(labels, image, scan)], image, scan)
        compared += pairs
        # Numerical tolerance, so that 19 of 20 pixels differ by no more than 5 %.
        if max((pair.difference for pair in pairs), default=0.0) <= LARGEST_DIFFERENCE + 1e-9:
            found = [mark for mark in group[0].marks if image is None or mark.view == image]
        else:
            again.append(image or "union")
            found = _majority(group, image, scan)
        marks += [*found, *_excluded(group, found, image, scan)]
    if again:
        # Lesions of different origin are merged by position.
        marks = [replace(mark, name=AGREED_NAME) for mark in marks]
    sources = tuple(source for labels in readers for source in labels.sources)
    notes = tuple(note for labels in readers for note in labels.notes)
    agreed = Labels(AGREED_NAME, tuple(marks), frozenset(covers), sources, notes)
    decided_by: Literal["majority", "agreement", "one reader"] = (
        "majority" if again else "agreement" if compared else "one reader"
    )
    return Consensus(agreed, decided_by, tuple(compared), tuple(again))


def comparable(readers: Sequence[Labels], scan: WholeBodyScan) -> tuple[list[Labels], list[ViewName | None]]:
    """Return the readers' labels as they are compared, and the images in which they are; None is the union.

    A reader of one view says nothing about the union. With such a reader, outlines of the union are compared in each
    view that shows them, so that no pair of readers goes uncompared.
    """
    if not any(is_union(labels) for labels in readers):
        return list(readers), list(scan.views)
    if all(_speaks_of(labels, None, scan) for labels in readers):
        return list(readers), [None]
    return [in_views(labels, scan) if is_union(labels) else labels for labels in readers], list(scan.views)


def _speaks_of(labels: Labels, image: ViewName | None, scan: WholeBodyScan) -> bool:
    covered = covered_views(labels, scan)
    return set(covered) == set(scan.views) if image is None else image in covered


def _compare(group: Sequence[Labels], image: ViewName | None, scan: WholeBodyScan) -> list[ReaderPair]:
    masks = [image_of(labels, image, scan.frame.shape) for labels in group]
    return [
        ReaderPair(
            image or "union",
            one.reader,
            two.reader,
            area_difference(first, second),
            dice(first, second),
            int(first.sum()),
            int(second.sum()),
        )
        for (one, first), (two, second) in combinations(zip(group, masks, strict=True), 2)
    ]


def _majority(group: Sequence[Labels], image: ViewName | None, scan: WholeBodyScan) -> list[Mark]:
    """Return the majority vote as lesions, and lesions that it does not touch as "ignore"."""
    from scipy import ndimage

    masks = [image_of(labels, image, scan.frame.shape) for labels in group]
    agreed = majority(masks)
    touched = np.any(masks, axis=0)
    pieces, _ = ndimage.label(touched, structure=EIGHT_CONNECTED)
    disputed = touched & ~np.isin(pieces, np.unique(pieces[agreed]))
    marks = [Mark(AGREED_NAME, agreed, image), Mark(AGREED_NAME, disputed, image, ignore=True)]
    return [mark for mark in marks if mark.mask.any()]


def _excluded(
    group: Sequence[Labels], marks: Sequence[Mark], image: ViewName | None, scan: WholeBodyScan
) -> list[Mark]:
    """Return, per view, what any reader of the group excluded and `marks` do not contain."""
    found = []
    for name in scan.views if image is None else [image]:
        said = _all_of([mark for labels in group for mark in labels.marks if mark.ignore], name, scan)
        rest = said & ~_all_of(marks, name, scan)
        if rest.any():
            found.append(Mark(IGNORE_NAME, rest, name, ignore=True))
    return found


def _all_of(marks: Sequence[Mark], view: ViewName, scan: WholeBodyScan) -> Mask:
    masks = [mark.mask for mark in marks if mark.view in (None, view)]
    return np.any([np.zeros(scan.frame.shape, bool), *masks], axis=0)
