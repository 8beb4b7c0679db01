"""Follow-up scans: the same body and lesions, changed by the course of the disease."""

import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import with_uptake
from SpectBoneMetSegTrainingLib.phantom.disease.mimics import draw_mimics
from SpectBoneMetSegTrainingLib.phantom.disease.patient import draw_patient, person_of, random_stream
from SpectBoneMetSegTrainingLib.phantom.disease.progression import GONE_BELOW, follow_up
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import (
    PATIENT_STREAM,
    acquire_series,
    simulate_case,
    simulate_series,
)

COARSE = {"shape": (256, 64), "spacing": 9.04}


@pytest.fixture(scope="module")
def ill():
    return draw_patient(random_stream(5, 0), positive=True)


@pytest.fixture(scope="module")
def series():
    patient = draw_patient(random_stream((3, 1), PATIENT_STREAM), positive=True)
    return acquire_series("p", patient, (3, 1), 3, course="progression", **COARSE)


def excess(patient):
    return {item.track: item.focus.uptake - 1 for item in patient.metastases}


@pytest.mark.slow
def test_the_first_scan_of_a_series_is_the_single_scan_of_that_seed(series):
    single = simulate_case("p", (3, 1), positive=True, **COARSE)
    for view, seen in single.scan.views.items():
        assert np.array_equal(seen.counts, series[0].scan.views[view].counts)


def test_a_series_begins_with_the_patient_and_the_draws_of_the_single_scan_of_that_seed(monkeypatch):
    monkeypatch.setattr(simulate_module, "acquire", lambda case, patient, rng, **_: (case, patient, rng.random()))
    single = simulate_case("p", (3, 1), positive=True, held_out=True)
    first, second = simulate_series("p", (3, 1), 2, positive=True, held_out=True)
    assert pickle.dumps(first) == pickle.dumps(single)
    assert second[0] == "p_s1"


def test_follow_ups_are_other_scans_of_the_same_body(series):
    assert [case.scan.case for case in series] == ["p", "p_s1", "p_s2"]
    for key in ("sex", "stature_m", "girth", "disease", "conditions"):
        assert len({str(case.parameters[key]) for case in series}) == 1
    tops = {case.landmarks["head_top_row"] for case in series}
    assert len(tops) == 3, "every scan lies anew on the table"


def test_lesions_keep_their_name_and_bone_from_scan_to_scan(series):
    bones = [{lesion.track: lesion.bone for lesion in case.lesions} for case in series]
    for before, after in pairwise(bones):
        for track in before.keys() & after.keys():
            assert before[track] == after[track]
        assert before.keys() <= after.keys()


def test_progression_brings_new_and_growing_lesions(ill):
    later = follow_up(ill, np.random.default_rng(1), "progression")
    before = {item.track: item for item in ill.metastases}
    assert any(item.change == "new" for item in later.metastases)
    grown = [item for item in later.metastases if item.change == "grown"]
    assert all(len(item.focus.index) >= len(before[item.track].focus.index) for item in grown)
    assert all(item.focus.uptake >= before[item.track].focus.uptake * 0.999 for item in grown)


def test_response_shrinks_and_cools_and_ends_in_nothing(ill):
    rng, patient = np.random.default_rng(2), ill
    for _ in range(12):
        before = excess(patient)
        patient = follow_up(patient, rng, "response")
        assert all(value < before[track] for track, value in excess(patient).items())
    assert not patient.metastases


def test_a_gone_lesion_is_reported_once_and_then_left_out(ill):
    faint = replace(
        ill, metastases=tuple(replace(m, focus=with_uptake(m.focus, GONE_BELOW + 0.01)) for m in ill.metastases)
    )
    gone = follow_up(faint, np.random.default_rng(0), "response")
    assert {item.change for item in gone.metastases} == {"gone"}
    assert not follow_up(gone, np.random.default_rng(0), "response").metastases


def test_flare_is_hotter_once_and_then_responds(ill):
    rng = np.random.default_rng(3)
    flare = follow_up(ill, rng, "flare")
    assert all(excess(flare)[track] > value for track, value in excess(ill).items())
    after = follow_up(flare, rng, "flare")
    assert {item.change for item in after.metastases} <= {"regressed", "gone"}


def test_the_healthy_stay_healthy():
    healthy = draw_patient(random_stream(6, 0), positive=False)
    assert not follow_up(healthy, np.random.default_rng(0), "progression").metastases


def test_fractures_heal_and_worn_joints_stay(ill):
    # One body is enough: its mimics differ.
    drawn = [draw_mimics(person_of(ill), np.random.default_rng(seed), ill.shape.age) for seed in range(12)]
    healed = kept = 0
    for patient in (replace(ill, metastases=(), mimics=tuple(mimics)) for mimics in drawn):
        for before, after in zip(
            patient.mimics, follow_up(patient, np.random.default_rng(0), "stable").mimics, strict=True
        ):
            if "fracture" in before.kind:
                assert after.uptake < before.uptake
                healed += 1
            elif before.kind == "degenerative":
                assert after.uptake == before.uptake
                kept += 1
    assert healed
    assert kept
