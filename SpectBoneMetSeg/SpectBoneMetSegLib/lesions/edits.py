"""Manual edits of a result; they persist when the sliders change the other lesions."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..scan.planar import VIEW_NAMES, PlanarView, ViewName
from .components import EIGHT_CONNECTED, fill_holes, number_lesions
from .delineation import LesionMasks, lesion_masks

__all__ = [
    "EditSteps",
    "Edits",
    "apply_edits",
    "clicked_from",
    "clicked_text",
    "edits_from",
    "edits_text",
    "update_edits",
]

Mask = NDArray[np.bool_]
Maps = Mapping[ViewName, NDArray[np.float32]]


@dataclass(frozen=True)
class Edits:
    """Manual edits, (rows, columns) masks on the anterior whole-body frame.

    Attributes:
        touched: pixels of edited lesions, before or after the edit; there the edit overrides the model.
        others: lesions that were not edited; of a model's area that merges with an edit they keep their part.
        views: per view the edited lesions' pixels; a subset of `touched`.
    """

    touched: Mask
    others: Mask
    views: dict[ViewName, Mask]

    @property
    def mask(self) -> Mask:
        """Return the (rows, columns) mask of the edited lesions, both views together."""
        return np.asarray(np.any(np.stack(list(self.views.values())), axis=0))

    def erased(self, found: Mask) -> int:
        """Return the number of areas that were erased manually.

        Args:
            found: (rows, columns) where the model found lesions; what was drawn and erased again is not counted.
        """
        from scipy import ndimage

        components, _ = ndimage.label(self.touched, structure=EIGHT_CONNECTED)
        return int(np.setdiff1d(components[self.touched & found], components[self.mask]).size)


class EditSteps:
    """The edits at each recent labelmap: undo and redo return to them, and are no further edits.

    They hold for one pair of limits; `restart` forgets them.
    """

    #: Labelmaps that are kept; Slicer's editor undoes fewer steps.
    MOST = 20

    def __init__(self) -> None:
        """Know no labelmap."""
        self._known: dict[bytes, Edits | None] = {}

    def restart(self, labels: NDArray[np.integer], edits: Edits | None) -> None:
        """Know only this labelmap."""
        self._known.clear()
        self.keep(labels, edits)

    def keep(self, labels: NDArray[np.integer], edits: Edits | None) -> None:
        """Store the edits at a (rows, columns) labelmap, 0 = none."""
        self._known[self._key(labels)] = edits
        while len(self._known) > self.MOST:
            self._known.pop(next(iter(self._known)))

    def known(self, labels: NDArray[np.integer]) -> bool:
        """Return whether the edits at a labelmap are known."""
        return self._key(labels) in self._known

    def at(self, labels: NDArray[np.integer]) -> Edits | None:
        """Return the edits at a known labelmap."""
        return self._known[self._key(labels)]

    @staticmethod
    def _key(labels: NDArray[np.integer]) -> bytes:
        return hashlib.blake2b(np.packbits(labels > 0).tobytes()).digest()


def update_edits(
    probabilities: Maps,
    frame: PlanarView,
    shown: NDArray[np.uint8],
    labels: NDArray[np.integer],
    threshold: float,
    edits: Edits | None,
    clicked: Mapping[ViewName, Mask] | None = None,
) -> Edits | None:
    """Return the edits after a labelmap was changed; `edits` itself if nothing changed.

    A changed lesion belongs to the views whose segmentation at `threshold` overlaps it and to those in which it was
    clicked; if there are none, to all views. Added pixels are added in each of its views, removed pixels are removed
    from all views. Holes are filled.

    Args:
        probabilities: per view (rows, columns) on `frame`.
        frame: the anterior whole-body frame.
        shown: (rows, columns) the lesions before the change, 0 = none.
        labels: (rows, columns) the labelmap after it, 0 = none.
        threshold: current threshold of the probability.
        edits: earlier edits; None if there are none.
        clicked: per view (rows, columns) mask of what was outlined by a click in it.

    Raises:
        ValueError: the labels do not have the shape of the frame.
    """
    from scipy import ndimage

    if labels.shape != frame.shape:
        raise ValueError(f"labels of shape {labels.shape} do not fit the frame's {frame.shape}")
    before, now = shown > 0, fill_holes(labels > 0)
    changed = before != now
    if not changed.any():
        return edits
    # Old and new pixels of a lesion count as one region, so that a cut lesion is edited in both its pieces.
    components, _ = ndimage.label(before | now, structure=EIGHT_CONNECTED)
    region = np.isin(components, np.unique(components[changed]))
    drawn = _edited_views(probabilities, frame, number_lesions(now & region), threshold, clicked or {})
    if edits is None:
        return Edits(region, now & ~region, drawn)
    views = {name: (edits.views[name] & ~region) | mask for name, mask in drawn.items()}
    others = (edits.others | (now & ~edits.mask)) & ~region
    return Edits(edits.touched | region, others, views)


def apply_edits(
    found: LesionMasks, own: Mask, edits: Edits, frame: PlanarView, minimum_area_mm2: float, seeds: Mask
) -> LesionMasks:
    """Combine the model's lesions at a threshold with the manually edited ones.

    Where the model's area overlaps `edits.touched`, it is dropped, except for the part that lies nearer to
    another lesion. One pixel stays free between both, so that an edited lesion never merges with another.

    Args:
        found: the model's lesions at the current threshold.
        own: (rows, columns) the model's lesions at its own threshold.
        edits: the manual edits.
        frame: the anterior whole-body frame.
        minimum_area_mm2: smaller remains of a model's area are dropped.
        seeds: (rows, columns) where the probability reaches the seed threshold; remains without a seed are dropped.
    """
    from scipy import ndimage

    model = found.union > 0
    overlapped = np.unique(found.union[edits.touched & model])
    if overlapped.size:
        merged = np.isin(found.union, overlapped)
        others = merged & (edits.others | _untouched_components(own, edits.touched)) & ~edits.touched
        nearer = np.ones(frame.shape, bool)
        if others.any():
            to_edits, to_others = (
                ndimage.distance_transform_edt(~mask, sampling=frame.spacing) for mask in (edits.touched, others)
            )
            nearer = to_edits <= to_others
        model &= ~(merged & nearer)
    model &= ~ndimage.binary_dilation(edits.touched, EIGHT_CONNECTED)
    model = _kept_components(model, minimum_area_mm2 / (frame.spacing[0] * frame.spacing[1]), seeds)
    ids = number_lesions(model | edits.mask)
    views = {
        name: np.where((model & (part > 0)) | edits.views[name], ids, 0).astype(np.uint16)
        for name, part in found.views.items()
    }
    return LesionMasks(ids, views)


def edits_text(edits: Edits) -> str:
    """Encode edits as a compact text, for a file or a scene."""
    return _packed([edits.touched, edits.others, *(edits.views[name] for name in VIEW_NAMES if name in edits.views)])


def edits_from(text: str, views: tuple[ViewName, ...], shape: tuple[int, int]) -> Edits:
    """Decode the text of `edits_text`.

    Args:
        text: from `edits_text`.
        views: the views of the scan, anterior first.
        shape: (rows, columns) of the anterior whole-body frame.

    Raises:
        ValueError: the text does not fit these views and this shape.
    """
    touched, others, *own = _unpacked(text, 2 + len(views), shape)
    return Edits(touched, others, dict(zip(views, own, strict=True)))


def clicked_text(clicked: Mapping[ViewName, Mask]) -> dict[str, str]:
    """Encode the click masks of `update_edits` as compact texts, one per view."""
    return {name: _packed([mask]) for name, mask in clicked.items()}


def clicked_from(texts: Mapping[str, str], views: Iterable[ViewName], shape: tuple[int, int]) -> dict[ViewName, Mask]:
    """Decode the texts of `clicked_text`.

    Raises:
        ValueError: a text does not fit this shape.
    """
    return {name: _unpacked(texts[name], 1, shape)[0] for name in views if name in texts}


def _packed(masks: list[Mask]) -> str:
    return base64.b64encode(zlib.compress(np.packbits(np.stack(masks)).tobytes(), 9)).decode()


def _unpacked(text: str, number: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a text of `_packed` into (number, rows, columns) masks."""
    try:
        packed = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
        count = number * shape[0] * shape[1]
        if packed.size != -(-count // 8):
            raise ValueError(f"{packed.size} bytes")
    except (ValueError, zlib.error) as error:
        raise ValueError(f"the edits do not belong to {number} masks of {shape} pixels ({error})") from error
    return np.unpackbits(packed, count=count).astype(bool).reshape(number, *shape)


def _edited_views(
    probabilities: Maps, frame: PlanarView, ids: NDArray[np.uint16], threshold: float, clicked: Mapping[ViewName, Mask]
) -> dict[ViewName, Mask]:
    """Return per view the pixels of the lesions `ids` that belong to it."""
    found = lesion_masks(dict(probabilities), threshold, 0.0, frame)
    model = {name: inside > 0 for name, inside in found.views.items()}
    added = ~np.any(np.stack(list(model.values())), axis=0)
    predicted = {name: set(np.unique(ids[mask]).tolist()) - {0} for name, mask in model.items()}
    pointed = {name: set(np.unique(ids[clicked[name]]).tolist()) - {0} if name in clicked else set() for name in model}
    drawn = set(range(1, int(ids.max(initial=0)) + 1)) - set().union(*predicted.values(), *pointed.values())
    return {
        name: np.isin(ids, sorted(pointed[name])) | (np.isin(ids, sorted(predicted[name] | drawn)) & (mask | added))
        for name, mask in model.items()
    }


def _untouched_components(mask: Mask, touched: Mask) -> Mask:
    """Return the components of a mask that contain no edited pixel."""
    from scipy import ndimage

    components, _ = ndimage.label(mask, structure=EIGHT_CONNECTED)
    return mask & ~np.isin(components, np.unique(components[touched & mask]))


def _kept_components(mask: Mask, smallest: float, seeds: Mask) -> Mask:
    """Return the components of at least `smallest` pixels that contain a seed and do not enclose removed pixels."""
    from scipy import ndimage

    components, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
    size = np.bincount(components.ravel(), minlength=count + 1)
    # Tolerance for rounding, as in `lesion_masks`.
    keep = size >= smallest * (1 - 1e-9)
    keep &= np.bincount(components[seeds], minlength=count + 1) > 0
    keep[0] = False
    kept = keep[components]
    filled = fill_holes(kept)
    around, _ = ndimage.label(filled, structure=EIGHT_CONNECTED)
    return np.asarray(kept & ~np.isin(around, np.unique(around[filled & ~kept])))
