"""Foci of uptake in bone, and which of them are labels."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegTrainingLib.phantom import lesions as lesions_module
from SpectBoneMetSegTrainingLib.phantom.lesions import Focus, add_uptake, draw_metastases, draw_mimics
from SpectBoneMetSegTrainingLib.phantom.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.truth import LesionView, label_view


@pytest.fixture(scope="module")
def metastases(person):
    return draw_metastases(person, np.random.default_rng(6), count=25)


@pytest.fixture(scope="module")
def mimics(person):
    return [focus for seed in range(24) for focus in draw_mimics(person, np.random.default_rng(seed))]


@pytest.fixture
def cheap_focus(monkeypatch):
    """Only what was asked of a focus, so that thousands can be drawn."""

    def focus(person, rng, kind, bone, radius, stretch, uptake, start=None):
        return Focus(kind, bone, np.array([start or 0]), np.array([radius], np.float32), uptake, (stretch, 0.0, 0.0))

    monkeypatch.setattr(lesions_module, "_focus", focus)


def test_every_point_of_a_focus_lies_in_its_bone(person, metastases, mimics):
    names = load_skeleton().names
    for focus in [*metastases, *mimics]:
        assert len(focus.index) == len(focus.share) > 0
        assert set(person.bone[focus.index]) == {names.index(focus.bone)}


def test_a_focus_is_full_at_its_centre_and_fades_outwards(person, metastases):
    for focus in metastases:
        assert focus.share.max() == pytest.approx(1, abs=1e-3)
        assert focus.share.min() > 0
        distance = np.linalg.norm(person.bones[focus.index] - np.array(focus.centre), axis=1)
        assert distance[focus.share > 0.99].min() < 1e-3
        assert distance[focus.share > 0.8].max() <= distance.max()
        assert distance.max() < 32 * 3.5 * 2


def test_rib_metastases_run_along_the_rib(person):
    rng = np.random.default_rng(0)
    foci = [lesions_module._focus(person, rng, "metastasis", "left rib 7", 7.0, 3.0, 5.0) for _ in range(6)]
    for focus in foci:
        core = person.bones[focus.index[focus.share > 0.4]].astype(float)
        spread = np.sqrt(np.linalg.eigvalsh(np.cov(core.T)))
        assert spread[2] > 1.5 * spread[1]


def test_the_number_of_metastases_is_the_one_asked_for_or_at_least_one(person, metastases, cheap_focus):
    assert len(metastases) == 25
    assert draw_metastases(person, np.random.default_rng(0), count=0) == []
    numbers = [len(draw_metastases(person, np.random.default_rng(seed))) for seed in range(600)]
    assert min(numbers) == 1
    assert max(numbers) <= 30
    assert 3.9 < np.mean(numbers) < 5.1


def test_sites_follow_lung_cancer(person, cheap_focus):
    foci = [focus for seed in range(150) for focus in draw_metastases(person, np.random.default_rng(seed), count=20)]
    found = Counter(focus.bone for focus in foci)

    def share(*names):
        return sum(found[name] for name in names) / len(foci)

    assert share(*CERVICAL, *THORACIC, *LUMBAR) == pytest.approx(0.475, abs=0.03)
    assert share(*RIBS) == pytest.approx(0.255, abs=0.03)
    assert share("right hip bone", "left hip bone") == pytest.approx(0.095, abs=0.02)
    assert share("sacrum") == pytest.approx(0.066, abs=0.015)
    assert share("right femur") == pytest.approx(share("left femur"), abs=0.02)
    assert share("right hand", "left hand", "right foot", "left foot") == 0


def test_metastases_take_up_more_than_degenerative_change_but_overlap_it(person, cheap_focus):
    hot = [
        focus.uptake for seed in range(60) for focus in draw_metastases(person, np.random.default_rng(seed), count=20)
    ]
    mild = [
        focus.uptake
        for seed in range(400)
        for focus in draw_mimics(person, np.random.default_rng(seed))
        if focus.kind == "degenerative"
    ]
    assert min(hot) > 1
    assert min(mild) > 1
    assert 4.5 < np.median(hot) < 7
    assert 1.8 < np.median(mild) < 2.4
    assert np.percentile(mild, 95) > np.percentile(hot, 10)


def test_mimics_are_never_metastases(person, cheap_focus):
    drawn = [focus for seed in range(120) for focus in draw_mimics(person, np.random.default_rng(seed))]
    kinds = {focus.kind for focus in drawn}
    assert kinds >= {"degenerative", "fracture"}
    assert "metastasis" not in kinds
    assert 1 < len(drawn) / 120 < 6


def test_degenerative_change_of_the_spine_sits_beside_the_midline(person, mimics):
    spine = [focus for focus in mimics if focus.kind == "degenerative" and focus.bone[1:].isdigit()]
    assert len(spine) > 5
    for focus in spine:
        start = focus.index[np.argmin(np.linalg.norm(person.bones[focus.index] - np.array(focus.centre), axis=1))]
        assert abs(person.atlas_bones[start, 0]) > 13


def test_fractures_are_aligned_in_neighbouring_ribs_of_one_side(person):
    for seed in range(4):
        foci = lesions_module._aligned_fractures(person, np.random.default_rng(seed))
        sides = {focus.bone.split()[0] for focus in foci}
        numbers = [int(focus.bone.split()[-1]) for focus in foci]
        assert len(sides) == 1
        assert 2 <= len(foci) <= 4
        assert np.diff(numbers).tolist() == [1] * (len(foci) - 1)
        assert np.ptp([focus.centre[1] for focus in foci]) < 45


def test_uptake_multiplies_the_bones_own_and_the_hottest_focus_counts():
    normal = np.array([1, 2, 3, 4], np.float32)
    one = Focus("metastasis", "T1", np.array([1, 2]), np.array([1.0, 0.5], np.float32), 5.0, (0, 0, 0))
    two = Focus("degenerative", "T1", np.array([2, 3]), np.array([1.0, 1.0], np.float32), 2.0, (0, 0, 0))
    assert add_uptake(normal, [one]).tolist() == [1, 10, 9, 4]
    assert add_uptake(normal, [one, two]).tolist() == [1, 10, 9, 8]
    assert add_uptake(normal, [two, one]).tolist() == [1, 10, 9, 8]
    assert normal.tolist() == [1, 2, 3, 4]
    assert add_uptake(normal, []).tolist() == [1, 2, 3, 4]


def view_of(signal, background):
    """A lesion of a row of five pixels on an even background, and its label."""
    extra = np.zeros((5, 9), np.float32)
    extra[2, 2:7] = np.array(signal, np.float32)
    return label_view(extra, extra + np.float32(background))


def test_the_outline_lies_at_forty_per_cent_of_the_lesions_own_maximum():
    label = view_of([39, 40, 100, 41, 10], 1)
    assert label.mask[2].tolist() == [False, False, False, True, True, True, False, False, False]
    assert label.mask.sum() == 3


def test_contrast_and_signal_to_noise_of_a_worked_example():
    label = view_of([0, 50, 100, 50, 0], 100)
    assert label.contrast == pytest.approx(200 / 300)
    assert label.snr == pytest.approx(200 / np.sqrt(500))
    assert label.visible is True


def test_low_contrast_alone_makes_a_lesion_unlabelled():
    # 2000 extra counts on 10000 are a contrast of 0.2; a few less are too faint although far above the noise.
    assert view_of([0, 2010, 2010, 2010, 0], 10000).visible
    faint = view_of([0, 1990, 1990, 1990, 0], 10000)
    assert faint.snr > 30
    assert not faint.visible


def test_noise_alone_makes_a_lesion_unlabelled():
    # 3 pixels of s on s: contrast 1, signal-to-noise sqrt(3 s / 2), which is 4 at s = 32 / 3.
    assert view_of([0, 11, 11, 11, 0], 11).visible
    noisy = view_of([0, 10, 10, 10, 0], 10)
    assert noisy.contrast == pytest.approx(1)
    assert noisy.snr == pytest.approx(np.sqrt(15))
    assert not noisy.visible


def test_a_lesion_that_is_not_there_has_no_mask():
    empty = np.zeros((4, 4), np.float32)
    label = label_view(empty, empty + 5)
    assert isinstance(label, LesionView)
    assert not label.mask.any()
    assert (label.contrast, label.snr, label.visible) == (0, 0, False)


@given(st.floats(0.1, 1000), st.integers(0, 50))
def test_the_outline_does_not_depend_on_the_number_of_counts(factor, seed):
    extra = np.random.default_rng(seed).random((6, 6)).astype(np.float32)
    # Away from the threshold, where rounding decides.
    extra[np.abs(extra - 0.4 * extra.max()) < 1e-3] = 0
    one = label_view(extra, extra + 1)
    two = label_view(extra * np.float32(factor), (extra + 1) * np.float32(factor))
    assert np.array_equal(one.mask, two.mask)
    assert two.contrast == pytest.approx(one.contrast, rel=1e-3)
    assert two.snr == pytest.approx(one.snr * np.sqrt(factor), rel=1e-3)
