"""Simulation of a patient for the store: body, mimics and several possible diseases, projected separately."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, ViewName, WholeBodyScan, mirror

from ...dataset.reference_grid import CropPlacement, place_crop
from ..camera.acquisition import Camera
from ..camera.extraneous_activity import draw_extraneous_activity, spot_activity
from ..camera.image_chain import apply_acquisition_effects
from ..camera.optics import DepthSlabs, make_depth_slabs, project
from ..camera.random_acquisition import draw_camera
from ..disease.conditions import add_conditions
from ..disease.lesions import Focus, add_uptake
from ..disease.metastatic_sites import draw_disease
from ..disease.mimics import draw_mimics
from ..disease.patient import Seed, draw_lesions, random_stream
from ..disease.tracer import Tracer, day_tracer, draw_tracer
from ..person.anatomy import Person, draw_posture, draw_shape, make_person, reference_person
from ..person.soft_tissue import TISSUES
from ..scan.activity import bone_activity, soft_activity
from ..scan.hospital_sites import SITES, apply_site
from ..scan.lesion_projection import crop_to_support, project_focus
from ..scan.regions import region_maps
from .layers import Disease, Image, Layer, StoredPatient

#: Keys of the random streams: patient, scan, n-th disease.
PATIENT_STREAM, SCAN_STREAM, DISEASE_STREAM = 0, 1, 2
#: Pixels below this share of a layer's highest pixel are left out of its window.
NEGLIGIBLE = 1e-4
#: Number of possible diseases of a patient.
DISEASES = 3
#: Organs whose filling differs between scans; each is a layer of its own.
ORGANS = ("bladder", "right kidney", "left kidney")


@dataclass(frozen=True)
class _Day:
    """A posed person with the camera and depth slabs that project the activity."""

    person: Person
    camera: Camera
    depths: DepthSlabs

    def project(self, activity: Image) -> dict[ViewName, Image]:
        """Project activity (slabs, rows, columns) to {view: primary image} with motion, metal and the field's edges."""
        views = {view: project(activity, self.depths, self.camera, view) for view in self.camera.views}
        return {view: apply_acquisition_effects(image, self.camera, view) for view, image in views.items()}


def project_patient(
    case: str,
    seed: Seed,
    *,
    shape: tuple[int, int] | None = None,
    spacing: float | None = None,
    held_out: bool = False,
    site: str = "a",
) -> StoredPatient:
    """Simulate one patient as layers; equal seeds have equal layers.

    Args:
        case: name of the patient.
        seed: of patient and acquisition.
        shape: rows and columns; None to draw them.
        spacing: pixel edge, mm; None to draw it.
        held_out: whether the body shape is from the range held out for testing.
        site: hospital, one of hospital_sites.SITES.
    """
    rng = random_stream(seed, PATIENT_STREAM)
    body_shape = draw_shape(rng, held_out=held_out)
    reference = reference_person(body_shape)
    sex, age = body_shape.sex, body_shape.age
    tracer, _ = add_conditions(reference, draw_tracer(reference, rng, age), rng, draw_disease(rng, sex))
    mimics = draw_mimics(reference, rng, age)
    diseases = []
    for number in range(DISEASES):
        own = random_stream(seed, DISEASE_STREAM, number)
        foci, pattern, _ = draw_lesions(reference, own, draw_disease(own, sex))
        diseases.append((pattern, foci))

    rng = random_stream(seed, SCAN_STREAM)
    person = make_person(body_shape, draw_posture(rng), rng)
    tracer = apply_site(day_tracer(tracer, rng), person, SITES[site])
    spots = draw_extraneous_activity(person, rng)
    camera = draw_camera(person, rng, shape, spacing, SITES[site].camera)
    # A missing view is drawn with each scan.
    camera = replace(camera, views=VIEW_NAMES)
    day = _Day(person, camera, make_depth_slabs(person, camera))
    body = _body(day, tracer)
    spots_views = {
        view: crop_to_support(image, NEGLIGIBLE)
        for view, image in day.project(spot_activity(spots, camera, day.depths, rng)).items()
    }
    body.append(Layer("spots", "body", spots_views))
    return StoredPatient(
        case,
        site,
        replace(camera, motion=(), metal=(), posterior_shift=(0, 0)),
        tuple(body),
        tuple(_foci(day, tracer, mimics)),
        tuple(Disease(pattern, tuple(_foci(day, tracer, foci))) for pattern, foci in diseases),
        region_maps(person, tracer, spots, camera, day.depths),
        _thorax(case, camera, body),
    )


def _body(day: _Day, tracer: Tracer) -> list[Layer]:
    """Return the layers of bones, soft tissue and ORGANS."""
    bones = np.arange(len(tracer.bones))
    layers = {"bone": bone_activity(day.person, bones, tracer.bones, day.camera, day.depths)}
    soft_tissue = tracer.tissues.copy()
    for name in ORGANS:
        inside = day.person.tissue == TISSUES.index(name)
        layers[name] = soft_activity(day.person, np.where(inside, tracer.tissues, 0), day.camera, day.depths)
        soft_tissue[inside] = 0
    layers["soft tissue"] = soft_activity(day.person, soft_tissue, day.camera, day.depths)
    return [
        Layer(name, "body", {view: crop_to_support(image, NEGLIGIBLE) for view, image in day.project(activity).items()})
        for name, activity in layers.items()
    ]


def _foci(day: _Day, tracer: Tracer, foci: list[Focus]) -> list[Layer]:
    """Return a layer for each focus, from head to foot; their sum is the joint effect of all foci."""
    normal = float((tracer.bones * day.person.bone_volume).sum())
    layers = []
    for focus, extra in sorted(
        zip(foci, _shares(tracer.bones, foci), strict=True),
        key=lambda pair: -float(day.person.bones[pair[0].start, 2]),
    ):
        burden = float((extra * day.person.bone_volume[focus.index]).sum()) / max(normal, 1e-6)
        layers.append(Layer(focus.bone, focus.kind, _project_focus(day, focus, extra), burden))
    return layers


def _shares(normal: NDArray[np.float32], foci: list[Focus]) -> list[NDArray[np.float32]]:
    """Return the extra uptake of each focus at its points; a shared point belongs to the focus with most effect."""
    alone = [(add_uptake(normal, [focus]) - normal)[focus.index] for focus in foci]
    most, owner = np.zeros(len(normal), np.float32), np.full(len(normal), -1)
    for number, (focus, extra) in enumerate(zip(foci, alone, strict=True)):
        stronger = np.abs(extra) > most[focus.index]
        points = focus.index[stronger]
        most[points], owner[points] = np.abs(extra)[stronger], number
    return [
        np.where(owner[focus.index] == number, extra, 0).astype(np.float32)
        for number, (focus, extra) in enumerate(zip(foci, alone, strict=True))
    ]


def _project_focus(
    day: _Day, focus: Focus, extra: NDArray[np.float32]
) -> dict[ViewName, tuple[tuple[slice, slice], Image]]:
    """Project a focus in every view; increased and reduced uptake are projected separately."""
    whole = {view: np.zeros(day.camera.shape, np.float32) for view in day.camera.views}
    for sign in (1.0, -1.0):
        part = np.maximum(np.float32(sign) * extra, 0)
        if not part.any():
            continue
        box, images = project_focus(day.person, focus.index, part, day.camera, day.depths)
        for view, image in images.items():
            whole[view][box] += np.float32(sign) * image
    return {
        view: crop_to_support(apply_acquisition_effects(image, day.camera, view), NEGLIGIBLE)
        for view, image in whole.items()
    }


def _thorax(case: str, camera: Camera, body: list[Layer]) -> CropPlacement:
    """Return the thorax box that the reading pipeline finds on the body without foci."""
    from SpectBoneMetSegLib.scan.aggregation import aggregate
    from SpectBoneMetSegLib.scan.regrid import regrid
    from SpectBoneMetSegLib.scan.thorax import crop_thorax

    sums = {view: np.zeros(camera.shape, np.float32) for view in camera.views}
    for layer in body:
        for view, (box, image) in layer.views.items():
            sums[view][box] += image
    scale = np.float32(camera.counts / max(float(sums["anterior"].sum()), 1e-6))
    views = {view: PlanarView(image * scale, (camera.spacing,) * 2, "anterior") for view, image in sums.items()}
    scan = WholeBodyScan(case, views["anterior"], mirror(views["posterior"]))
    work = regrid(aggregate(scan))
    crop = crop_thorax(work.counts, work.spacing[0])
    return place_crop(scan.frame, (crop.rows, crop.columns))
