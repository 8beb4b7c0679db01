"""Where the stored crop of a case and its thorax lie, as the case's JSON says."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

from .opened import DataSet
from .reference_grid import CropPlacement

__all__ = ["placement_of", "placement_record"]


def placement_record(place: CropPlacement, crop: ThoraxCrop, region: Region) -> dict[str, Any]:
    """Where the stored crop and the thorax lie, for the JSON; `placement_of` reads it back."""
    (rows, columns), (own_rows, own_columns) = place.reference, place.own
    return {
        "frame": {"shape": list(place.shape), "spacing_mm": list(place.spacing)},
        "crop": {"rows": list(own_rows), "columns": list(own_columns), "confidence": crop.confidence},
        "reference_crop": {"rows": list(rows), "columns": list(columns)},
        "region": region,
        "thorax": {"rows": list(crop.rows), "columns": list(crop.columns)},
    }


def placement_of(files: DataSet, case: str, region: Region = "thorax") -> CropPlacement:
    """Place of a region in the stored crop; records of older programs hold the thorax alone."""
    record, path = files.json("instances", f"{case}.json"), files.folder / "instances" / f"{case}.json"
    stored = record.get("region", "thorax")
    if region == "whole-body" and stored != "whole-body":
        raise UserError(f"{path} holds the thorax alone; make the data set again with the region whole-body.", "region")
    try:
        shape, spacing = record["frame"]["shape"], record["frame"]["spacing_mm"]
        own, reference = (
            ((box["rows"][0], box["rows"][1]), (box["columns"][0], box["columns"][1]))
            for box in (record["crop"], record["reference_crop"])
        )
        if region != stored:
            box = record["thorax"]
            reference = (box["rows"][0], box["rows"][1]), (box["columns"][0], box["columns"][1])
        return CropPlacement((shape[0], shape[1]), (spacing[0], spacing[1]), own, reference)
    except (KeyError, IndexError, TypeError) as error:
        raise UserError(f"{path} does not say where its crop lies; make the data set again.") from error
