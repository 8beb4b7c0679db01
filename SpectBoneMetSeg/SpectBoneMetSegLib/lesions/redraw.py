"""Recompute lesions without running the network: at another threshold, or with manual edits.

Pure functions of one stored result of the model; fast enough to run at every move of a slider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..scan.planar import ViewName, WholeBodyScan, mirror, same_grid
from ..scan.regrid import sample_on
from .components import number_lesions
from .confidence import scan_features, with_confidence
from .delineation import LesionMasks, lesion_masks
from .doubts import lesion_warnings
from .edits import Edits, apply_edits
from .extent import cut_by_box
from .measurement import MeasurementCache, measure_lesions
from .model_result import ModelResult
from .results import Lesion, Reading
from .review import Ids, Review

__all__ = [
    "ModelResult",
    "Review",
    "reading_at",
]


def reading_at(
    result: ModelResult,
    threshold: float,
    minimum_area_mm2: float,
    edits: Edits | None = None,
    cache: MeasurementCache | None = None,
) -> Reading:
    """Return the reading at a threshold and minimum area; manual edits are kept.

    The seed threshold remains the model's own, unless `threshold` is higher.

    Args:
        result: prediction of the model.
        threshold: probability from which a pixel belongs to a lesion.
        minimum_area_mm2: smaller lesions are dropped.
        edits: manual edits; None for none.
        cache: earlier measurements of this result; it saves time and changes no result.
    """
    seed = max(threshold, result.limits.seed_threshold)
    frame = result.scan.frame
    masks = lesion_masks(dict(result.probabilities), threshold, minimum_area_mm2, frame, seed)
    if edits is not None:
        own = result.probability >= result.limits.threshold
        masks = apply_edits(masks, own, edits, frame, minimum_area_mm2, result.probability >= seed)
    values = {"threshold": threshold, "seed_threshold": seed, "minimum_area_mm2": minimum_area_mm2}
    return _reading(result, masks, {**values, "edited": edits is not None}, cache)


def _reading(
    result: ModelResult, masks: LesionMasks, facts: Mapping[str, object], cache: MeasurementCache | None
) -> Reading:
    scan = result.scan
    masks, view_masks = _on_own_grids(scan, masks)
    measured = measure_lesions(scan, masks.union, view_masks, result.probability, cache)
    lesions = with_confidence(measured, result.confidence, result.limits.threshold)
    reading = Reading(
        scan,
        result.crop,
        lesions,
        (masks.union > 0).astype(np.uint8),
        view_masks,
        result.probability,
        result.aggregate,
        probabilities=dict(result.probabilities),
        regions=result.regions,
        confidence=_scan_confidence(result, lesions),
    )
    earlier = result.receipt.get("warnings")
    warnings = [*(earlier if isinstance(earlier, list) else []), *lesion_warnings(reading)]
    cut = cut_by_box(reading)
    found = {"lesions": len(lesions), "cut_by_box": cut, "confidence": reading.confidence, "warnings": warnings}
    return replace(reading, receipt={**result.receipt, **facts, **found})


def _scan_confidence(result: ModelResult, lesions: Sequence[Lesion]) -> float | None:
    """Return the probability that the scan shows abnormal uptake; None for a model without calibration."""
    if result.confidence is None:
        return None
    areas = [lesion.confidence for lesion in lesions if lesion.confidence is not None]
    return result.confidence.of_scan(scan_features(areas, float(result.probability.max())))


def _on_own_grids(scan: WholeBodyScan, masks: LesionMasks) -> tuple[LesionMasks, dict[ViewName, Ids]]:
    """Resample the view masks to their views' own grids; drop lesions that contain no pixel centre of any view."""
    own = {name: _sampled(scan, name, ids) for name, ids in masks.views.items()}
    most = int(masks.union.max(initial=0))
    found = np.zeros(most + 1, dtype=bool)
    for ids in own.values():
        found |= np.bincount(ids[ids > 0], minlength=most + 1) > 0
    shown = 1 + np.flatnonzero(found[1:])
    if len(shown) == most:
        return masks, own
    union = number_lesions(np.isin(masks.union, shown))
    views = {name: np.where(ids > 0, union, 0).astype(np.uint16) for name, ids in masks.views.items()}
    return LesionMasks(union, views), {name: _sampled(scan, name, ids) for name, ids in views.items()}


def _sampled(scan: WholeBodyScan, name: ViewName, ids: Ids) -> Ids:
    view, frame = scan.views[name], scan.frame
    if same_grid(view if name == "anterior" else mirror(view), frame):
        return ids if name == "anterior" else np.ascontiguousarray(ids[:, ::-1])
    return sample_on(ids, frame, view, order=0)
