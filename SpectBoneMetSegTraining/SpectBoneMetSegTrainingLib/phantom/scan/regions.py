"""Which bone, kidney, bladder or injection site a pixel of each view shows: the region truth of a simulated scan.

A region's footprint is where enough of it lies in the ray, from its geometry alone: blur and lesions do not widen it.
Where footprints overlap, PRECEDENCE names those that a person would name (sternum before spine and clavicle before ribs
in front, the other way round from behind, ribs before scapula, sacrum before pelvis); elsewhere the region wins whose
healthy projection is brighter there. Numbers are those of region maps: the patient's left as it stands, the right
RIGHT_OFFSET more.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS, OTHER_REGIONS, RIGHT_OFFSET

from ..camera.acquisition import Camera
from ..camera.extraneous_activity import Spot
from ..camera.image_chain import apply_acquisition_effects
from ..camera.optics import SLAB_MM, DepthSlabs, blur_sigma, splat
from ..disease.tracer import Tracer
from ..person.anatomy import Person
from ..person.skeleton import load_skeleton
from ..person.soft_tissue import TISSUES
from .ground_truth import Window

RegionMap = NDArray[np.uint8]
#: Number, points (k, 3), cm3, concentration and smoothing of a region.
Part = tuple[int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]

#: Of two overlapping regions the first is shown; None for both views.
PRECEDENCE: tuple[tuple[str, str, ViewName | None], ...] = (
    ("sternum", "thoracic spine", "anterior"),
    ("thoracic spine", "sternum", "posterior"),
    ("ribs", "scapula", None),
    ("sacrum", "pelvis", None),
    ("clavicle", "ribs", "anterior"),
    ("clavicle", "scapula", "anterior"),
    ("ribs", "clavicle", "posterior"),
    ("scapula", "clavicle", "posterior"),
)
#: A pixel belongs to a footprint where at least so much of the region lies in the ray, mm.
MINIMUM_BONE_MM, MINIMUM_ORGAN_MM = 2.0, 8.0
#: Least standard deviation of the footprint's smoothing, mm: atlas points stand 2-5 mm apart.
FOOTPRINT_MM, ORGAN_FOOTPRINT_MM = 1.6, 4.0
#: Half width of a spot of activity in its footprint, in standard deviations of the spot.
SPOT_WIDTHS = 2.0

_BONES = {
    "skull": "skull",
    "mandible": "skull",
    "sacrum": "sacrum",
    "hip bone": "pelvis",
    "scapula": "scapula",
    "humerus": "humerus",
    "femur": "femur",
    "sternum": "sternum",
    "clavicle": "clavicle",
    "ulna": "forearm and hand",
    "radius": "forearm and hand",
    "hand": "forearm and hand",
    "patella": "lower leg and foot",
    "tibia": "lower leg and foot",
    "fibula": "lower leg and foot",
    "talus": "lower leg and foot",
    "foot": "lower leg and foot",
    "toes": "lower leg and foot",
}
_SPINE = {"C": "cervical spine", "T": "thoracic spine", "L": "lumbar spine"}


def region_of(bone: str) -> int:
    """Region number of an atlas bone; 0 for costal cartilage, which is no region.

    >>> region_of("right rib 5"), region_of("T11"), region_of("costal cartilage")
    (57, 3, 0)
    """
    name = bone.removeprefix("right ").removeprefix("left ")
    if name.startswith("rib "):
        region = "ribs"
    elif name[0] in _SPINE and name[1:].isdigit():
        region = _SPINE[name[0]]
    elif name in _BONES:
        region = _BONES[name]
    else:
        return 0
    return BONE_REGIONS[region] + (RIGHT_OFFSET if bone.startswith("right ") else 0)


@lru_cache(maxsize=1)
def bone_regions() -> NDArray[np.uint8]:
    """(n,) region number of every bone point of the atlas."""
    skeleton = load_skeleton()
    return np.array([region_of(name) for name in skeleton.names], np.uint8)[skeleton.bone]


def region_maps(
    person: Person, tracer: Tracer, spots: list[Spot], camera: Camera, depths: DepthSlabs
) -> dict[ViewName, RegionMap]:
    """{view: (rows, columns) region numbers, 0 elsewhere}, anterior frame, of the views that exist.

    Args:
        person: in today's posture.
        tracer: its healthy uptake.
        spots: what lies beside the organs.
    """
    parts = [*_bone_parts(person, tracer), *_organ_parts(person, tracer)]
    maps: dict[ViewName, RegionMap] = {}
    for view in camera.views:
        shown = {part[0]: _shown(part, camera, depths, view) for part in parts}
        maps[view] = _overlaid({number: item for number, item in shown.items() if item}, camera.shape, view)
    _add_injection(maps, spots, camera)
    return maps


def _bone_parts(person: Person, tracer: Tracer) -> list[Part]:
    """The bone regions of a person."""
    regions = bone_regions()
    parts = []
    for number in np.unique(regions[regions > 0]).tolist():
        index = np.flatnonzero(regions == number)
        parts.append((number, person.bones[index], person.bone_volume[index], tracer.bones[index], FOOTPRINT_MM))
    return parts


def _organ_parts(person: Person, tracer: Tracer) -> list[Part]:
    parts = []
    for name in ("bladder", "left kidney", "right kidney"):
        index = np.flatnonzero(person.tissue == TISSUES.index(name))
        number = OTHER_REGIONS[name.split()[-1]] + (RIGHT_OFFSET if name.startswith("right ") else 0)
        points, volume = person.tissues[index], person.tissue_volume[index]
        parts.append((number, points, volume, tracer.tissues[index], ORGAN_FOOTPRINT_MM))
    return parts


def _shown(
    part: Part, camera: Camera, depths: DepthSlabs, view: ViewName
) -> tuple[Window, NDArray[np.bool_], NDArray[np.float32]] | None:
    """Footprint and healthy brightness of one region, both in a window of the view; None where it is not seen."""
    from scipy import ndimage

    _, points, volume, level, smoothing = part
    there = (volume > 0) & (_rows(points, camera) > -1) & (_rows(points, camera) < camera.shape[0])
    if not there.any():
        return None
    points, volume, level = points[there], volume[there], level[there]
    one_slab = np.zeros(1)
    length = splat(points, volume * (1000 / camera.spacing**2), camera, one_slab, camera.shape)[0]
    seen = level * volume * _transmission(points, camera, depths, view)
    light = splat(points, seen, camera, one_slab, camera.shape)[0]
    if camera.motion or camera.posterior_shift != (0, 0):
        length, light = apply_acquisition_effects(length, camera, view), apply_acquisition_effects(light, camera, view)
    distance = float(np.interp(points[:, 1].mean(), depths.centres, depths.distance[view]))
    sigma = blur_sigma(distance, camera)
    window = _window(length > 0, int(np.ceil(3 * sigma)))
    if window is None:
        return None
    least = MINIMUM_BONE_MM if smoothing == FOOTPRINT_MM else MINIMUM_ORGAN_MM
    footprint = ndimage.gaussian_filter(length[window], max(smoothing / camera.spacing, 0.5)) >= least
    return window, footprint, ndimage.gaussian_filter(light[window], sigma)


def _overlaid(
    shown: dict[int, tuple[Window, NDArray[np.bool_], NDArray[np.float32]]], shape: tuple[int, int], view: ViewName
) -> RegionMap:
    numbers, brightest = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
    for number, (window, footprint, light) in shown.items():
        won = footprint & (light > brightest[window])
        numbers[window][won] = number
        brightest[window][won] = light[won]
    for first, second, where in PRECEDENCE:
        if where not in (None, view):
            continue
        for number, (window, footprint, _) in shown.items():
            if number % RIGHT_OFFSET == BONE_REGIONS[first]:
                behind = numbers[window] % RIGHT_OFFSET == BONE_REGIONS[second]
                numbers[window][footprint & behind] = number
    return numbers


def _add_injection(maps: dict[ViewName, RegionMap], spots: list[Spot], camera: Camera) -> None:
    """Draw the injection site over everything: it is the hottest of the spots of an injection."""
    site = next((spot for spot in spots if spot.kind == "injection"), None)
    if site is None:
        return
    row = (camera.top - site.centre[2]) / camera.spacing - 0.5
    column = (camera.centre - site.centre[0]) / camera.spacing + camera.shape[1] / 2 - 0.5
    rows, columns = np.indices(camera.shape, sparse=True)
    high, wide = (SPOT_WIDTHS * max(site.widths[axis], camera.spacing) / camera.spacing for axis in (2, 0))
    inside = ((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 <= 1
    right = column < camera.shape[1] / 2
    for regions in maps.values():
        regions[inside] = OTHER_REGIONS["injection site"] + (RIGHT_OFFSET if right else 0)


def _rows(points: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
    return np.asarray((camera.top - points[:, 2]) / camera.spacing - 0.5, np.float32)


def _transmission(
    points: NDArray[np.float32], camera: Camera, depths: DepthSlabs, view: ViewName
) -> NDArray[np.float32]:
    """(k,) share of what a point emits that leaves the body towards the view's detector."""
    column = (camera.centre - points[:, 0]) / camera.spacing + camera.shape[1] / 2 - 0.5
    slab = (points[:, 1] - depths.centres[0]) / SLAB_MM + 0.5
    limits = (len(depths.centres), *camera.shape)
    place = tuple(
        np.clip(value.astype(np.int64), 0, limit - 1)
        for value, limit in zip((slab, np.rint(_rows(points, camera)), np.rint(column)), limits, strict=True)
    )
    return np.asarray(depths.transmission[view][place])


def _window(hit: NDArray[np.bool_], reach: int) -> Window | None:
    rows, columns = np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))
    if not len(rows):
        return None
    return (
        slice(max(int(rows[0]) - reach, 0), int(rows[-1]) + reach + 1),
        slice(max(int(columns[0]) - reach, 0), int(columns[-1]) + reach + 1),
    )
