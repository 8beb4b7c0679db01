"""Convert a quantification to JSON types, the content of quantification.json; every name states its unit.

Resources/Schemas/quantification.schema.json describes it; SCHEMA_VERSION is incremented with every change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..common.notice import RESEARCH_USE
from .anatomy import Code, Region
from .index import DEPTH
from .results import (
    BoneScanIndex,
    BoneShare,
    LesionQuantities,
    Quantification,
    RegionQuantities,
    ReviewState,
    ViewQuantities,
)

__all__ = ["SCHEMA_VERSION", "code_dict", "quantification_dict", "region_dict", "review_dict"]

SCHEMA_VERSION = "2.1"

#: How the numbers are computed and the views combined; written into the file next to the numbers.
RULES = {
    "bone": "Pixels of a lesion outside every region are assigned to the nearest region within 15 mm. Where the views "
    "show different bones at one position, it is the bone whose uptake exceeds its own healthy uptake by the larger "
    "factor.",
    "involved_share": "Area of each counted lesion on the bone divided by the area of the bone, in the view where this "
    "ratio is larger; the sum over lesions, at most 1. A view that shows less than half of what the other view shows "
    "of a bone is ignored for that bone.",
    "involved_mass": f"A lesion that covers a share a of the bone's area involves min(a, {DEPTH} a^1.5 / solidity) of "
    "its mass; the sum over lesions, at most 1.",
    "bone_scan_index": "Sum over bones of involved share of the mass x weight. A weight of several regions is divided "
    "among them by area, each in the view that shows more of it. What is not seen counts as free of lesions.",
    "counted": "All lesions except those that a physician rejected or classified as benign, and those mostly outside "
    "bone.",
    "background": "Mean of the ring 4.52 to 11.3 mm around the lesion, other lesions excluded.",
}


def quantification_dict(found: Quantification) -> dict[str, Any]:
    """Return a quantification as JSON types, in the layout of quantification.json."""
    burden = found.burden
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE,
        "rules": RULES,
        "review": review_dict(found.review),
        "scan": {
            "lesions": burden.lesions,
            "lesions_outside_bone": sum(each.not_counted == "outside bone" for each in found.lesions),
            "lesion_area_cm2": burden.area_mm2 / 100,
            "total_lesion_uptake_counts": dict(burden.total_lesion_uptake_counts),
            "geometric_mean_uptake_counts": burden.geometric_mean_uptake_counts,
            "body_counts_percent": dict(burden.body_counts_percent),
            "bone_scan_index": _index(found.index),
            "bones_not_found": [region_dict(each) for each in found.not_found],
            "bones_cut_by_field": [region_dict(each) for each in found.cut],
        },
        "regions": [_region(each) for each in found.regions],
        "lesions": [_lesion(each) for each in found.lesions],
    }


def review_dict(review: ReviewState) -> dict[str, Any]:
    """Return the state of a review, who decided, and the numbers of lesions."""
    return {
        "state": review.state,
        "decided_by": review.decided_by,
        "accepted_lesions": review.accepted,
        "rejected_lesions": review.rejected,
        "open_lesions": review.open,
        "edited_lesions": review.edited,
        "erased_areas": review.erased,
        "reclassified_lesions": review.reclassified,
    }


def region_dict(region: Region) -> dict[str, Any]:
    """Return number, name, side and codes of a region."""
    return {
        "number": region.number,
        "name": region.name,
        "side": region.side or None,
        "bone": region.bone,
        "code": code_dict(region.code),
        "laterality": code_dict(region.laterality),
    }


def code_dict(code: Code | None) -> dict[str, str] | None:
    """Return a coded concept as {value, scheme, meaning}; None for None."""
    return None if code is None else {"value": code.value, "scheme": code.scheme, "meaning": code.meaning}


def _index(index: BoneScanIndex) -> dict[str, Any]:
    return {
        "percent": index.percent,
        "computable": index.percent is not None,
        "reason": index.reason,
        "remedy": index.remedy,
        "weights": {
            "name": index.table.name,
            "version": index.table.version,
            "source": index.table.source,
            "total_percent": round(index.table.total_percent, 6),
        },
    }


def _shares(bones: tuple[BoneShare, ...]) -> list[dict[str, Any]]:
    return [{**region_dict(each.region), "share": each.share} for each in bones]


def _cm2(areas: Mapping[Any, float]) -> dict[str, float]:
    return {str(name): area / 100 for name, area in areas.items()}


def _region(found: RegionQuantities) -> dict[str, Any]:
    return {
        **region_dict(found.region),
        "area_cm2": _cm2(found.area_mm2),
        "counts": dict(found.counts),
        "lesions": found.lesions,
        "lesion_area_cm2": _cm2(found.lesion_area_mm2),
        "involved_percent": None if found.involved_share is None else 100 * found.involved_share,
        "involved_mass_percent": None if found.involved_mass_share is None else 100 * found.involved_mass_share,
        "weight_percent": found.weight_percent,
        "bone_scan_index_percent": found.index_percent,
    }


def _lesion(found: LesionQuantities) -> dict[str, Any]:
    return {
        "id": found.id,
        "seen_in": found.seen_in,
        "area_cm2": found.area_mm2 / 100,
        "bones": _shares(found.bones),
        "views": {name: _view(each) for name, each in found.views.items()},
        "geometric_mean_counts": found.geometric_mean_counts,
        "confidence": found.confidence,
        "decision": found.decision,
        "classification": found.classification,
        "edited": found.edited,
        "decided_by": found.decided_by,
        "counted": not found.not_counted,
        "not_counted_because": found.not_counted,
    }


def _view(found: ViewQuantities) -> dict[str, Any]:
    return {
        "area_cm2": found.area_mm2 / 100,
        "counts": found.counts,
        "max_counts_per_pixel": found.max_counts_per_pixel,
        "mean_counts_per_pixel": found.mean_counts_per_pixel,
        "background_counts_per_pixel": found.background_counts_per_pixel,
        "contrast": found.contrast,
        "total_lesion_uptake_counts": found.total_lesion_uptake_counts,
        "body_counts_percent": found.body_counts_percent,
        "contralateral_ratio": found.contralateral_ratio,
        "bones": _shares(found.bones),
    }
