"""Composition of a new scan of a stored patient: the lesions present, their uptake, the camera's effects, the labels.

Rates and ranges are assumptions. Properties that are constant for a simulated patient (disease, uptake, counts of the
camera) are drawn for every scan here, so that a thousand patients have the variety of many more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from ...dataset.cases import BACKGROUND, IGNORE, LESION
from ..camera.acquisition import Camera
from ..camera.detector import apply_nonuniformity, detect_counts, mask_to_field
from ..camera.optics import SCATTER_COARSE, add_scatter
from ..camera.random_acquisition import redraw_camera
from ..disease.diffuse import SINK_KIDNEY_EXPONENT, SINK_TISSUE_EXPONENT
from ..disease.patient import MIMICS_WITH_METASTASES
from ..scan.ground_truth import OUTLINE_LEVEL, Projection, Window, label_lesions
from ..scan.hospital_sites import SITES
from .layers import Image, Layer, StoredPatient

__all__ = ["ComposedScan", "Composition", "compose", "draw_composition", "expected_counts"]

#: Share of scans with metastases; of these, the shares with all lesions of the disease and with two diseases.
DISEASED, ALL_LESIONS, TWO_DISEASES = 0.8, 0.6, 0.15
#: Smallest share of the lesions that are present, where not all are.
MINIMUM_LESION_SHARE = 0.2
#: Sigma of the logarithm of the factors on the uptake of a disease, a lesion, a mimic, bone and an organ.
DISEASE_SIGMA, LESION_SIGMA, MIMIC_SIGMA, BONE_SIGMA, ORGAN_SIGMA = 0.3, 0.3, 0.3, 0.15, 0.5
#: Share of scans with an emptied bladder, range of the remaining share of its activity (from fainter than bone to
#: half), and share of scans with extraneous activity.
EMPTIED, LEFT_IN_BLADDER, SPOTS = 0.4, (0.02, 0.5), 0.7
#: Share of scans with one view; share and range of an extra blur (sigma, pixels) and of a contrast curve (exponent).
ONE_VIEW, BLURRED, BLUR_PIXELS, CURVED, CURVE = 0.06, 0.3, (0.3, 0.8), 0.1, (0.85, 1.18)
#: Standard deviation and limits of the level at which a scan is outlined, share of the local maximum.
LEVEL_SIGMA, LEVEL_LIMITS = 0.06, (0.35, 0.65)
#: Distance beyond which scatter is negligible (two sigmas of its longer tail).
SCATTER_REACH_MM = 100.0
#: Layers that hold urine.
URINE = ("bladder", "right kidney", "left kidney")


@dataclass(frozen=True)
class Composition:
    """The recipe of one scan: weights of the layers, and the acquisition.

    Attributes:
        body: weight of each layer of the patient's body.
        mimics: weight of each of the patient's mimics, 0 for one that is absent.
        lesions: layers of the lesions that are present.
        weights: weight of each of these lesions.
        camera: acquisition, with the views that are acquired.
        level: of the outlines, share of the local maximum.
        blur: extra blur, sigma in pixels.
        curve: exponent on counts / highest counts (99th percentile).
    """

    body: tuple[float, ...]
    mimics: tuple[float, ...]
    lesions: tuple[Layer, ...]
    weights: tuple[float, ...]
    camera: Camera
    level: float = OUTLINE_LEVEL
    blur: float = 0.0
    curve: float = 1.0


@dataclass(frozen=True)
class ComposedScan:
    """A composed scan of the acquired views, anterior frame, in the requested window.

    Attributes:
        counts: {view: (rows, columns) float32}, whole numbers.
        labels: {view: (rows, columns) uint8 of BACKGROUND, LESION, IGNORE}.
        regions: {view: (rows, columns) uint8 region numbers}.
        patient: the stored patient.
        window: rows and columns in the camera's field.
    """

    counts: dict[ViewName, Image]
    labels: dict[ViewName, NDArray[np.uint8]]
    regions: dict[ViewName, NDArray[np.uint8]]
    patient: StoredPatient
    window: Window


def draw_composition(patient: StoredPatient, rng: np.random.Generator, *, diseased: bool | None = None) -> Composition:
    """Draw the composition of a scan; `diseased` is whether it has metastases, None to draw it."""
    if diseased is None:
        diseased = bool(rng.random() < DISEASED)
    lesions, weights = _draw_lesions(patient, rng) if diseased else ([], [])
    burden = sum(weight * layer.burden for layer, weight in zip(lesions, weights, strict=True))
    body = [_body_weight(layer.name, rng, max(burden, 0.0)) for layer in patient.body]
    mimic_share = MIMICS_WITH_METASTASES if lesions else 1.0
    mimics = [_factor(rng, MIMIC_SIGMA) * (rng.random() < mimic_share) for _ in patient.mimics]
    camera = redraw_camera(patient.camera, rng, SITES[patient.site].camera)
    if rng.random() < ONE_VIEW:
        camera = replace(camera, views=("anterior",) if rng.random() < 0.65 else ("posterior",))
    blur = float(rng.uniform(*BLUR_PIXELS)) if rng.random() < BLURRED else 0.0
    curve = float(rng.uniform(*CURVE)) if rng.random() < CURVED else 1.0
    level = float(np.clip(rng.normal(OUTLINE_LEVEL * SITES[patient.site].level, LEVEL_SIGMA), *LEVEL_LIMITS))
    return Composition(tuple(body), tuple(mimics), tuple(lesions), tuple(weights), camera, level, blur, curve)


def compose(
    patient: StoredPatient, drawn: Composition, rng: np.random.Generator, window: Window | None = None
) -> ComposedScan:
    """Compose a scan: counts with noise, labels and regions.

    Args:
        patient: the stored patient.
        drawn: composition of the scan.
        rng: source of the detector's non-uniformity and the counts.
        window: rows and columns to compose; None for the whole field.
    """
    if window is None:
        window = slice(0, patient.camera.shape[0]), slice(0, patient.camera.shape[1])
    healthy, lesions = expected_counts(patient, drawn, window)
    pattern = int(rng.integers(2**32))
    inside = mask_to_field(np.ones(drawn.camera.shape, np.float32), drawn.camera)[window]
    window_camera = replace(drawn.camera, shape=inside.shape, swept=None, width=float("inf"))
    counts, labels = {}, {}
    for view in drawn.camera.views:
        total = healthy[view] + sum_projections(lesions[view], inside.shape)
        labels[view] = label_map(drawn, lesions[view], total)
        seen = apply_nonuniformity(
            _apply_blur_and_curve(total, drawn), window_camera, np.random.default_rng([pattern, len(view)])
        )
        counts[view] = detect_counts(seen, window_camera, rng).astype(np.float32) * inside
    regions = {view: patient.regions[view][window] for view in drawn.camera.views}
    return ComposedScan(counts, labels, regions, patient, window)


def expected_counts(
    patient: StoredPatient, drawn: Composition, window: Window
) -> tuple[dict[ViewName, Image], dict[ViewName, list[Projection]]]:
    """Compute the noise-free counts of a composition in a window of the field.

    Args:
        patient: the stored patient.
        drawn: composition of the scan.
        window: rows and columns of the field.

    Returns:
        {view: (rows, columns) counts without the lesions' own projections, but with their scatter}, and {view: each
        lesion's own projection}, both in the window.
    """
    camera = drawn.camera
    near, inner = _scatter_window(window, camera)
    field = mask_to_field(np.ones(camera.shape, np.float32), camera)[near]
    parts = [*zip(patient.body, drawn.body, strict=True), *zip(patient.mimics, drawn.mimics, strict=True)]
    parts = [(layer, weight) for layer, weight in parts if weight]
    foci = [*zip(drawn.lesions, drawn.weights, strict=True)]
    healthy, lesions = {}, {}
    for view, gain in _gains([*parts, *foci], camera).items():
        own = [_cut(layer.views[view], near, gain * weight) for layer, weight in foci]
        rest = sum_projections([_cut(layer.views[view], near, gain * weight) for layer, weight in parts], field.shape)
        extra = sum_projections(own, field.shape)
        # Lytic lesions and mimics can reduce the counts of bone, but not below 0.
        everything = add_scatter(np.maximum(rest + extra, 0), camera)
        healthy[view] = (np.maximum(everything - extra, 0) * field)[inner]
        lesions[view] = [_cut(part, inner) for part in own]
    return healthy, lesions


def sum_projections(parts: Sequence[Projection], shape: tuple[int, ...]) -> Image:
    """Return the sum (rows, columns) of projections, each in its window."""
    total = np.zeros(shape, np.float32)
    for box, image in parts:
        total[box] += image
    return total


def label_map(drawn: Composition, lesions: Sequence[Projection], total: Image) -> NDArray[np.uint8]:
    """Return the label map of one view: outlines as in `scan.ground_truth`, at this scan's level; fainter is IGNORE."""
    nothing = (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    cold = [layer.kind == "cold" for layer in drawn.lesions]
    hot = [nothing if is_cold else (box, np.maximum(x, 0)) for (box, x), is_cold in zip(lesions, cold, strict=True)]
    result = np.full(total.shape, BACKGROUND, np.uint8)
    views = label_lesions(
        hot, total, drawn.level, joint=sum_projections(lesions, total.shape), spacing=drawn.camera.spacing
    )
    for (box, image), is_cold in zip(lesions, cold, strict=True):
        if is_cold and image.size:
            result[box][image <= drawn.level * image.min()] = IGNORE
    for visible, value in ((False, IGNORE), (True, LESION)):
        for shown in views:
            if shown.visible is visible:
                result[shown.mask] = value
    return result


def _draw_lesions(patient: StoredPatient, rng: np.random.Generator) -> tuple[list[Layer], list[float]]:
    """Draw the lesions that are present and their weights: of one disease, or sometimes of two with single foci."""
    first, second = (int(number) for number in rng.permutation(len(patient.diseases))[:2])
    diseases = [patient.diseases[first]]
    if diseases[0].pattern == "foci" and patient.diseases[second].pattern == "foci" and rng.random() < TWO_DISEASES:
        diseases.append(patient.diseases[second])
    share = 1.0 if rng.random() < ALL_LESIONS or diseases[0].pattern != "foci" else rng.uniform(MINIMUM_LESION_SHARE, 1)
    lesions, weights = [], []
    for disease in diseases:
        factor = _factor(rng, DISEASE_SIGMA)
        for layer in disease.lesions:
            # Lesions of diffuse disease belong to one pattern and share one factor.
            own = 1.0 if layer.kind == "diffuse" else _factor(rng, LESION_SIGMA)
            if rng.random() < share:
                lesions.append(layer)
                weights.append(1.0 if layer.kind == "cold" else factor * own)
    return lesions, weights


def _body_weight(name: str, rng: np.random.Generator, burden: float) -> float:
    """Draw the weight of a body layer; metastases reduce soft tissue and urine (tumour sink, `disease.diffuse`)."""
    if name == "bone":
        return _factor(rng, BONE_SIGMA)
    if name in URINE:
        emptied = 1.0
        if name == "bladder" and rng.random() < EMPTIED:
            emptied = float(np.exp(rng.uniform(*np.log(LEFT_IN_BLADDER))))
        return _factor(rng, ORGAN_SIGMA) * emptied * float((1 + burden) ** SINK_KIDNEY_EXPONENT)
    if name == "spots":
        return _factor(rng, ORGAN_SIGMA) * (rng.random() < SPOTS)
    return float((1 + burden) ** SINK_TISSUE_EXPONENT)


def _factor(rng: np.random.Generator, sigma: float) -> float:
    return float(np.exp(rng.normal(0, sigma)))


def _gains(parts: Sequence[tuple[Layer, float]], camera: Camera) -> dict[ViewName, float]:
    """Return the counts per unit of activity of every view; the first view has about the camera's counts."""
    activity = sum(weight * float(layer.views[camera.views[0]][1].sum()) for layer, weight in parts)
    scale = camera.counts / max(activity * (1 + camera.scatter), 1e-6)
    return {view: scale * (1.0 if view == camera.views[0] else camera.posterior_gain) for view in camera.views}


def _scatter_window(window: Window, camera: Camera) -> tuple[Window, Window]:
    """Extend a window by the reach of scatter, aligned with scatter's coarse grid.

    Returns:
        The extended window, and the original window within it.
    """
    margin = round(SCATTER_REACH_MM / camera.spacing)
    near = [
        (max(side.start - margin, 0) // SCATTER_COARSE * SCATTER_COARSE, min(side.stop + margin, limit))
        for side, limit in zip(window, camera.shape, strict=True)
    ]
    inner = [slice(side.start - low, side.stop - low) for side, (low, _) in zip(window, near, strict=True)]
    return (slice(*near[0]), slice(*near[1])), (inner[0], inner[1])


def _cut(part: Projection, window: Window, factor: float | None = None) -> Projection:
    """Crop a projection to a window, in the window's coordinates, and multiply it by `factor`."""
    box, image = part
    inside = [
        (max(side.start, edge.start), max(min(side.stop, edge.stop), max(side.start, edge.start)))
        for side, edge in zip(box, window, strict=True)
    ]
    source = [slice(low - side.start, high - side.start) for (low, high), side in zip(inside, box, strict=True)]
    target = [slice(low - edge.start, high - edge.start) for (low, high), edge in zip(inside, window, strict=True)]
    cut = image[source[0], source[1]]
    return (target[0], target[1]), cut if factor is None else cut * np.float32(factor)


def _apply_blur_and_curve(total: Image, drawn: Composition) -> Image:
    """Apply the extra blur and the contrast curve, which keeps the 99th percentile, to expected counts."""
    from scipy import ndimage

    if drawn.blur:
        total = ndimage.gaussian_filter(total, drawn.blur)
    if drawn.curve == 1.0:
        return total
    high = np.float32(max(float(np.percentile(total, 99.0)), 1e-6))
    return np.asarray(high * (total / high) ** np.float32(drawn.curve), np.float32)
