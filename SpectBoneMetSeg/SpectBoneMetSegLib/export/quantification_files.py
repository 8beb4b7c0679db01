"""`quantification.json` and `quantification.csv`: numbers per lesion, per region and per scan, units in every name."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from ..common.jsonable import json_text
from ..lesions.results import Reading
from ..quantification.as_dict import quantification_dict
from ..quantification.results import BoneShare, LesionQuantities, Quantification, RegionQuantities
from ..scan.planar import VIEW_NAMES

__all__ = ["QUANTITY_COLUMNS", "bones_text", "write_quantification"]

_VIEW_COLUMNS = (
    *("area_cm2", "lesion_area_cm2", "counts", "max_counts_per_pixel", "mean_counts_per_pixel"),
    *("background_counts_per_pixel", "contrast", "total_lesion_uptake_counts", "body_counts_percent"),
    "contralateral_ratio",
)
#: All columns in order; columns that do not apply to the level of a row are empty.
QUANTITY_COLUMNS: tuple[str, ...] = (
    *("level", "ID", "bone", "side", "snomed_ct", "bones_with_shares", "seen_in", "lesions", "area_cm2"),
    *(f"{view}_{column}" for view in VIEW_NAMES for column in _VIEW_COLUMNS),
    *(
        "geometric_mean_counts",
        "geometric_mean_uptake_counts",
        "involved_percent",
        "involved_mass_percent",
        "weight_percent",
        "bone_scan_index_percent",
    ),
    *("bone_scan_index_not_computable_because", "confidence", "decision", "classification", "edited", "decided_by"),
    "not_counted_because",
)


def write_quantification(found: Quantification, reading: Reading, json_path: str, csv_path: str) -> None:
    """Write quantification.json and quantification.csv.

    Args:
        found: quantification of the reading.
        reading: its receipt names program, model and study.
        json_path: path of the JSON file.
        csv_path: path of the CSV file.

    Raises:
        OSError: a file cannot be written.
    """
    content = {
        **quantification_dict(found),
        "program": reading.receipt.get("program"),
        "model": reading.receipt.get("model"),
        "study_instance_uid": reading.receipt.get("study_instance_uid"),
    }
    with open(json_path, "w", encoding="utf-8") as file:
        file.write(json_text(content) + "\n")
    with open(csv_path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, QUANTITY_COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in row.items()} for row in _rows(found))


def bones_text(bones: tuple[BoneShare, ...]) -> str:
    """Return bones with shares as text: "left pelvis 0.82; sacrum 0.18"."""
    return "; ".join(f"{each.region.title} {each.share:.2f}" for each in bones)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows(found: Quantification) -> Iterator[dict[str, Any]]:
    burden, index = found.burden, found.index
    yield {
        "level": "scan",
        "lesions": burden.lesions,
        "area_cm2": burden.area_mm2 / 100,
        **_of_views("total_lesion_uptake_counts", burden.total_lesion_uptake_counts),
        **_of_views("body_counts_percent", burden.body_counts_percent),
        "geometric_mean_uptake_counts": burden.geometric_mean_uptake_counts,
        "bone_scan_index_percent": index.percent,
        "bone_scan_index_not_computable_because": " ".join(part for part in (index.reason, index.remedy) if part),
        "decision": found.review.state,
        "decided_by": found.review.decided_by,
    }
    yield from (_region_row(each) for each in found.regions)
    yield from (_lesion_row(each) for each in found.lesions)


def _region_row(found: RegionQuantities) -> dict[str, Any]:
    region = found.region
    return {
        "level": "region",
        "ID": region.number,
        "bone": region.name,
        "side": region.side,
        "snomed_ct": region.code.value if region.code else "",
        "lesions": found.lesions,
        **_of_views("area_cm2", {name: area / 100 for name, area in found.area_mm2.items()}),
        **_of_views("lesion_area_cm2", {name: area / 100 for name, area in found.lesion_area_mm2.items()}),
        **_of_views("counts", found.counts),
        "involved_percent": None if found.involved_share is None else 100 * found.involved_share,
        "involved_mass_percent": None if found.involved_mass_share is None else 100 * found.involved_mass_share,
        "weight_percent": found.weight_percent,
        "bone_scan_index_percent": found.index_percent,
    }


def _lesion_row(found: LesionQuantities) -> dict[str, Any]:
    region = found.region
    row: dict[str, Any] = {
        "level": "lesion",
        "ID": found.id,
        "bone": region.name if region else "",
        "side": region.side if region else "",
        "snomed_ct": region.code.value if region and region.code else "",
        "bones_with_shares": bones_text(found.bones),
        "seen_in": found.seen_in,
        "area_cm2": found.area_mm2 / 100,
        "geometric_mean_counts": found.geometric_mean_counts,
        "confidence": found.confidence,
        "decision": found.decision,
        "classification": found.classification,
        "edited": "yes" if found.edited else "no",
        "decided_by": found.decided_by,
        "not_counted_because": found.not_counted,
    }
    for name, each in found.views.items():
        row |= {f"{name}_area_cm2": each.area_mm2 / 100}
        row |= {f"{name}_{column}": getattr(each, column) for column in _VIEW_COLUMNS if hasattr(each, column)}
    return row


def _of_views(column: str, values: dict[Any, float]) -> dict[str, float]:
    return {f"{name}_{column}": value for name, value in values.items()}
