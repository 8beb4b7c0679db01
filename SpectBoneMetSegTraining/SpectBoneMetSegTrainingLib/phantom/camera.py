"""The gamma camera: depth slabs -> attenuation -> depth-dependent blur -> scatter -> counts -> Poisson noise.

Resolution, attenuation and scatter follow published values for a low-energy high-resolution (LEHR) collimator at 140
keV: FWHM 4.0/5.2/7.4/9.1/11.2 mm at 0/5/10/15/20 cm; 0.15/cm in tissue, 0.045/cm in lung, about 0.20/cm in bone;
scatter 30-60 % of the primary counts in a 20 % window with a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .anatomy import Person
from .body import TISSUES

Image = NDArray[np.float32]

FWHM_MM = ((0.0, 4.0), (50.0, 5.2), (100.0, 7.4), (150.0, 9.1), (200.0, 11.2), (400.0, 20.0))
MU_TISSUE, MU_LUNG, MU_BONE_EXTRA = 0.15, 0.045, 0.05
SLAB_MM = 15.0
OUTSIDE_COUNTS = 0.2
SINGLE_HEAD = 0.3
VENDOR_SMOOTHING = 0.12


@dataclass(frozen=True)
class Camera:
    """One acquisition.

    Attributes:
        shape: (rows, columns); spacing: pixel edge, mm.
        counts: expected counts of the anterior view.
        top: S (mm) of the upper edge of the field, patient coordinates; centre: R (mm) of its middle.
        gap: mm between the patient and the collimator, anterior and posterior.
        scatter: scattered / primary counts; scatter_width: factor on the length of the tail.
        intrinsic: extra blur of the detector, FWHM mm.
        posterior_gain: sensitivity of the posterior detector relative to the anterior one.
        posterior_shift: rows and columns by which the posterior view lies off, in the anterior frame: a single-head
            camera acquires it later.
        smoothing: sigma in pixels of a filter that the vendor applies to the counts; 0 for none.
        unevenness: relative sensitivity of the detector's columns, one standard deviation.
    """

    shape: tuple[int, int]
    spacing: float
    counts: float
    top: float
    centre: float
    gap: tuple[float, float]
    scatter: float
    scatter_width: float
    intrinsic: float
    posterior_gain: float
    posterior_shift: tuple[int, int] = (0, 0)
    smoothing: float = 0.0
    unevenness: float = 0.0


@dataclass(frozen=True)
class Depths:
    """The patient cut into depth slabs, back (index 0) to front.

    Attributes:
        centres: (slabs,) A mm; transmission: {view: (slabs, rows, columns)} fraction that reaches the detector.
        distance: {view: (slabs,)} mm from slab to collimator.
    """

    centres: NDArray[np.float64]
    transmission: dict[str, NDArray[np.float32]]
    distance: dict[str, NDArray[np.float64]]


def draw_camera(
    person: Person, rng: np.random.Generator, shape: tuple[int, int] = (1024, 256), spacing: float = 2.26
) -> Camera:
    """An acquisition at random around the paper's (256 x 1024, 2.26 mm, LEHR)."""
    height = float(person.bones[:, 2].max())
    length = height - float(person.bones[:, 2].min())
    field = shape[0] * spacing
    room = max(field - length - 60, 0.0)
    return Camera(
        shape=shape,
        spacing=spacing,
        counts=float(np.clip(np.exp(rng.normal(np.log(2.0e6), 0.45)), 0.8e6, 4.5e6)),
        top=height + 25 + float(rng.uniform(0.02, 0.75)) * room,
        centre=float(rng.normal(0, 14)),
        gap=(float(rng.uniform(15, 60)), float(rng.uniform(15, 45))),
        scatter=float(rng.uniform(0.3, 0.6)),
        scatter_width=float(rng.uniform(0.8, 1.25)),
        intrinsic=float(rng.uniform(2.5, 4.5)),
        posterior_gain=float(rng.normal(1.0, 0.04)),
        posterior_shift=_late(rng) if rng.random() < SINGLE_HEAD else (0, 0),
        smoothing=float(rng.uniform(0.5, 1.0)) if rng.random() < VENDOR_SMOOTHING else 0.0,
        unevenness=float(rng.uniform(0.0, 0.02)),
    )


def _late(rng: np.random.Generator) -> tuple[int, int]:
    rows, columns = np.rint(rng.normal(0, 1.5, 2)).astype(int)
    return int(rows), int(columns)


def make_depths(person: Person, camera: Camera) -> Depths:
    """Attenuation of every slab towards both detectors."""
    from scipy import ndimage

    low = float(person.tissues[:, 1].min())
    high = float(person.tissues[:, 1].max())
    count = max(2, int(np.ceil((high - low) / SLAB_MM)))
    centres: NDArray[np.float64] = np.asarray(low + (np.arange(count) + 0.5) * SLAB_MM, np.float64)
    mu = np.array([MU_LUNG if name == "lung" else MU_TISSUE for name in TISSUES])[person.tissue]
    coarse = 4
    pixel = camera.spacing * coarse / 10
    shape = (-(-camera.shape[0] // coarse), -(-camera.shape[1] // coarse))
    path = splat(person.tissues, mu * person.tissue_volume / pixel**2, camera, centres, shape, coarse)
    path += splat(person.bones, MU_BONE_EXTRA * person.bone_volume / pixel**2, camera, centres, shape, coarse)
    path = ndimage.gaussian_filter(path, (0.5, 0.7, 0.7))
    in_front = np.cumsum(path[::-1], 0)[::-1] - path / 2
    behind = np.cumsum(path, 0) - path / 2
    zoom = {}
    for view, amount in (("anterior", in_front), ("posterior", behind)):
        zoom[view] = np.exp(-refine(amount, coarse, camera.shape))
    distance = {"anterior": high - centres + camera.gap[0], "posterior": centres - low + camera.gap[1]}
    return Depths(centres, zoom, distance)


def splat(
    points: NDArray[np.float32],
    weights: NDArray[np.floating],
    camera: Camera,
    centres: NDArray[np.float64],
    shape: tuple[int, int],
    coarse: int = 1,
) -> Image:
    """Sum weighted points into (slabs, rows, columns) of the anterior frame, bilinear in the plane.

    `shape` and `coarse` choose a grid `coarse` times coarser than the camera's. Weights outside the field are lost.
    """
    pixel = camera.spacing * coarse
    columns = (camera.centre - points[:, 0]) / pixel + camera.shape[1] / (2 * coarse) - 0.5
    rows = (camera.top - points[:, 2]) / pixel - 0.5
    slab = np.clip(((points[:, 1] - centres[0]) / SLAB_MM + 0.5).astype(np.int64), 0, len(centres) - 1)
    row, column = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    down, across = rows - row, columns - column
    # Count in the box that holds the points only: a lesion fills a thousandth of the volume.
    low = np.array([slab.min(), np.clip(row.min(), 0, shape[0] - 1), np.clip(column.min(), 0, shape[1] - 1)])
    high = np.array([slab.max(), np.clip(row.max() + 1, 0, shape[0] - 1), np.clip(column.max() + 1, 0, shape[1] - 1)])
    size = high - low + 1
    box = np.zeros(int(size.prod()))
    for dr, row_share in ((0, 1 - down), (1, down)):
        for dc, column_share in ((0, 1 - across), (1, across)):
            r, c = row + dr, column + dc
            inside = (r >= 0) & (r < shape[0]) & (c >= 0) & (c < shape[1])
            index = ((slab[inside] - low[0]) * size[1] + r[inside] - low[1]) * size[2] + c[inside] - low[2]
            box += np.bincount(index, (weights * row_share * column_share)[inside], len(box))
    volume = np.zeros((len(centres), *shape), np.float32)
    volume[low[0] : high[0] + 1, low[1] : high[1] + 1, low[2] : high[2] + 1] = box.reshape(size)
    return volume


def project(activity: Image, depths: Depths, camera: Camera, view: str) -> Image:
    """Primary (unscattered) image of an activity volume (slabs, rows, columns), anterior frame, arbitrary scale."""
    from scipy import ndimage

    image = np.zeros(activity.shape[1:], np.float32)
    knots, fwhm = np.array(FWHM_MM).T
    for slab, transmission, distance in zip(activity, depths.transmission[view], depths.distance[view], strict=True):
        rows, columns = slab.any(1), slab.any(0)
        if not rows.any():
            continue
        width = np.hypot(np.interp(distance, knots, fwhm), camera.intrinsic)
        sigma = width / 2.3548 / camera.spacing
        # Only the part of the slab that holds activity, and what its blur reaches.
        reach = int(np.ceil(4 * sigma)) + 1
        part = _window(rows, reach), _window(columns, reach)
        image[part] += ndimage.gaussian_filter((slab * transmission)[part], sigma, mode="constant", truncate=4.0)
    return image


def add_scatter(primary: Image, camera: Camera) -> Image:
    """Primary plus scattered counts; the tail of the scatter kernel is close to exponential (two Gaussians)."""
    from scipy import ndimage

    coarse = 4
    rows, columns = (-(-size // coarse) * coarse for size in primary.shape)
    padded = np.zeros((rows, columns), np.float32)
    padded[: primary.shape[0], : primary.shape[1]] = primary
    small = padded.reshape(rows // coarse, coarse, columns // coarse, coarse).mean((1, 3))
    scale = camera.scatter_width / (camera.spacing * coarse)
    tail = 0.65 * ndimage.gaussian_filter(small, 18 * scale, mode="constant")
    tail += 0.35 * ndimage.gaussian_filter(small, 48 * scale, mode="constant", truncate=3)
    return primary + np.float32(camera.scatter) * refine(tail, coarse, (primary.shape[0], primary.shape[1]))


def refine(image: Image, factor: int, shape: tuple[int, int]) -> Image:
    """Bilinear refinement of the last two axes by `factor`, cut to `shape`; two matrix products are the fastest way."""
    down = _interpolation(image.shape[-2], factor, shape[0])
    across = _interpolation(image.shape[-1], factor, shape[1])
    return down @ (image.astype(np.float32) @ across.T)


def _interpolation(size: int, factor: int, wanted: int) -> Image:
    """(wanted, size) weights of linear interpolation between cell centres."""
    place = np.clip((np.arange(wanted) + 0.5) / factor - 0.5, 0, size - 1)
    left = np.minimum(place.astype(int), max(size - 2, 0))
    weights = np.zeros((wanted, size), np.float32)
    weights[np.arange(wanted), left] = 1 - (place - left)
    if size > 1:
        weights[np.arange(wanted), left + 1] = place - left
    return weights


def uneven(image: Image, camera: Camera, rng: np.random.Generator) -> Image:
    """The image as the detector's uneven columns see it (smooth along the row)."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter1d(rng.normal(size=image.shape[1]), 6, mode="nearest")
    return (image * (1 + camera.unevenness * noise / noise.std())).astype(np.float32)


def shift(image: Image, camera: Camera, view: str) -> Image:
    """The view moved by the camera's shift (posterior only), zero where nothing came from."""
    if view != "posterior" or camera.posterior_shift == (0, 0):
        return image
    rows, columns = camera.posterior_shift
    padded = np.pad(image, ((abs(rows),) * 2, (abs(columns),) * 2))
    first, left = abs(rows) - rows, abs(columns) - columns
    return padded[first : first + image.shape[0], left : left + image.shape[1]]


def detect(expected: Image, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Poisson counts of an expected image, stray counts outside the body included, filtered if the vendor does."""
    counts = np.minimum(rng.poisson(expected + OUTSIDE_COUNTS), 65535)
    if camera.smoothing > 0:
        from scipy import ndimage

        counts = np.rint(ndimage.gaussian_filter(counts.astype(np.float32), camera.smoothing))
    return counts.astype(np.uint16)


def _window(hit: NDArray[np.bool_], reach: int) -> slice:
    index = np.flatnonzero(hit)
    return slice(max(int(index[0]) - reach, 0), int(index[-1]) + reach + 1)
