"""A made-up body of rectangles whose values can be computed by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.lesions.measurement import measure_lesions
from SpectBoneMetSegLib.lesions.results import Reading
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, RIGHT_OFFSET
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop, whole_field

SHAPE, SPACING = (200, 100), (2.0, 2.5)

#: (rows, columns) of every bone, anterior frame: the patient's right is where columns begin.
BOXES = {
    1: ((10, 30), (40, 60)),
    2: ((30, 38), (46, 54)),
    3: ((40, 70), (46, 54)),
    4: ((70, 90), (46, 54)),
    5: ((90, 100), (44, 56)),
    6: ((92, 112), (56, 68)),
    6 + RIGHT_OFFSET: ((92, 112), (32, 44)),
    7: ((44, 74), (56, 70)),
    7 + RIGHT_OFFSET: ((44, 74), (30, 44)),
    8: ((42, 52), (71, 76)),
    8 + RIGHT_OFFSET: ((42, 52), (24, 29)),
    9: ((44, 76), (77, 81)),
    9 + RIGHT_OFFSET: ((44, 76), (19, 23)),
    10: ((114, 150), (58, 66)),
    10 + RIGHT_OFFSET: ((114, 150), (34, 42)),
    12: ((38, 41), (56, 66)),
    12 + RIGHT_OFFSET: ((38, 41), (34, 44)),
    13: ((76, 110), (82, 86)),
    13 + RIGHT_OFFSET: ((76, 110), (14, 18)),
    14: ((150, 190), (58, 66)),
    14 + RIGHT_OFFSET: ((150, 190), (34, 42)),
    20: ((104, 112), (46, 54)),
}
STERNUM = ((42, 62), (47, 53))


def region_map(view: str) -> np.ndarray:
    """(rows, columns) region numbers on the anterior frame; in front the sternum lies over the spine."""
    numbers = np.zeros(SHAPE, np.uint8)
    boxes = {**BOXES, **({BONE_REGIONS["sternum"]: STERNUM} if view == "anterior" else {})}
    for number, ((first, end), (left, right)) in boxes.items():
        numbers[first:end, left:right] = number
    return numbers


def make_body(
    *spots: tuple[tuple[int, int], tuple[int, int], dict[str, float]], crop: ThoraxCrop | None = None, **changes
) -> Reading:
    """A reading of a body with bones of 20 counts in 5 counts of soft tissue.

    Args:
        spots: (rows, columns, {view: counts in it}) of every lesion, anterior frame; a view that is not named has none.
    """
    counts, masks = {}, {}
    for name in ("anterior", "posterior"):
        values = np.where(region_map(name) > 0, 20.0, 5.0).astype(np.float32)
        mask = np.zeros(SHAPE, bool)
        for (first, end), (left, right), level in spots:
            if name in level:
                values[first:end, left:right] = level[name]
                mask[first:end, left:right] = True
        counts[name], masks[name] = values, mask
    anterior = PlanarView(counts["anterior"], SPACING, "anterior")
    posterior = PlanarView(counts["posterior"][:, ::-1], SPACING, "posterior")
    scan = WholeBodyScan("body", anterior, posterior)
    union = number_lesions(masks["anterior"] | masks["posterior"])
    own = {
        "anterior": np.where(masks["anterior"], union, 0).astype(np.uint16),
        "posterior": np.where(masks["posterior"], union, 0).astype(np.uint16)[:, ::-1].copy(),
    }
    probability = (union > 0).astype(np.float32)
    reading = Reading(
        scan,
        crop or whole_field(SHAPE),
        measure_lesions(scan, union, own, probability),
        (union > 0).astype(np.uint8),
        own,
        probability,
        counts["anterior"] + counts["posterior"],
        regions={"anterior": region_map("anterior"), "posterior": region_map("posterior")[:, ::-1].copy()},
    )
    return dataclasses.replace(reading, **changes)
