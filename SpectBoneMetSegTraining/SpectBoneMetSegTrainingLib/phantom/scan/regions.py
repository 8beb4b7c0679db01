"""Region maps of a simulated scan: the bone, kidney, bladder or injection site that each pixel of a view shows.

The footprint of a region is where its path length along the ray is large enough. It follows from geometry alone, so
blur and lesions do not widen it. Where footprints overlap, PRECEDENCE has the region that a person would name: in front
the sternum before the spine and the clavicle before the ribs, from behind the reverse; ribs before scapula, sacrum
before pelvis. For other overlaps it is the region with the brighter healthy projection. Region numbers are those of the
patient's left; RIGHT_OFFSET is added for the right.
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
#: Region number, points (k, 3; RAS mm), volumes (k,; cm3), concentration (k,) and smoothing (mm) of a region.
Part = tuple[int, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]

#: Of two overlapping regions, the first is shown in this view; None for both views.
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
#: Smallest path length of a region along the ray in its footprint, mm.
MINIMUM_BONE_MM, MINIMUM_ORGAN_MM = 2.0, 8.0
#: Smallest standard deviation of the footprint's smoothing, mm: atlas points are 2-5 mm apart.
FOOTPRINT_MM, ORGAN_FOOTPRINT_MM = 1.6, 4.0
#: Half width of the footprint of a spot, in standard deviations of the spot.
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
    """Return the region number of an atlas bone; 0 for costal cartilage, which is not a region.

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
    """Return the region number (n,) of every bone point of the atlas."""
    skeleton = load_skeleton()
    return np.array([region_of(name) for name in skeleton.names], np.uint8)[skeleton.bone]


def region_maps(
    person: Person, tracer: Tracer, spots: list[Spot], camera: Camera, depths: DepthSlabs
) -> dict[ViewName, RegionMap]:
    """Return the region maps {view: (rows, columns) region numbers, 0 elsewhere} of the acquired views, anterior frame.

    Args:
        person: in the posture of the scan.
        tracer: healthy uptake.
        spots: extraneous activity.
        camera: defines the field and the views.
        depths: the depth slabs.
    """
    parts = [*_bone_parts(person, tracer), *_organ_parts(person, tracer)]
    maps: dict[ViewName, RegionMap] = {}
    for view in camera.views:
        shown = {part[0]: _project_region(part, camera, depths, view) for part in parts}
        maps[view] = _overlay({number: item for number, item in shown.items() if item}, camera.shape, view)
    _add_injection(maps, spots, camera)
    return maps


def _bone_parts(person: Person, tracer: Tracer) -> list[Part]:
    """Return the bone regions of a person."""
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


def _project_region(
    part: Part, camera: Camera, depths: DepthSlabs, view: ViewName
) -> tuple[Window, NDArray[np.bool_], NDArray[np.float32]] | None:
    """Return window, footprint and healthy projection of one region in a view; None if it is outside the view."""
    from scipy import ndimage

    _, points, volume, level, smoothing = part
    present = (volume > 0) & (_rows(points, camera) > -1) & (_rows(points, camera) < camera.shape[0])
    if not present.any():
        return None
    points, volume, level = points[present], volume[present], level[present]
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


def _overlay(
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
    """Add the injection site to the maps, over all other regions."""
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
    """Return the share (k,) of each point's emission that leaves the body towards the view's detector."""
    column = (camera.centre - points[:, 0]) / camera.spacing + camera.shape[1] / 2 - 0.5
    slab = (points[:, 1] - depths.centres[0]) / SLAB_MM + 0.5
    limits = (len(depths.centres), *camera.shape)
    voxel = tuple(
        np.clip(value.astype(np.int64), 0, limit - 1)
        for value, limit in zip((slab, np.rint(_rows(points, camera)), np.rint(column)), limits, strict=True)
    )
    return np.asarray(depths.transmission[view][voxel])


def _window(occupied: NDArray[np.bool_], reach: int) -> Window | None:
    rows, columns = np.flatnonzero(occupied.any(1)), np.flatnonzero(occupied.any(0))
    if not len(rows):
        return None
    return (
        slice(max(int(rows[0]) - reach, 0), int(rows[-1]) + reach + 1),
        slice(max(int(columns[0]) - reach, 0), int(columns[-1]) + reach + 1),
    )
