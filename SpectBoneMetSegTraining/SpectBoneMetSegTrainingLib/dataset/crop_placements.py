"""Positions of the stored crop of a case and of its thorax box, as recorded in the case's JSON."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

from .opened import DataSet
from .reference_grid import CropPlacement

__all__ = ["placement_of", "placement_record"]


def placement_record(placement: CropPlacement, crop: ThoraxCrop, region: Region) -> dict[str, Any]:
    """Return the JSON record of the stored crop and the thorax box; `placement_of` reads it back."""
    (rows, columns), (own_rows, own_columns) = placement.reference, placement.own
    return {
        "frame": {"shape": list(placement.shape), "spacing_mm": list(placement.spacing)},
        "crop": {"rows": list(own_rows), "columns": list(own_columns), "confidence": crop.confidence},
        "reference_crop": {"rows": list(rows), "columns": list(columns)},
        "region": region,
        "thorax": {"rows": list(crop.rows), "columns": list(crop.columns)},
    }


def placement_of(files: DataSet, case: str, region: Region = "thorax") -> CropPlacement:
    """Read the placement of a region in the stored crop; records of older versions hold the thorax only.

    Raises:
        UserError: the record is missing or damaged, or holds the thorax only where the whole body is requested.
    """
    record, path = files.json("instances", f"{case}.json"), files.folder / "instances" / f"{case}.json"
    stored = record.get("region", "thorax")
    if region == "whole-body" and stored != "whole-body":
        raise UserError(f"{path} holds the thorax only; make the data set again with the region whole-body.", "region")
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
        raise UserError(f"{path} does not record the position of its crop; make the data set again.") from error
