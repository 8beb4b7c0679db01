"""`lesions.csv`: one row per lesion, units in the headers."""

from __future__ import annotations

import csv
import math

from ..lesions.results import Lesion, Reading
from ..quantification.anatomy import Region
from ..quantification.results import Quantification
from ..scan.planar import VIEW_NAMES

__all__ = ["COLUMNS", "lesion_row", "lesion_values", "write_lesion_table"]

VIEW_COLUMNS = ("area_cm2", "counts", "max_counts_per_pixel", "mean_counts_per_pixel", "contrast")

#: All columns in order.
COLUMNS: tuple[str, ...] = (
    "ID",
    "seen_in",
    "area_cm2",
    "centroid_R_mm",
    "centroid_S_mm",
    "max_probability",
    "mean_probability",
    "confidence",
    *(f"{view}_{column}" for view in VIEW_NAMES for column in VIEW_COLUMNS),
    "geometric_mean_counts",
    "bone",
    "side",
    "decision",
    "classification",
    "edited",
    "decided_by",
)


def write_lesion_table(reading: Reading, path: str, found: Quantification) -> None:
    """Write lesions.csv; without lesions it consists of the header.

    Rejected lesions come last; their IDs are in no mask, and they have no bone.

    Args:
        reading: the reading.
        path: of the file.
        found: quantification of the reading, with the bones.

    Raises:
        OSError: the file cannot be written.
    """
    bones = {lesion.id: lesion.region for lesion in found.lesions}
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lesion_row(lesion, bones[lesion.id]) for lesion in (*reading.lesions, *reading.rejected))


def lesion_row(lesion: Lesion, bone: Region | None = None) -> dict[str, str]:
    """Return a lesion by column name, as text; views that do not show it and undefined numbers have no entries."""
    return {
        column: f"{value:.6g}" if isinstance(value, float) else str(value)
        for column, value in lesion_values(lesion, bone).items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def lesion_values(lesion: Lesion, bone: Region | None = None) -> dict[str, float | int | str]:
    """Return a lesion by column name; views that do not show it have no entries.

    Coordinates are patient RAS: R increases to the patient's right, S to the head. The geometric mean sqrt(A * P) of
    the counts is included if both views show the lesion.

    Args:
        lesion: the lesion.
        bone: the region that contains most of it; None if unknown.
    """
    row: dict[str, float | int | str] = {
        "ID": lesion.id,
        "seen_in": lesion.seen_in,
        "area_cm2": lesion.area_mm2 / 100,
        "centroid_R_mm": lesion.centroid[0],
        "centroid_S_mm": lesion.centroid[2],
        "max_probability": lesion.max_probability,
        "mean_probability": lesion.mean_probability,
        "decision": lesion.decision,
        "classification": lesion.classification,
        "edited": "yes" if lesion.edited else "no",
        "decided_by": lesion.decided_by,
        "bone": bone.name if bone else "",
        "side": bone.side if bone else "",
    }
    if lesion.confidence is not None:
        row["confidence"] = lesion.confidence
    for view, measured in lesion.views.items():
        values = (
            measured.area_mm2 / 100,
            measured.counts,
            measured.max_counts,
            measured.mean_counts,
            measured.contrast,
        )
        row |= {f"{view}_{column}": float(value) for column, value in zip(VIEW_COLUMNS, values, strict=True)}
    if len(lesion.views) == 2:
        row["geometric_mean_counts"] = math.sqrt(lesion.views["anterior"].counts * lesion.views["posterior"].counts)
    return row
