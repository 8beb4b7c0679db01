"""`contours.mrk.json`: one closed curve per lesion in 3D Slicer's markups format (schema 1.0.3).

The format has no field for a curve's interpolation: Slicer opens every curve as a spline. A spline through the corners
alone would enclose up to 50 % more area. The control points therefore follow the outline in steps of half a pixel: as a
polygon they enclose exactly the lesion's area, as Slicer's spline less than one per cent more.
"""

from __future__ import annotations

import json

import numpy as np
from numpy.typing import NDArray

from ..lesions.naming import lesion_color, lesion_name
from ..lesions.results import Lesion, Reading

__all__ = ["along_outline", "write_contours"]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
#: RAS to LPS, the coordinate system in which Slicer writes markups.
LPS = np.array([-1.0, -1.0, 1.0])


def write_contours(reading: Reading, path: str) -> None:
    """Write the closed curves of all lesions; OSError when the file cannot be written."""
    step = min(reading.scan.frame.spacing) / 2
    document = {"@schema": SCHEMA, "markups": [_curve(lesion, step) for lesion in reading.lesions]}
    with open(path, "w", encoding="utf-8") as file:
        # Without indentation: indenting thousands of points takes longer than computing them.
        file.write(json.dumps(document) + "\n")


def along_outline(corners: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Return the (n, 3) corners of a closed polygon, with evenly spaced points about `step` mm apart between them."""
    edges = np.roll(corners, -1, axis=0) - corners
    counts = np.maximum(np.rint(np.linalg.norm(edges, axis=1) / step), 1).astype(int)
    edge = np.repeat(np.arange(len(corners)), counts)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.asarray(corners[edge] + edges[edge] * (along / counts[edge])[:, np.newaxis])


def _curve(lesion: Lesion, step: float) -> dict[str, object]:
    name = lesion_name(lesion.id)
    points = np.round(along_outline(lesion.curve, step) * LPS, 6) + 0.0
    color = [round(part, 6) for part in lesion_color(lesion.id)]
    return {
        "type": "ClosedCurve",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        # Locked: users edit the segmentation, and the outline follows it.
        "locked": True,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "name": name,
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [
            {"id": str(number), "label": "", "position": position, "selected": True, "positionStatus": "defined"}
            for number, position in enumerate(points.tolist(), start=1)
        ],
        "display": {
            "visibility": True,
            "opacity": 1.0,
            "color": color,
            "selectedColor": color,
            "propertiesLabelVisibility": False,
            "pointLabelsVisibility": False,
            # Scaled to the screen: a width in mm would be less than a pixel.
            "useGlyphScale": True,
            "glyphScale": 0.3,
            "lineThickness": 1.0,
        },
    }
