"""Layers of a stored patient: they sum to the simulator's projection and survive a round trip through a file."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES
from SpectBoneMetSegTrainingLib.phantom.camera.optics import make_depth_slabs, project
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import draw_camera, ideal_camera
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import add_uptake, draw_metastases
from SpectBoneMetSegTrainingLib.phantom.disease.tracer import draw_tracer
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import draw_posture, draw_shape, make_person, reference_person
from SpectBoneMetSegTrainingLib.phantom.scan.activity import bone_activity, soft_activity
from SpectBoneMetSegTrainingLib.phantom.store.files import read_patient, write_patient
from SpectBoneMetSegTrainingLib.phantom.store.project import _body, _Day, _foci, project_patient

FIELD = {"shape": (256, 64), "spacing": 9.0}


@pytest.fixture(scope="module")
def patient():
    return project_patient("sim", 4, **FIELD)


@pytest.fixture(scope="module")
def day():
    rng = np.random.default_rng(2)
    shape = draw_shape(rng)
    reference = reference_person(shape)
    tracer = draw_tracer(reference, rng, shape.age)
    foci = draw_metastases(reference, rng, "breast", 12)
    person = make_person(shape, draw_posture(rng), rng)
    camera = ideal_camera(draw_camera(person, rng, **FIELD))
    return _Day(person, camera, make_depth_slabs(person, camera)), tracer, foci


def added(layers, view, shape):
    total = np.zeros(shape, np.float32)
    for layer in layers:
        box, image = layer.views[view]
        total[box] += image
    return total


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_the_layers_of_the_body_add_up_to_its_projection(day, view):
    where, tracer, _ = day
    everything = np.arange(len(tracer.bones))
    whole = soft_activity(where.person, tracer.tissues, where.camera, where.depths)
    whole += bone_activity(where.person, everything, tracer.bones, where.camera, where.depths)
    expected = project(whole, where.depths, where.camera, view)
    found = added(_body(where, tracer), view, where.camera.shape)
    # Pixels outside a window are below a ten thousandth of the layer's highest pixel.
    assert np.abs(found - expected).max() < 2e-3 * expected.max()
    assert found.sum() == pytest.approx(expected.sum(), rel=0.01)


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_the_layers_of_overlapping_foci_add_up_to_what_all_of_them_do_to_bone(day, view):
    where, tracer, foci = day
    # Two foci at the same position: only the hotter one counts.
    twice = [*foci, replace(foci[0], uptake=foci[0].uptake * 2)]
    extra = add_uptake(tracer.bones, twice) - tracer.bones
    index = np.flatnonzero(extra)
    activity = bone_activity(where.person, index, extra[index], where.camera, where.depths)
    expected = project(activity, where.depths, where.camera, view)
    found = added(_foci(where, tracer, twice), view, where.camera.shape)
    assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


def test_the_burden_of_foci_is_their_extra_uptake_over_that_of_all_bones(day):
    where, tracer, foci = day
    volume = where.person.bone_volume
    extra = (add_uptake(tracer.bones, foci) - tracer.bones) * volume
    layers = _foci(where, tracer, foci)
    assert sum(layer.burden for layer in layers) == pytest.approx(extra.sum() / (tracer.bones * volume).sum(), rel=1e-3)


def test_foci_are_sorted_from_head_to_foot(day):
    where, tracer, foci = day
    by_height = sorted(foci, key=lambda focus: -float(where.person.bones[focus.start, 2]))
    assert [layer.name for layer in _foci(where, tracer, foci)] == [focus.bone for focus in by_height]


def test_a_file_gives_a_patient_back_to_half_precision(patient, tmp_path):
    path = tmp_path / "patient.npz"
    write_patient(path, patient)
    again = read_patient(path)
    assert replace(again, body=(), mimics=(), diseases=(), regions={}) == replace(
        patient, body=(), mimics=(), diseases=(), regions={}
    )
    for view in VIEW_NAMES:
        np.testing.assert_array_equal(again.regions[view], patient.regions[view])
    groups = zip(
        (again.body, again.mimics, *(disease.lesions for disease in again.diseases)),
        (patient.body, patient.mimics, *(disease.lesions for disease in patient.diseases)),
        strict=True,
    )
    for mine, theirs in groups:
        for one, other in zip(mine, theirs, strict=True):
            assert (one.name, one.kind, one.burden) == (other.name, other.kind, other.burden)
            for view in VIEW_NAMES:
                assert one.views[view][0] == other.views[view][0]
                highest = np.abs(other.views[view][1]).max(initial=0.0)
                np.testing.assert_allclose(one.views[view][1], other.views[view][1], rtol=1e-3, atol=1e-4 * highest)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_damaged_file_is_named(patient, tmp_path, kept):
    path = tmp_path / "patient.npz"
    write_patient(path, patient)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(UserError, match=r"patient\.npz is missing or damaged"):
        read_patient(path)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_patient(patient):
    again = project_patient("sim", 4, **FIELD)
    assert again.camera == patient.camera
    for one, other in zip(again.body, patient.body, strict=True):
        for view in VIEW_NAMES:
            np.testing.assert_array_equal(one.views[view][1], other.views[view][1])
