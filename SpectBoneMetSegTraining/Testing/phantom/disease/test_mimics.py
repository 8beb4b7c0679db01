"""Benign mimics of metastases."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease import lesions as lesions_module
from SpectBoneMetSegTrainingLib.phantom.disease import mimics as mimics_module
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import Focus, Form, bone_points, draw_metastases
from SpectBoneMetSegTrainingLib.phantom.disease.mimics import KINDS, draw_mimics
from SpectBoneMetSegTrainingLib.phantom.disease.patient import draw_patient, random_stream
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import CERVICAL, LUMBAR, THORACIC, load_skeleton


@pytest.fixture(scope="module")
def mimics(person):
    return [focus for seed in range(15) for focus in draw_mimics(person, np.random.default_rng(seed))]


@pytest.fixture
def cheap_focus(monkeypatch):
    """Record only the arguments of a focus, so that thousands can be drawn."""
    record_only(monkeypatch)


@pytest.fixture(scope="module")
def many(person):
    """Mimics of 600 patients, without their shapes."""
    with pytest.MonkeyPatch.context() as patch:
        record_only(patch)
        return draw_many(person, 600)


def record_only(patch):

    def focus(person, rng, kind, bone, form, uptake, start=None):
        start = int(bone_points(bone)[0]) if start is None else start
        return Focus(kind, bone, np.array([start]), np.array([form.radius], np.float32), uptake, start)

    patch.setattr(lesions_module, "make_focus", focus)
    patch.setattr(mimics_module, "make_focus", focus)
    patch.setattr(mimics_module, "place_focus", focus)


def draw_many(person, patients, **options):
    return [focus for seed in range(patients) for focus in draw_mimics(person, np.random.default_rng(seed), **options)]


def area_under_curve(positive, negative):
    """Return the probability that a positive is above a negative (Mann-Whitney)."""
    order = np.argsort(np.concatenate([positive, negative]))
    rank = np.empty(len(order))
    rank[order] = np.arange(1, len(order) + 1)
    count = len(positive)
    return (rank[:count].sum() - count * (count + 1) / 2) / (count * len(negative))


def test_every_mimic_lies_in_its_bone_and_is_no_metastasis(person, mimics):
    names = load_skeleton().names
    for focus in mimics:
        assert set(person.bone[focus.index]) == {names.index(focus.bone)}
        assert focus.kind in KINDS
        assert focus.uptake > 1
    assert "metastasis" not in KINDS


def test_every_kind_occurs_but_loosening_needs_a_prosthesis(many):
    assert {focus.kind for focus in many} == set(KINDS) - {"loosening"}
    # Includes joints of the whole body (sacroiliac, pubis, ankle, fingers, elbow).
    assert 4 < len(many) / 600 < 11


@pytest.mark.slow
def test_no_threshold_on_uptake_sorts_mimics_from_metastases(person, cheap_focus):
    mild = np.array([focus.uptake for focus in draw_many(person, 300)])
    for disease in ("lung", "prostate"):
        hot = np.array(
            [
                focus.uptake
                for seed in range(200)
                for focus in draw_metastases(person, np.random.default_rng(seed), disease)
            ]
        )
        assert 0.65 < area_under_curve(hot, mild) < 0.87
        # The best threshold still has error rates that sum to more than a third.
        steps = np.linspace(1, 20, 200)
        errors = [(hot < step).mean() + (mild >= step).mean() for step in steps]
        assert min(errors) > 0.35
    # Mimics are nearly as hot as metastases, otherwise uptake alone would separate them.
    assert 3 < np.median(mild) < 6
    assert np.percentile(mild, 95) > 5


def test_the_old_have_more_worn_joints(person, cheap_focus):
    young, old = (
        sum(focus.kind in ("degenerative", "disc") for focus in draw_many(person, 150, age=age)) for age in (40.0, 85.0)
    )
    assert old > 1.8 * young


def test_facets_sit_next_to_the_midline(person, mimics):
    spine = [
        focus for focus in mimics if focus.kind == "degenerative" and focus.bone in (*CERVICAL, *THORACIC, *LUMBAR)
    ]
    assert len(spine) > 5
    for focus in spine:
        assert abs(person.atlas_bones[focus.start, 0]) > 13


def test_the_lowest_lumbar_facets_wear_most(many):
    worn = [focus.bone for focus in many if focus.kind == "degenerative"]
    assert sum(bone in ("L4", "L5") for bone in worn) > 2 * sum(bone in ("L1", "L2") for bone in worn)


@pytest.mark.parametrize(
    ("bone", "position"),
    [
        ("hip bone", (46.0, -118.0, 15.0)),
        ("hip bone", (5.0, -12.0, -92.0)),
        ("hip bone", (78.0, -60.0, -55.0)),
        ("clavicle", (18.0, -84.0, 465.0)),
        ("humerus", (160.0, -92.0, 455.0)),
        ("tibia", (64.0, -58.0, -508.0)),
    ],
)
def test_joints_of_the_whole_body_wear(person, bone, position):
    table = {(name, centre) for name, centre, _, _ in mimics_module.JOINTS}
    assert (bone, position) in table
    points = person.atlas_bones[bone_points(f"right {bone}")]
    assert np.linalg.norm(points - position, axis=1).min() < 8


def test_a_thoracotomy_leaves_stripes_on_neighbouring_ribs_of_one_side(person):
    for seed in range(5):
        foci = mimics_module._thoracotomy(person, np.random.default_rng(seed))
        assert 2 <= len(foci) <= 3
        assert len({focus.bone.split()[0] for focus in foci}) == 1
        assert np.diff([int(focus.bone.split()[-1]) for focus in foci]).tolist() == [1] * (len(foci) - 1)
        for focus in foci:
            assert np.ptp(person.bones[focus.index[focus.share > 0.5]], axis=0).max() > 30


def test_pagets_disease_takes_a_whole_bone(person):
    (focus,) = mimics_module._paget(person, np.random.default_rng(0))
    assert np.array_equal(np.sort(focus.index), bone_points(focus.bone))
    assert (focus.share == 1).all()
    assert mimics_module._paget(replace(person, bone_volume=0 * person.bone_volume), np.random.default_rng(0)) == []


def test_a_drilled_hole_has_a_warm_rim_and_no_warm_middle(person, mimics):
    holes = [
        focus
        for seed in range(400)
        for focus in mimics_module._skull(person, np.random.default_rng(seed))
        if focus.kind == "burr hole"
    ]
    assert holes
    for focus in holes:
        distance = np.linalg.norm(person.bones[focus.index] - person.bones[focus.start], axis=1)
        assert focus.share[distance < 0.3 * focus.form.radius].max(initial=0) < 0.3


@pytest.mark.slow
def test_patients_with_metastases_have_few_mimics_for_each_lesion():
    drawn = [draw_patient(random_stream((21, i), 0), positive=True) for i in range(12)]
    assert sum(len(patient.mimics) for patient in drawn) < 0.3 * sum(len(patient.metastases) for patient in drawn)


def test_a_worn_disc_is_a_band_along_two_facing_end_plates(person):
    column = (*CERVICAL, *THORACIC, *LUMBAR)
    found = []
    for seed in range(40):
        foci = mimics_module._spine(person, np.random.default_rng(seed), 1.0)
        found += [foci[i : i + 2] for i in range(len(foci) - 1) if foci[i].kind == foci[i + 1].kind == "disc"]
    assert len(found) >= 4
    for upper, lower in found:
        assert column.index(lower.bone) == column.index(upper.bone) + 1
        assert upper.uptake == lower.uptake
        heights = [person.atlas_bones[focus.start, 2] for focus in (upper, lower)]
        assert abs(heights[0] - heights[1]) < 25
        for focus in (upper, lower):
            core = person.atlas_bones[focus.index[focus.share > 0.5]]
            assert np.ptp(core[:, 0]) > 1.4 * np.ptp(core[:, 2])


def test_a_compression_fracture_crosses_the_whole_vertebra(person):
    focus = mimics_module._band(
        person, np.random.default_rng(0), "compression fracture", "L1", 0.7, 0.0, Form(26.0, 0.3), 4.0
    )
    core = person.atlas_bones[focus.index[focus.share > 0.5]]
    body = person.atlas_bones[bone_points("L1")]
    assert np.ptp(core[:, 0]) > 0.6 * np.ptp(body[:, 0])
    assert np.ptp(core[:, 2]) < 0.75 * np.ptp(body[:, 2])


def test_fractures_are_aligned_in_neighbouring_ribs_of_one_side(person):
    for seed in range(6):
        foci = mimics_module._aligned_fractures(person, np.random.default_rng(seed))
        sides = {focus.bone.split()[0] for focus in foci}
        numbers = [int(focus.bone.split()[-1]) for focus in foci]
        assert len(sides) == 1
        assert 2 <= len(foci) <= 5
        assert np.diff(numbers).tolist() == [1] * (len(foci) - 1)
        assert np.ptp([person.bones[focus.start][1] for focus in foci]) < 45


def test_rib_fractures_are_spots_not_stripes(person):
    rng = np.random.default_rng(4)
    foci = [mimics_module._rib_fracture(person, rng, "right rib 6", -60.0, 3.0) for _ in range(12)]
    lengths = [np.ptp(person.bones[focus.index[focus.share > 0.5]], axis=0).max() for focus in foci]
    assert np.median(lengths) < 28


def test_an_insufficiency_fracture_of_the_sacrum_has_two_wings(person):
    foci = mimics_module._h_sign(person, np.random.default_rng(0))
    right, left = (person.bones[focus.start][0] for focus in foci[:2])
    assert right > 15
    assert left < -15
    assert all(focus.bone == "sacrum" for focus in foci)
    for wing in foci[:2]:
        core = person.atlas_bones[wing.index[wing.share > 0.5]]
        assert np.ptp(core[:, 2]) > 1.3 * np.ptp(core[:, 0])


def test_only_a_prosthesis_can_loosen_and_the_bone_next_to_it_takes_up(person):
    height = person.atlas_bones[:, 2]
    metal = load_skeleton().of("left femur") & (height > -200)
    with_metal = replace(person, prosthesis=metal)
    foci = [f for seed in range(20) for f in mimics_module._loosening(with_metal, np.random.default_rng(seed))]
    assert len(foci) >= 5
    assert {focus.bone for focus in foci} <= {"left femur", "left hip bone"}
    assert not any(metal[focus.start] for focus in foci)
    assert mimics_module._loosening(person, np.random.default_rng(0)) == []


def test_nothing_wears_out_in_a_limb_that_is_not_there(person):
    volume = person.bone_volume.copy()
    gone = load_skeleton().of("left tibia", "left foot", "left toes")
    volume[gone] = 0
    foci = draw_many(replace(person, bone_volume=volume), 30)
    assert foci
    assert not any(gone[focus.start] for focus in foci)


def test_the_same_seed_gives_the_same_mimics(person):
    one, two = (draw_mimics(person, np.random.default_rng(3)) for _ in range(2))
    assert [(focus.kind, focus.bone, focus.uptake, focus.start) for focus in one] == [
        (focus.kind, focus.bone, focus.uptake, focus.start) for focus in two
    ]
