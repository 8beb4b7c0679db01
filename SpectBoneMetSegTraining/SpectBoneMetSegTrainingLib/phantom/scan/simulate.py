"""Simulation of one scan, or of several scans of one patient, from a seed: patient, acquisition, ground truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import PlanarView, ScanSource, ViewName, WholeBodyScan, mirror

from ..camera.acquisition import Camera
from ..camera.detector import apply_nonuniformity, detect_counts
from ..camera.extraneous_activity import draw_extraneous_activity, spot_activity
from ..camera.image_chain import apply_acquisition_effects
from ..camera.optics import DepthSlabs, add_scatter, make_depth_slabs, project
from ..camera.random_acquisition import describe_camera, draw_camera
from ..disease.lesions import add_uptake
from ..disease.patient import Metastasis, Patient, Seed, draw_patient, random_stream
from ..disease.progression import follow_up
from ..disease.tracer import Tracer, day_tracer
from ..person.anatomy import Person, draw_posture, make_person
from ..person.shape import height_m, weight_kg
from ..person.skeleton import load_skeleton
from .activity import bone_activity, soft_activity
from .dicom_nm import Variant, draw_variant
from .ground_truth import LesionView, label_lesion, label_lesions
from .hospital_sites import SITES, apply_site
from .lesion_projection import acquired_window, project_focus
from .regions import RegionMap, region_maps

#: Keys of the random streams (see patient.random_stream): patient, n-th scan, course before the n-th scan.
PATIENT_STREAM, SCAN_STREAM, COURSE_STREAM = 0, 1, 2

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SimulatedLesion:
    """A metastasis and its appearance in each view of the scan.

    Attributes:
        id: 1-based within the case, from head to foot.
        track: its name in every scan of the patient.
        kind: "metastasis", "diffuse" or "cold".
        change: since the previous scan (see patient.Metastasis).
        bone: atlas name.
        uptake: factor on normal bone.
        views: {view: appearance}, anterior frame.
    """

    id: int
    track: str
    kind: str
    change: str
    bone: str
    uptake: float
    views: dict[ViewName, LesionView]

    @property
    def visible(self) -> bool:
        """Whether the lesion is labelled in at least one view."""
        return any(view.visible for view in self.views.values())


@dataclass(frozen=True)
class SimulatedCase:
    """A simulated scan with its ground truth, for the acquired views.

    Attributes:
        scan: counts, posterior as acquired.
        expected: {view: (rows, columns)} noise-free counts, anterior frame.
        background: {view: (rows, columns)} noise-free counts without metastases, in the scan's units (for a capture,
            grey values).
        lesions: the metastases.
        mimics: "kind bone" of every mimic.
        landmarks: rows and columns (fractional pixels, anterior frame) of anatomical landmarks.
        flags: "cold lesions" where there are any.
        variant: form in which the scan is written as DICOM.
        parameters: properties of patient and acquisition, for the record.
        regions: {view: (rows, columns) uint8 region numbers}, anterior frame.
    """

    scan: WholeBodyScan
    expected: dict[ViewName, Image]
    background: dict[ViewName, Image]
    lesions: tuple[SimulatedLesion, ...]
    mimics: tuple[str, ...]
    landmarks: dict[str, float]
    flags: tuple[str, ...] = ()
    variant: Variant = "two-frame"
    parameters: dict[str, object] = field(default_factory=dict)
    regions: dict[ViewName, RegionMap] = field(default_factory=dict)


def simulate_case(
    case: str,
    seed: Seed,
    *,
    positive: bool | None = None,
    shape: tuple[int, int] | None = None,
    spacing: float | None = None,
    arms_up: bool | None = None,
    held_out: bool = False,
    site: str = "a",
) -> SimulatedCase:
    """Simulate one scan of one patient; equal seeds have equal counts.

    Args:
        case: name of the scan.
        seed: of patient and acquisition.
        positive: whether the patient has metastases; None to draw it.
        shape: rows and columns; None to draw them.
        spacing: pixel edge, mm; None to draw it.
        arms_up: whether the arms are above the head; None to draw it.
        held_out: whether the body shape is from the range held out for testing.
        site: hospital, one of hospital_sites.SITES.
    """
    patient = draw_patient(random_stream(seed, PATIENT_STREAM), positive=positive, held_out=held_out)
    rng = random_stream(seed, SCAN_STREAM, 0)
    return acquire(case, patient, rng, shape=shape, spacing=spacing, arms_up=arms_up, site=site)


def simulate_series(
    case: str,
    seed: Seed,
    scans: int,
    *,
    course: str | None = None,
    positive: bool | None = None,
    held_out: bool = False,
    site: str = "a",
) -> list[SimulatedCase]:
    """Simulate a baseline, equal to `simulate_case` with this seed, and follow-ups named <case>_s1, <case>_s2, ...

    `course` is as in progression.follow_up; the other arguments are as in `simulate_case`.
    """
    patient = draw_patient(random_stream(seed, PATIENT_STREAM), positive=positive, held_out=held_out)
    return acquire_series(case, patient, seed, scans, course=course, site=site)


def acquire_series(
    case: str,
    patient: Patient,
    seed: Seed,
    scans: int,
    *,
    course: str | None = None,
    shape: tuple[int, int] | None = None,
    spacing: float | None = None,
    site: str = "a",
) -> list[SimulatedCase]:
    """Simulate the scans of a patient; posture and camera are drawn for every one.

    The arguments are as in `simulate_series` and `acquire`.
    """
    cases = [acquire(case, patient, random_stream(seed, SCAN_STREAM, 0), shape=shape, spacing=spacing, site=site)]
    for number in range(1, scans):
        patient = follow_up(patient, random_stream(seed, COURSE_STREAM, number), course)
        rng = random_stream(seed, SCAN_STREAM, number)
        cases.append(acquire(f"{case}_s{number}", patient, rng, shape=shape, spacing=spacing, site=site))
    return cases


def acquire(
    case: str,
    patient: Patient,
    rng: np.random.Generator,
    *,
    shape: tuple[int, int] | None,
    spacing: float | None,
    arms_up: bool | None = None,
    site: str = "a",
) -> SimulatedCase:
    """Simulate one scan of a patient: draw posture, daily uptake and camera, and compute counts and ground truth.

    Args:
        case: name of the scan.
        patient: the patient at the time of the scan.
        rng: source of the draws.
        shape: rows and columns; None to draw them.
        spacing: pixel edge, mm; None to draw it.
        arms_up: whether the arms are above the head; None to draw it.
        site: hospital, one of hospital_sites.SITES.
    """
    posture = draw_posture(rng, arms_up=arms_up)
    person = make_person(patient.shape, posture, rng)
    tracer = apply_site(day_tracer(patient.tracer, rng), person, SITES[site])
    spots = draw_extraneous_activity(person, rng)
    camera = draw_camera(person, rng, shape, spacing, SITES[site].camera)
    depths = make_depth_slabs(person, camera)

    mimics = list(patient.mimics)
    healthy_bone = add_uptake(tracer.bones, mimics)
    foci = [item.focus for item in patient.metastases]
    extra = add_uptake(tracer.bones, mimics + foci) - healthy_bone
    healthy = soft_activity(person, tracer.tissues, camera, depths)
    healthy += bone_activity(person, np.arange(len(healthy_bone)), healthy_bone, camera, depths)
    healthy += spot_activity(spots, camera, depths, rng)
    diseased = bone_activity(person, np.flatnonzero(extra), extra[extra != 0], camera, depths)
    primary = {view: [project(part, depths, camera, view) for part in (healthy, diseased)] for view in camera.views}
    gain = _gains(primary, camera)
    pattern = int(rng.integers(2**32))

    def finish(image: Image, view: ViewName) -> Image:
        image = add_scatter(image, camera) * np.float32(gain[view])
        return apply_nonuniformity(
            apply_acquisition_effects(image, camera, view), camera, np.random.default_rng([pattern, len(view)])
        )

    grey = np.float32(255 / camera.capture if camera.capture else 1.0)
    background = {view: finish(parts[0], view) * grey for view, parts in primary.items()}
    expected = {view: finish(parts[0] + parts[1], view) for view, parts in primary.items()}
    joint = {
        view: apply_acquisition_effects(parts[1], camera, view) * np.float32(gain[view])
        for view, parts in primary.items()
    }
    # Where foci overlap, only the hottest one has an effect, so a lesion's own share is what it adds to the mimics.
    shares = [(add_uptake(tracer.bones, [*mimics, focus]) - healthy_bone)[focus.index] for focus in foci]
    lesions = _label(person, patient.metastases, shares, expected, joint, gain, camera, depths)
    regions = region_maps(person, Tracer(healthy_bone, tracer.tissues), spots, camera, depths)
    views = {
        view: PlanarView(detect_counts(image, camera, rng).astype(np.float32), (camera.spacing,) * 2, "anterior")
        for view, image in expected.items()
    }
    posterior = mirror(views["posterior"]) if "posterior" in views else None
    scan = WholeBodyScan(case, views.get("anterior"), posterior, ScanSource(description={"data": "simulated"}))
    return SimulatedCase(
        scan,
        expected,
        background,
        lesions,
        tuple(f"{focus.kind} {focus.bone}" for focus in mimics),
        _landmarks(person, camera),
        patient.flags,
        draw_variant(rng, scan, capture=camera.capture > 0),
        {**_parameters(patient, camera, arms_up=posture.arm_abduction[0] > 90), "site": site},
        regions,
    )


def _gains(primary: dict[ViewName, list[Image]], camera: Camera) -> dict[ViewName, float]:
    """Return the counts per unit of activity of every view; the first view has the camera's counts."""
    first = camera.views[0]
    scale = camera.counts / float(add_scatter(np.sum(primary[first], axis=0), camera).sum())
    return {view: scale if view == first else scale * camera.posterior_gain for view in camera.views}


def _label(
    person: Person,
    metastases: tuple[Metastasis, ...],
    shares: list[NDArray[np.float32]],
    expected: dict[ViewName, Image],
    joint: dict[ViewName, Image],
    gain: dict[ViewName, float],
    camera: Camera,
    depths: DepthSlabs,
) -> tuple[SimulatedLesion, ...]:
    """Label the lesions from head to foot; foci that a view shows as one share an outline there."""
    heights = [-float(person.bones[item.focus.start, 2]) for item in metastases]
    order = [int(i) for i in np.argsort(heights, kind="stable")]
    cold = [metastases[i].focus.uptake < 1 for i in order]
    own: dict[ViewName, list[tuple[tuple[slice, slice], Image]]] = {view: [] for view in expected}
    for i, is_cold in zip(order, cold, strict=True):
        # The warm rim of a cold lesion and the cool core of a lytic one do not belong to its extent.
        share = np.maximum(-shares[i] if is_cold else shares[i], 0)
        projected = project_focus(person, metastases[i].focus.index, share, camera, depths)
        for view in expected:
            own[view].append(acquired_window(projected, view, gain[view], camera))
    shown = {view: _views(own[view], cold, image, joint[view], camera.spacing) for view, image in expected.items()}
    return tuple(
        SimulatedLesion(
            number,
            metastases[i].track,
            "cold" if is_cold else metastases[i].focus.kind,
            metastases[i].change,
            metastases[i].focus.bone,
            round(metastases[i].focus.uptake, 3),
            {view: shown[view][number - 1] for view in expected},
        )
        for number, (i, is_cold) in enumerate(zip(order, cold, strict=True), 1)
    )


def _views(
    parts: list[tuple[tuple[slice, slice], Image]], cold: list[bool], total: Image, joint: Image, spacing: float
) -> list[LesionView]:
    """Label the lesions of one view; cold lesions are labelled individually."""
    empty = (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    hot = [empty if is_cold else part for part, is_cold in zip(parts, cold, strict=True)]
    views = label_lesions(hot, total, joint=joint, spacing=spacing)
    for number, (box, extra) in enumerate(parts):
        if cold[number]:
            whole = np.zeros(total.shape, np.float32)
            whole[box] = extra
            views[number] = label_lesion(whole, total, cold=True, spacing=spacing)
    return views


def _landmarks(person: Person, camera: Camera) -> dict[str, float]:
    skeleton = load_skeleton()

    def row(points: NDArray[np.float32], quantile: float) -> float:
        return float((camera.top - np.quantile(points[:, 2], quantile)) / camera.spacing - 0.5)

    def column(points: NDArray[np.float32]) -> float:
        return float((camera.centre - points[:, 0].mean()) / camera.spacing + camera.shape[1] / 2 - 0.5)

    ribs = person.bones[skeleton.of(*(f"{side} rib {i}" for side in ("right", "left") for i in range(1, 13)))]
    clavicles = person.bones[skeleton.of("right clavicle", "left clavicle")]
    spine = person.bones[skeleton.of(*(f"T{i}" for i in range(3, 12)))]
    body = person.tissues[person.tissue_volume > 0]
    return {
        "head_top_row": row(body, 1.0),
        "clavicle_row": row(clavicles, 0.5),
        "first_rib_row": row(ribs, 1.0),
        "last_rib_row": row(ribs, 0.0),
        "feet_row": row(body, 0.0),
        "thoracic_spine_column": column(spine),
    }


def _parameters(patient: Patient, camera: Camera, *, arms_up: bool) -> dict[str, object]:
    return {
        "sex": patient.shape.sex,
        "age": round(patient.shape.age),
        "stature_m": round(height_m(patient.shape), 3),
        "weight_kg": round(weight_kg(patient.shape), 1),
        "girth": round(patient.shape.girth, 3),
        "disease": patient.disease,
        "pattern": patient.pattern,
        "conditions": list(patient.conditions),
        "arms_up": arms_up,
        **describe_camera(camera),
    }
