"""A new scan of a stored patient: which lesions are there, how much they take up, how the camera sees them, the labels.

Rates and ranges are ours; each scan draws its own. What the simulated hospital fixes for a patient once (a disease,
its uptake, the camera's counts) differs here at every draw, so that a thousand patients act like many more.
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

#: Share of the scans with metastases; of these with all lesions of the disease, with those of two diseases.
DISEASED, ALL_LESIONS, TWO_DISEASES = 0.8, 0.6, 0.15
#: Share of the lesions that are there at least, where not all are.
MINIMUM_LESION_SHARE = 0.2
#: Sigma of the logarithm of the factors on uptake: of a disease, a lesion, a mimic, bone, an organ.
DISEASE_SIGMA, LESION_SIGMA, MIMIC_SIGMA, BONE_SIGMA, ORGAN_SIGMA = 0.3, 0.3, 0.3, 0.15, 0.5
#: How often the bladder was emptied before the scan, and the range of what is left in it, from less than bone shows to
#: nearly all; how often what lies beside the organs is there.
EMPTIED, LEFT_IN_BLADDER, SPOTS = 0.4, (0.02, 0.5), 0.7
#: How often one view is missing, and a gentle extra blur (pixels) or contrast curve (exponent) is there.
ONE_VIEW, BLURRED, BLUR_PIXELS, CURVED, CURVE = 0.06, 0.3, (0.3, 0.8), 0.1, (0.85, 1.18)
#: Sigma of the level at which the readers of a scan outline, and its limits.
LEVEL_SIGMA, LEVEL_LIMITS = 0.06, (0.35, 0.65)
#: Scatter from farther away than this adds nothing to speak of (two sigmas of its longer tail).
SCATTER_REACH_MM = 100.0
URINE = ("bladder", "right kidney", "left kidney")


@dataclass(frozen=True)
class Composition:
    """One scan to be: weights of the layers and the camera of the day.

    Attributes:
        body: weight of this layer of the patient.
        mimics: likewise.
        lesions: layers that are there, from head to foot.
        weights: of each of them.
        camera: with the views that are acquired.
        level: at which readers outline.
        blur: extra, sigma in pixels.
        curve: exponent on counts / highest counts.
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
    """A composed scan, anterior frame, of the views that were acquired, in the window that was asked for.

    Attributes:
        counts: {view: (rows, columns) float32}, whole numbers.
        labels: {view: (rows, columns) uint8 of BACKGROUND, LESION, IGNORE}.
        regions: {view: (rows, columns) uint8}.
        patient: what was drawn from.
        window: rows and columns of the camera's field.
    """

    counts: dict[ViewName, Image]
    labels: dict[ViewName, NDArray[np.uint8]]
    regions: dict[ViewName, NDArray[np.uint8]]
    patient: StoredPatient
    window: Window


def draw_composition(patient: StoredPatient, rng: np.random.Generator, diseased: bool | None = None) -> Composition:
    """A scan of a patient at random; `diseased` None draws it."""
    if diseased is None:
        diseased = bool(rng.random() < DISEASED)
    lesions, weights = _draw_lesions(patient, rng) if diseased else ([], [])
    burden = sum(weight * layer.burden for layer, weight in zip(lesions, weights, strict=True))
    body = [_body_weight(layer.name, rng, max(burden, 0.0)) for layer in patient.body]
    there = MIMICS_WITH_METASTASES if lesions else 1.0
    mimics = [_factor(rng, MIMIC_SIGMA) * (rng.random() < there) for _ in patient.mimics]
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
    """The scan of a composition: counts with their noise and the labels.

    Args:
        rng: of the detector's columns and the counts.
        window: rows and columns to make, None for the whole field.
    """
    if window is None:
        window = slice(0, patient.camera.shape[0]), slice(0, patient.camera.shape[1])
    healthy, lesions = expected_counts(patient, drawn, window)
    pattern = int(rng.integers(2**32))
    inside = mask_to_field(np.ones(drawn.camera.shape, np.float32), drawn.camera)[window]
    here = replace(drawn.camera, shape=inside.shape, swept=None, width=float("inf"))
    counts, labels = {}, {}
    for view in drawn.camera.views:
        total = healthy[view] + sum_projections(lesions[view], inside.shape)
        labels[view] = label_map(drawn, lesions[view], total)
        seen = apply_nonuniformity(_curved(total, drawn), here, np.random.default_rng([pattern, len(view)]))
        counts[view] = detect_counts(seen, here, rng).astype(np.float32) * inside
    regions = {view: patient.regions[view][window] for view in drawn.camera.views}
    return ComposedScan(counts, labels, regions, patient, window)


def expected_counts(
    patient: StoredPatient, drawn: Composition, window: Window
) -> tuple[dict[ViewName, Image], dict[ViewName, list[Projection]]]:
    """Noise-free counts of a composition in a window of the field.

    Returns:
        {view: (rows, columns) without the lesions' own projections, but with what they scatter}, and {view: each
        lesion's own}, both of the window.
    """
    camera = drawn.camera
    near, inner = _surroundings(window, camera)
    field = mask_to_field(np.ones(camera.shape, np.float32), camera)[near]
    parts = [*zip(patient.body, drawn.body, strict=True), *zip(patient.mimics, drawn.mimics, strict=True)]
    parts = [(layer, weight) for layer, weight in parts if weight]
    foci = [*zip(drawn.lesions, drawn.weights, strict=True)]
    healthy, lesions = {}, {}
    for view, gain in _gains([*parts, *foci], camera).items():
        own = [_cut(layer.views[view], near, gain * weight) for layer, weight in foci]
        rest = sum_projections([_cut(layer.views[view], near, gain * weight) for layer, weight in parts], field.shape)
        extra = sum_projections(own, field.shape)
        # Lytic lesions and mimics take away from bone, never more than there is.
        everything = add_scatter(np.maximum(rest + extra, 0), camera)
        healthy[view] = (np.maximum(everything - extra, 0) * field)[inner]
        lesions[view] = [_cut(part, inner) for part in own]
    return healthy, lesions


def sum_projections(parts: Sequence[Projection], shape: tuple[int, ...]) -> Image:
    """(rows, columns) sum of projections, each in its window."""
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
    for wanted, value in ((False, IGNORE), (True, LESION)):
        for shown in views:
            if shown.visible is wanted:
                result[shown.mask] = value
    return result


def _draw_lesions(patient: StoredPatient, rng: np.random.Generator) -> tuple[list[Layer], list[float]]:
    """Lesions of one disease, now and then of two with single foci, all or some of them, and their weights."""
    first, second = (int(number) for number in rng.permutation(len(patient.diseases))[:2])
    diseases = [patient.diseases[first]]
    if diseases[0].pattern == "foci" and patient.diseases[second].pattern == "foci" and rng.random() < TWO_DISEASES:
        diseases.append(patient.diseases[second])
    share = 1.0 if rng.random() < ALL_LESIONS or diseases[0].pattern != "foci" else rng.uniform(MINIMUM_LESION_SHARE, 1)
    lesions, weights = [], []
    for disease in diseases:
        factor = _factor(rng, DISEASE_SIGMA)
        for layer in disease.lesions:
            # Lesions of diffuse disease are parts of one pattern.
            own = 1.0 if layer.kind == "diffuse" else _factor(rng, LESION_SIGMA)
            if rng.random() < share:
                lesions.append(layer)
                weights.append(1.0 if layer.kind == "cold" else factor * own)
    return lesions, weights


def _body_weight(name: str, rng: np.random.Generator, burden: float) -> float:
    """Weight of a layer of the body; metastases leave less for soft tissue and urine (`disease.diffuse`)."""
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
    """Counts per unit of activity of every view; the first view has about the camera's counts."""
    activity = sum(weight * float(layer.views[camera.views[0]][1].sum()) for layer, weight in parts)
    scale = camera.counts / max(activity * (1 + camera.scatter), 1e-6)
    return {view: scale * (1.0 if view == camera.views[0] else camera.posterior_gain) for view in camera.views}


def _surroundings(window: Window, camera: Camera) -> tuple[Window, Window]:
    """The window with all around it that scatters into it, from a pixel of scatter's coarse grid on, and its place."""
    margin = round(SCATTER_REACH_MM / camera.spacing)
    near = [
        (max(side.start - margin, 0) // SCATTER_COARSE * SCATTER_COARSE, min(side.stop + margin, limit))
        for side, limit in zip(window, camera.shape, strict=True)
    ]
    inner = [slice(side.start - low, side.stop - low) for side, (low, _) in zip(window, near, strict=True)]
    return (slice(*near[0]), slice(*near[1])), (inner[0], inner[1])


def _cut(part: Projection, window: Window, factor: float | None = None) -> Projection:
    """A projection in a window, where its corner counts from the window's; `factor` times its counts."""
    box, image = part
    inside = [
        (max(side.start, edge.start), max(min(side.stop, edge.stop), max(side.start, edge.start)))
        for side, edge in zip(box, window, strict=True)
    ]
    own = [slice(low - side.start, high - side.start) for (low, high), side in zip(inside, box, strict=True)]
    there = [slice(low - edge.start, high - edge.start) for (low, high), edge in zip(inside, window, strict=True)]
    cut = image[own[0], own[1]]
    return (there[0], there[1]), cut if factor is None else cut * np.float32(factor)


def _curved(total: Image, drawn: Composition) -> Image:
    """The expected counts after the extra blur and the contrast curve, which leaves the brightest bone where it is."""
    from scipy import ndimage

    if drawn.blur:
        total = ndimage.gaussian_filter(total, drawn.blur)
    if drawn.curve == 1.0:
        return total
    high = np.float32(max(float(np.percentile(total, 99.0)), 1e-6))
    return np.asarray(high * (total / high) ** np.float32(drawn.curve), np.float32)
