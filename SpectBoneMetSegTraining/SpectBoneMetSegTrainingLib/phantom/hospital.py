"""One simulated patient's scan, from a seed: person, tracer, lesions, camera, truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.planar import PlanarView, ScanSource, ViewName, WholeBodyScan, mirror

from . import camera as cam
from .anatomy import Person, draw_posture, draw_shape, make_person
from .body import TISSUES
from .illness import add_illness
from .lesions import Focus, add_uptake, draw_metastases, draw_mimics
from .skeleton import load_skeleton
from .tracer import Tracer, draw_tracer
from .truth import LesionView, label_view

#: Share of patients with metastases in a simulated population.
POSITIVE_SHARE = 0.7

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SimulatedLesion:
    """A metastasis and how each view shows it; `id` is 1-based within the case."""

    id: int
    bone: str
    uptake: float
    views: dict[ViewName, LesionView]

    @property
    def visible(self) -> bool:
        """Labelled in at least one view."""
        return any(view.visible for view in self.views.values())


@dataclass(frozen=True)
class SimulatedCase:
    """A simulated scan with its truth.

    Attributes:
        scan: both views, Poisson counts, posterior as acquired.
        expected: {view: (rows, columns)} noise-free counts, anterior frame.
        lesions: metastases; mimics: "kind bone" of every mimic.
        landmarks: rows and columns (float pixels, anterior frame) of anatomical landmarks.
    """

    scan: WholeBodyScan
    expected: dict[ViewName, Image]
    lesions: tuple[SimulatedLesion, ...]
    mimics: tuple[str, ...]
    landmarks: dict[str, float]
    parameters: dict[str, object] = field(default_factory=dict)


def simulate_case(
    case: str,
    seed: int | tuple[int, ...],
    *,
    positive: bool | None = None,
    shape: tuple[int, int] = (1024, 256),
    spacing: float = 2.26,
    arms_up: bool | None = None,
) -> SimulatedCase:
    """Simulate one patient; the same seed gives the same counts."""
    rng = np.random.default_rng(seed)
    body, posture = draw_shape(rng), draw_posture(rng, arms_up)
    person = make_person(body, posture, rng)
    tracer = draw_tracer(person, rng)
    bones, tissues, illnesses = add_illness(person, tracer.bones, tracer.tissues, rng)
    tracer = Tracer(bones, tissues)
    mimics = draw_mimics(person, rng)
    if positive is None:
        positive = bool(rng.random() < POSITIVE_SHARE)
    metastases = draw_metastases(person, rng) if positive else []
    camera = cam.draw_camera(person, rng, shape, spacing)
    depths = cam.make_depths(person, camera)

    without = add_uptake(tracer.bones, mimics)
    # Where foci overlap the hottest counts, so a lesion's own share is what it adds to the mimics.
    extras = [(add_uptake(tracer.bones, [*mimics, focus]) - without)[focus.index] for focus in metastases]
    with_lesions = add_uptake(tracer.bones, mimics + metastases)
    activity = _activity(person, tracer, with_lesions, camera, depths) + _spill(person, camera, depths, rng)
    primary: dict[ViewName, Image] = {
        view: cam.project(activity, depths, camera, view) for view in ("anterior", "posterior")
    }
    scale = camera.counts / float(cam.add_scatter(primary["anterior"], camera).sum())
    gain: dict[ViewName, float] = {"anterior": scale, "posterior": scale * camera.posterior_gain}
    expected: dict[ViewName, Image] = {
        view: cam.uneven(cam.shift(cam.add_scatter(image, camera) * np.float32(gain[view]), camera, view), camera, rng)
        for view, image in primary.items()
    }
    lesions = _label(person, metastases, extras, expected, gain, camera, depths)
    views = {
        view: PlanarView(cam.detect(image, camera, rng).astype(np.float32), (spacing, spacing), "anterior")
        for view, image in expected.items()
    }
    scan = WholeBodyScan(
        case, views["anterior"], mirror(views["posterior"]), ScanSource(description={"data": "simulated"})
    )
    return SimulatedCase(
        scan,
        expected,
        lesions,
        tuple(f"{focus.kind} {focus.bone}" for focus in mimics),
        _landmarks(person, camera),
        {
            "stature_m": round(1.70 * body.stature, 3),
            "girth": round(body.girth, 3),
            "arms_up": posture.arm_abduction[0] > 90,
            "anterior_counts": round(camera.counts),
            "spacing_mm": spacing,
            "illnesses": illnesses,
            "posterior_shift_pixels": list(camera.posterior_shift),
            "vendor_smoothing_pixels": round(camera.smoothing, 3),
        },
    )


def _activity(
    person: Person, tracer: Tracer, bones: NDArray[np.float32], camera: cam.Camera, depths: cam.Depths
) -> Image:
    """Activity per (slab, row, column), anterior frame, arbitrary units."""
    from scipy import ndimage

    coarse = 2
    shape = (-(-camera.shape[0] // coarse), -(-camera.shape[1] // coarse))
    soft = cam.splat(person.tissues, tracer.tissues * person.tissue_volume, camera, depths.centres, shape, coarse)
    # Tissue points stand 5 mm apart: blur away their grain and keep the sum when refining the grid.
    soft = ndimage.gaussian_filter(soft, (0.6, 0.9, 0.9), mode="constant")
    fine = cam.refine(soft, coarse, camera.shape) / np.float32(coarse**2)
    activity = cam.splat(person.bones, bones * person.bone_volume, camera, depths.centres, camera.shape)
    return activity + fine


def _spill(person: Person, camera: cam.Camera, depths: cam.Depths, rng: np.random.Generator) -> Image:
    """Activity where no organ is: the injection site and, now and then, urine on the skin."""
    volume = np.zeros((len(depths.centres), *camera.shape), np.float32)
    skeleton = load_skeleton()
    spots = []
    if rng.random() < 0.55:
        side = "right" if rng.random() < 0.5 else "left"
        bone = f"{side} hand" if rng.random() < 0.5 else f"{side} radius"
        points = person.bones[skeleton.of(bone)]
        top = points[points[:, 2] > np.quantile(points[:, 2], 0.8)]
        spots.append((top.mean(0) + np.array([0.0, 15.0, 0.0]), float(np.exp(rng.normal(5.6, 1.0))), rng.uniform(4, 9)))
    if rng.random() < 0.08:
        hips = person.bones[skeleton.of("right femur", "left femur")]
        place = hips[int(rng.integers(len(hips)))] + (0, 70, 0)
        spots.append((place, float(np.exp(rng.normal(5.2, 0.8))), rng.uniform(5, 14)))
    for centre, amount, width in spots:
        cloud = (centre + rng.normal(0, width, (400, 3))).astype(np.float32)
        volume += cam.splat(cloud, np.full(400, amount / 400), camera, depths.centres, camera.shape)
    return volume


def _label(
    person: Person,
    metastases: list[Focus],
    extras: list[NDArray[np.float32]],
    expected: dict[ViewName, Image],
    gain: dict[ViewName, float],
    camera: cam.Camera,
    depths: cam.Depths,
) -> tuple[SimulatedLesion, ...]:
    found: list[SimulatedLesion] = []
    order = np.argsort([-focus.centre[2] for focus in metastases], kind="stable")
    for number, i in enumerate(order, 1):
        focus = metastases[i]
        weights = extras[i] * person.bone_volume[focus.index]
        volume = cam.splat(person.bones[focus.index], weights, camera, depths.centres, camera.shape)
        views: dict[ViewName, LesionView] = {
            view: label_view(
                cam.shift(cam.project(volume, depths, camera, view) * np.float32(gain[view]), camera, view), image
            )
            for view, image in expected.items()
        }
        found.append(SimulatedLesion(number, focus.bone, round(focus.uptake, 3), views))
    return tuple(found)


def _landmarks(person: Person, camera: cam.Camera) -> dict[str, float]:
    skeleton = load_skeleton()

    def row(points: NDArray[np.float32], quantile: float) -> float:
        return float((camera.top - np.quantile(points[:, 2], quantile)) / camera.spacing - 0.5)

    def column(points: NDArray[np.float32]) -> float:
        return float((camera.centre - points[:, 0].mean()) / camera.spacing + camera.shape[1] / 2 - 0.5)

    ribs = person.bones[skeleton.of(*(f"{side} rib {i}" for side in ("right", "left") for i in range(1, 13)))]
    clavicles = person.bones[skeleton.of("right clavicle", "left clavicle")]
    spine = person.bones[skeleton.of(*(f"T{i}" for i in range(3, 12)))]
    everything = person.tissues[person.tissue == TISSUES.index("soft tissue")]
    return {
        "head_top_row": row(everything, 1.0),
        "clavicle_row": row(clavicles, 0.5),
        "first_rib_row": row(ribs, 1.0),
        "last_rib_row": row(ribs, 0.0),
        "feet_row": row(everything, 0.0),
        "thoracic_spine_column": column(spine),
    }
