"""Diffuse disease: whole bones, outlined like other lesions, and reduced uptake elsewhere."""

from collections import Counter

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease import patient as patient_module
from SpectBoneMetSegTrainingLib.phantom.disease.diffuse import apply_tumour_sink, draw_diffuse
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import add_uptake, scale_focus
from SpectBoneMetSegTrainingLib.phantom.disease.marrow import red_marrow
from SpectBoneMetSegTrainingLib.phantom.disease.patient import draw_patient, random_stream
from SpectBoneMetSegTrainingLib.phantom.disease.tracer import Tracer
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import LUMBAR, THORACIC, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES


@pytest.fixture(scope="module")
def drawn(person):
    return [draw_diffuse(person, np.random.default_rng(seed)) for seed in range(24)]


def even_tracer(person):
    return Tracer(np.ones(len(person.bones), np.float32), np.ones(len(person.tissues), np.float32))


@pytest.mark.slow
def test_every_pattern_is_met_and_every_bone_is_one_focus(person, drawn):
    assert set(Counter(pattern for pattern, _ in drawn)) == {"patchy", "superscan", "even"}
    names = load_skeleton().names
    for _, foci in drawn:
        assert len({focus.bone for focus in foci}) == len(foci) > 0
        for focus in foci:
            assert focus.kind == "diffuse"
            assert set(person.bone[focus.index]) == {names.index(focus.bone)}
            assert 1.7 <= focus.uptake < 20
            assert 0 < focus.share.min() <= focus.share.max() < 1.7


def test_a_superscan_takes_spine_pelvis_and_ribs_and_leaves_hands_and_shanks(person, drawn):
    foci = next(foci for pattern, foci in drawn if pattern == "superscan")
    bones = add_uptake(np.ones(len(person.bones), np.float32), foci)
    skeleton = load_skeleton()
    assert bones[skeleton.of(*THORACIC, *LUMBAR)].mean() > 1.4
    assert bones[skeleton.of("left tibia", "right hand")] == pytest.approx(1)


def test_an_even_spread_is_more_even_than_patches(person, drawn):
    spread = {}
    for pattern, foci in drawn:
        shares = np.concatenate([focus.share for focus in foci])
        spread.setdefault(pattern, []).append(shares.std() / shares.mean())
    assert np.mean(spread["even"]) < 0.6 * np.mean(spread["patchy"])


def test_red_marrow_reaches_into_the_upper_ends_of_femur_and_humerus(person):
    share, height = red_marrow(), person.atlas_bones[:, 2]
    femur = load_skeleton().of("left femur")
    assert share[femur & (height > -120)].min() > 0.9
    assert share[femur & (height < -350)].max() < 0.1


def test_the_more_metastases_take_up_the_paler_is_the_rest(person, drawn):
    tracer = even_tracer(person)
    foci = next(foci for pattern, foci in drawn if pattern == "superscan")
    pale = apply_tumour_sink(tracer, person, foci)
    soft, kidney = (pale.tissues[person.tissue == TISSUES.index(name)] for name in ("soft tissue", "left kidney"))
    assert kidney.max() < soft.min() < 1
    assert np.array_equal(pale.bones, tracer.bones)
    assert np.array_equal(apply_tumour_sink(tracer, person, []).tissues, tracer.tissues)


def test_diffuse_disease_changes_in_uptake_only(person, drawn):
    focus = drawn[0][1][0]
    assert scale_focus(focus, person, 1.5) is focus


@pytest.mark.slow
def test_a_tenth_to_a_third_of_the_diseased_have_it(monkeypatch):
    monkeypatch.setattr(patient_module, "draw_mimics", lambda *_: [])
    patterns = [draw_patient(random_stream((9, i), 0), positive=True).pattern for i in range(60)]
    assert 0.05 < np.mean([pattern != "foci" for pattern in patterns]) < 0.33
    assert draw_patient(random_stream(3, 0), positive=False).pattern == ""


def test_a_patient_with_it_is_outlined_and_not_flagged(coarse_case, monkeypatch):
    monkeypatch.setattr(patient_module, "DIFFUSE_SHARE", 1.0)
    case = coarse_case(5, plain=False, positive=True)
    assert case.parameters["pattern"] in ("patchy", "superscan", "even")
    assert case.flags == ()
    assert any(lesion.kind == "diffuse" for lesion in case.lesions)
    assert any(lesion.visible for lesion in case.lesions)
