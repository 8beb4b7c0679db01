"""Another hospital has other cameras and uptake, and the same patients."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.camera.camera_profiles import SITE_B, USUAL
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import draw_camera
from SpectBoneMetSegTrainingLib.phantom.cohort.benchmark import BENCHMARKS
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import simulate_case


def test_its_cameras_count_less_and_blur_more(person):
    rng = np.random.default_rng(0)
    usual, other = ([draw_camera(person, rng, profile=profile) for _ in range(200)] for profile in (USUAL, SITE_B))
    for name, lower in (("counts", other), ("intrinsic", usual), ("scatter", usual)):
        higher = usual if lower is other else other
        assert np.median([getattr(c, name) for c in lower]) < 0.8 * np.median([getattr(c, name) for c in higher]), name
    assert {camera.spacing for camera in other} == {2.21, 3.9}


@pytest.mark.slow
def test_the_same_patient_is_scanned_by_both():
    here, there = (
        simulate_case("a", (4, 2), positive=True, shape=(256, 64), spacing=9.04, site=site) for site in ("a", "b")
    )
    assert (here.parameters["site"], there.parameters["site"]) == ("a", "b")
    assert here.parameters["stature_m"] == there.parameters["stature_m"]
    assert [lesion.bone for lesion in here.lesions] == [lesion.bone for lesion in there.lesions]
    assert there.scan.views["anterior"].counts.sum() != pytest.approx(
        here.scan.views["anterior"].counts.sum(), rel=0.01
    )


def test_it_has_a_benchmark_of_its_own_with_other_patients():
    seeds = [benchmark.seed for benchmark in BENCHMARKS.values()]
    assert len(set(seeds)) == len(seeds)
    assert BENCHMARKS["hospital-4-site-b"].site == "b"
    assert BENCHMARKS["hospital-4"].site == "a"
