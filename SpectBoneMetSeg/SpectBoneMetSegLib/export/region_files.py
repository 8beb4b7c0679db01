"""`regions.seg.nrrd` and `regions.json`: the regions of the skeleton that the model segments, for Slicer and scripts.

Both views are in the anterior frame, each in its own layer, because they can show different bones at one position.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.typing import NDArray

from ..common.jsonable import json_text
from ..lesions.naming import HUE_STEP
from ..lesions.results import Reading
from ..quantification.anatomy import Code, Region, all_regions
from ..quantification.as_dict import region_dict
from ..quantification.bones import onto_frame
from ..scan.planar import ViewName
from .seg_nrrd import HEAD, segment_fields
from .volumes import write_layers

__all__ = ["region_color", "region_id", "region_terminology", "regions_on_frame", "write_regions"]

_TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^123037004^Anatomical Structure~SCT^{value}^{meaning}~{side}"
    "~Anatomic codes - DICOM master list~^^~^^"
)


def write_regions(reading: Reading, seg_path: str, json_path: str) -> None:
    """Write both files; OSError when one cannot be written."""
    maps = regions_on_frame(reading)
    header: dict[str, str] = {}
    index, segments = 0, []
    for layer, (name, numbers) in enumerate(maps.items()):
        for number in np.unique(numbers[numbers > 0]).tolist():
            region = all_regions().get(number)
            if region is None:
                continue
            identifier, title = region_id(region, name), f"{region.title} ({name})"
            tags = f"Segmentation.Status:completed|TerminologyEntry:{region_terminology(region)}|"
            color = region_color(region)
            header |= segment_fields(index, identifier, title, color, number, numbers.shape, tags, layer)
            segments.append({"segment": identifier, "view": name, "layer": layer, **region_dict(region)})
            index += 1
    write_layers(np.stack(list(maps.values())), reading.scan.frame.ijk_to_ras, seg_path, {**HEAD, **header})
    with open(json_path, "w", encoding="utf-8") as file:
        content = {"regions": [region_dict(each) for each in all_regions().values()], "segments": segments}
        file.write(json_text(content) + "\n")


def regions_on_frame(reading: Reading) -> dict[ViewName, NDArray[np.uint8]]:
    """Return {view: (rows, columns) region numbers on the anterior frame}."""
    scan = reading.scan
    return {
        name: onto_frame(numbers, scan.views[name], scan.frame).astype(np.uint8)
        for name, numbers in reading.regions.items()
    }


def region_id(region: Region, view: ViewName) -> str:
    """Return the ID of a region's segment: "anterior_10"."""
    return f"{view}_{region.number}"


def region_color(region: Region) -> tuple[float, float, float]:
    """Return RGB 0..1, pale so that lesions stand out; the two sides of a bone differ only in brightness."""
    index = sorted({each.name for each in all_regions().values()}).index(region.name)
    return colorsys.hsv_to_rgb(index * HUE_STEP % 1.0, 0.55, 0.75 if region.side == "right" else 0.95)


def region_terminology(region: Region) -> str:
    """Return Slicer's TerminologyEntry tag of a region."""
    side = region.laterality
    coded = f"SCT^{side.value}^{side.meaning}" if side else "^^"
    code = region.code or Code("123037004", region.name.capitalize())
    return _TERMINOLOGY.format(value=code.value, meaning=code.meaning, side=coded)
