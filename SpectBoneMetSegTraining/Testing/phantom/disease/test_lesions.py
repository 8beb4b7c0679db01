"""Foci of uptake in bone, and which of them are labelled."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from SpectBoneMetSegTrainingLib.phantom.disease import lesions as lesions_module
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import (
    Focus,
    Form,
    add_uptake,
    bone_points,
    draw_cold,
    draw_metastases,
    make_focus,
    scale_focus,
    spread_to_neighbours,
    uptake_factor,
    with_uptake,
)
from SpectBoneMetSegTrainingLib.phantom.disease.metastatic_sites import HIP_BONES
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import THORACIC, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import OUTLINE_LEVEL, LesionView, label_lesion, local_maximum


@pytest.fixture(scope="module")
def metastases(person):
    return draw_metastases(person, np.random.default_rng(6), count=25)


def focus_of(index, share, uptake, kind="metastasis"):
    return Focus(kind, "T1", np.array(index), np.array(share, np.float32), uptake, index[0])


def test_every_point_of_a_lesion_lies_in_its_bone(person, metastases):
    names = load_skeleton().names
    cold = [focus for seed in range(6) for focus in draw_cold(person, np.random.default_rng(seed))]
    for focus in [*metastases, *cold]:
        assert len(focus.index) == len(focus.share) > 0
        assert set(person.bone[focus.index]) == {names.index(focus.bone)}
        # The centre of a part that crossed over is in the neighbouring bone.
        assert focus.kind == "metastasis" or person.bone[focus.start] == names.index(focus.bone)


def test_a_solid_lesion_is_full_at_its_middle_and_fades_outwards(person, metastases):
    solid = [focus for focus in metastases if focus.form.core == 0]
    assert len(solid) > 15
    for focus in [focus for focus in solid if focus.start in focus.index]:
        assert focus.share[list(focus.index).index(focus.start)] == pytest.approx(1)
        assert focus.share.max() == pytest.approx(1)
        assert focus.share.min() > 0
        distance = np.linalg.norm(person.bones[focus.index] - person.bones[focus.start], axis=1)
        assert distance[focus.share > 0.8].max() <= distance.max()
        assert distance.max() < 40 * 4 * 2


def test_a_lytic_lesion_may_have_a_middle_as_cool_as_normal_bone(person):
    rng = np.random.default_rng(3)
    focus = make_focus(person, rng, "metastasis", "right hip bone", Form(20.0, core=1.0), 2.0)
    assert focus.share.max() == pytest.approx(1)
    distance = np.linalg.norm(person.bones[focus.index] - person.bones[focus.start], axis=1)
    middle, ring = focus.share[distance < 5], focus.share[(distance > 13) & (distance < 17)]
    assert ring.mean() > 0.5
    assert not len(middle) or middle.max() < 0.3


def test_rib_lesions_are_longer_the_more_they_are_stretched_along_the_rib(person):
    rng = np.random.default_rng(0)
    spots, stripes = (
        [make_focus(person, rng, "metastasis", "left rib 7", Form(7.0, stretch), 5.0, start) for start in starts]
        for stretch in (1.0, 3.0)
        for starts in [rng.choice(bone_points("left rib 7"), 6)]
    )

    def spread(focus):
        core = person.bones[focus.index[focus.share > 0.4]].astype(float)
        return np.sqrt(np.linalg.eigvalsh(np.cov(core.T)))

    for focus in stripes:
        assert spread(focus)[2] > 1.5 * spread(focus)[1]
    assert np.mean([spread(focus)[2] for focus in stripes]) > 2 * np.mean([spread(focus)[2] for focus in spots])


def test_a_long_rib_lesion_follows_the_bend_of_the_rib(person):
    # The side of a rib has the strongest bend: a straight lesion of this length would leave the rib.
    index = bone_points("left rib 6")
    start = int(index[np.argmin(person.atlas_bones[index, 0])])
    focus = make_focus(person, np.random.default_rng(1), "metastasis", "left rib 6", Form(15.0, 4.0), 5.0, start)
    assert np.ptp(person.bones[focus.index[focus.share > 0.5], 1]) > 75


def test_the_number_of_metastases_is_the_requested_one_or_at_least_one(person, monkeypatch):
    monkeypatch.setattr(lesions_module, "CROSSING_PROBABILITY", 0.0)
    assert len(draw_metastases(person, np.random.default_rng(6), count=25)) == 25
    assert draw_metastases(person, np.random.default_rng(0), count=0) == []


def test_a_large_lesion_crosses_into_the_bones_next_to_it(person):
    head = bone_points("left humerus")
    start = int(head[np.argmax(person.atlas_bones[head, 2])])
    focus = make_focus(person, np.random.default_rng(3), "metastasis", "left humerus", Form(40.0), 20.0, start)
    parts = spread_to_neighbours(person, focus)
    assert "left scapula" in {part.bone for part in parts}
    names = load_skeleton().names
    for part in parts:
        assert set(person.bone[part.index]) == {names.index(part.bone)}
        assert (part.uptake, part.start, part.form) == (focus.uptake, focus.start, focus.form)
        larger = scale_focus(part, person, 1.3)
        assert set(part.index) <= set(larger.index)
    small = make_focus(person, np.random.default_rng(3), "metastasis", "left femur", Form(6.0), 20.0)
    assert spread_to_neighbours(person, small) == []


@pytest.mark.slow
def test_lesions_reach_sixty_square_centimetres_and_ninety_times_normal_bone(person):
    drawn = [f for seed in range(40) for f in draw_metastases(person, np.random.default_rng(seed), "prostate", 30)]
    radius, uptake = np.array([(focus.form.radius, focus.uptake) for focus in drawn]).T
    assert np.pi * (radius.max() / 10) ** 2 > 60
    assert 60 < uptake.max() <= 90
    assert 0.1 < np.mean(radius > 22) < 0.2


@pytest.mark.slow
def test_prostate_metastases_are_hotter_and_lung_metastases_more_often_lytic(person, monkeypatch):
    requested = []

    def focus(person, rng, kind, bone, form, uptake, start=None):
        requested.append((form.radius, uptake, form.core))
        return focus_of([0], [1.0], uptake)

    monkeypatch.setattr(lesions_module, "make_focus", focus)
    statistics = {}
    for disease in ("lung", "prostate"):
        requested.clear()
        for seed in range(150):
            draw_metastases(person, np.random.default_rng(seed), disease, 10)
        radius, uptake, core = np.array(requested).T
        statistics[disease] = np.median(uptake), np.mean(core > 0)
        assert uptake.min() > 1
        assert np.percentile(radius, 95) > 3.5 * np.percentile(radius, 5)
    assert statistics["prostate"][0] > 1.2 * statistics["lung"][0]
    assert statistics["lung"][1] > 3 * statistics["prostate"][1]


@pytest.mark.slow
def test_uptake_is_less_in_units_of_bright_bones_and_more_in_those_of_faint_ones(person):
    assert (
        uptake_factor("T8")
        < uptake_factor("left rib 6")
        < 1
        == uptake_factor("left clavicle")
        < uptake_factor("right femur")
    )
    drawn = [
        focus for seed in range(40) for focus in draw_metastases(person, np.random.default_rng(seed), "breast", 30)
    ]
    spine, femur = ([f.uptake for f in drawn if f.bone in bones] for bones in (THORACIC, ("left femur", "right femur")))
    assert np.median(femur) > 2 * np.median(spine)


def test_metastases_lie_where_red_marrow_is_and_more_in_front_than_behind_in_ribs(person):
    rng = np.random.default_rng(0)
    femur = person.atlas_bones[[lesions_module._start(person, rng, "left femur") for _ in range(300)], 2]
    assert np.mean(femur > -210) > 0.7
    assert femur.min() < -300
    rib = person.atlas_bones[[lesions_module._start(person, rng, "left rib 6") for _ in range(300)], 1]
    assert 0.55 < np.mean(rib > -100) < 0.8


@pytest.mark.slow
def test_large_metastases_of_ribs_are_not_endless_and_large_ones_take_up_less_in_each_part(person):
    drawn = [draw_metastases(person, np.random.default_rng(seed), "breast", 30) for seed in range(25)]
    foci = [focus for patient in drawn for focus in patient if focus.form.core == 0]
    for focus in foci:
        # A part that crosses into a rib from another bone keeps the form of that lesion.
        if "rib" in focus.bone and focus.start in bone_points(focus.bone):
            assert focus.form.radius * focus.form.stretch <= max(60, focus.form.radius) + 1e-6
    size, uptake = np.array([(f.form.radius, f.uptake) for f in foci if f.bone in HIP_BONES]).T
    assert np.median(uptake[size > 18]) < 0.85 * np.median(uptake[size < 10])


def test_nothing_grows_in_a_bone_that_is_not_there(person):
    volume = person.bone_volume.copy()
    volume[load_skeleton().of("left femur", "right femur")] = 0
    amputee = replace(person, bone_volume=volume)
    foci = [focus for seed in range(8) for focus in draw_metastases(amputee, np.random.default_rng(seed), "lung", 20)]
    assert len(foci) > 100
    assert not any("femur" in focus.bone for focus in foci)


def test_the_same_seed_gives_the_same_lesions(person):
    one, two = (draw_metastases(person, np.random.default_rng(9), "prostate", 6) for _ in range(2))
    assert [focus.bone for focus in one] == [focus.bone for focus in two]
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a.index, b.index)
        assert np.array_equal(a.share, b.share)
        assert (a.uptake, a.start) == (b.uptake, b.start)


@pytest.mark.parametrize("bone", ["L3", "left rib 8", "sacrum"])
def test_a_grown_lesion_holds_the_old_one_and_a_shrunk_one_lies_in_it(person, bone):
    rng = np.random.default_rng(2)
    for _ in range(4):
        focus = make_focus(person, rng, "metastasis", bone, Form(9.0, 1.3), 4.0)
        larger, smaller, same = (scale_focus(focus, person, factor) for factor in (1.5, 0.6, 1.0))
        assert set(smaller.index) <= set(focus.index) <= set(larger.index)
        assert len(smaller.index) < len(focus.index) < len(larger.index)
        assert np.array_equal(same.share, focus.share)
        assert larger.start == focus.start == smaller.start
        assert (larger.uptake, larger.kind, larger.bone) == (focus.uptake, focus.kind, focus.bone)


def test_a_growing_lesion_keeps_its_outline(person):
    # Same shape: distances in the large focus are 1.25 times those in the small one.
    focus = make_focus(person, np.random.default_rng(5), "metastasis", "right hip bone", Form(14.0, 1.2), 4.0)
    larger = scale_focus(scale_focus(focus, person, 1.6), person, 1 / 1.28)
    again = scale_focus(focus, person, 1.25)
    assert larger.form.radius == pytest.approx(17.5)
    assert np.array_equal(larger.index, again.index)
    assert np.allclose(larger.share, again.share, atol=1e-6)


def test_uptake_can_change_without_the_extent(person, metastases):
    hotter = with_uptake(metastases[0], 9.0)
    assert hotter.uptake == 9.0
    assert np.array_equal(hotter.index, metastases[0].index)


def test_cold_lesions_are_rare_holes_some_with_a_warm_rim(person):
    foci = [focus for seed in range(25) for focus in draw_cold(person, np.random.default_rng(seed))]
    assert 25 <= len(foci) <= 75
    assert {focus.kind for focus in foci} == {"cold"}
    assert all(0 < focus.uptake < 0.5 for focus in foci)
    changed = [add_uptake(np.ones(len(person.bones), np.float32), [focus])[focus.index] for focus in foci]
    assert all(levels.min() < 0.55 for levels in changed)
    rims = np.array([levels.max() > 1.2 for levels in changed])
    assert 0.2 < rims.mean() < 0.8


def test_uptake_multiplies_the_bones_own_and_the_hottest_focus_counts():
    normal = np.array([1, 2, 3, 4], np.float32)
    one, two = focus_of([1, 2], [1.0, 0.5], 5.0), focus_of([2, 3], [1.0, 1.0], 2.0, "degenerative")
    assert add_uptake(normal, [one]).tolist() == [1, 10, 9, 4]
    assert add_uptake(normal, [one, two]).tolist() == [1, 10, 9, 8]
    assert add_uptake(normal, [two, one]).tolist() == [1, 10, 9, 8]
    assert normal.tolist() == [1, 2, 3, 4]
    assert add_uptake(normal, []).tolist() == [1, 2, 3, 4]


def test_the_coldest_of_the_cold_counts_and_no_bone_takes_up_less_than_nothing():
    normal = np.array([1, 2, 4], np.float32)
    cold, colder = focus_of([0, 1], [1.0, 1.0], 0.5, "cold"), focus_of([1, 2], [1.0, 0.5], 0.25, "cold")
    assert add_uptake(normal, [cold, colder]) == pytest.approx([0.5, 0.5, 2.5])
    reversed_share = focus_of([0], [-0.9], 9.0)
    assert 0 < add_uptake(normal, [reversed_share])[0] < 0.1


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-0.5, 1), st.floats(0.05, 20)), max_size=6), st.randoms())
def test_the_order_of_foci_does_not_matter(drawn, random):
    normal = np.array([1, 2, 3, 4], np.float32)
    foci = [focus_of([index], [share], uptake) for index, share, uptake in drawn]
    mixed = foci.copy()
    random.shuffle(mixed)
    assert np.array_equal(add_uptake(normal, foci), add_uptake(normal, mixed))


def view_of(signal, background):
    """Label a lesion of a row of five pixels on a uniform background."""
    extra = np.zeros((5, 9), np.float32)
    extra[2, 2:7] = np.array(signal, np.float32)
    return label_lesion(extra, extra + np.float32(background))


def test_the_outline_lies_at_half_height_of_the_lesions_top():
    # Of the values above a tenth of the highest, the 90th percentile is about 98: the outline is at 49.
    label = view_of([48, 50, 95, 100, 10], 1)
    assert label.mask[2].tolist() == [False, False, False, True, True, True, False, False, False]
    assert label.mask.sum() == 3


def test_contrast_and_signal_to_noise_of_a_worked_example():
    label = view_of([0, 50, 100, 50, 0], 100)
    assert label.contrast == pytest.approx(200 / 300)
    assert label.snr == pytest.approx(200 / np.sqrt(500))
    assert label.visible is True


def test_too_little_above_the_surrounding_ring_alone_makes_a_lesion_unlabelled():
    # Labels have 1.35 times the mean of the ring; slightly less is "ignore", although far above the noise.
    assert view_of([0, 3510, 3510, 3510, 0], 10000).visible
    faint = view_of([0, 3490, 3490, 3490, 0], 10000)
    assert faint.ratio == pytest.approx(1.349)
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
    label = label_lesion(empty, empty + 5)
    assert isinstance(label, LesionView)
    assert not label.mask.any()
    assert (label.contrast, label.snr, label.visible) == (0, 0, False)


@given(st.floats(0.1, 1000), st.integers(0, 50))
def test_the_outline_does_not_depend_on_the_number_of_counts(factor, seed):
    extra = np.random.default_rng(seed).random((6, 6)).astype(np.float32)
    # Away from the threshold, where rounding decides.
    assume(np.abs(extra - OUTLINE_LEVEL * local_maximum(extra)).min() > 1e-4)
    one = label_lesion(extra, extra + 1)
    two = label_lesion(extra * np.float32(factor), (extra + 1) * np.float32(factor))
    assert np.array_equal(one.mask, two.mask)
    assert two.contrast == pytest.approx(one.contrast, rel=1e-3)
    assert two.snr == pytest.approx(one.snr * np.sqrt(factor), rel=1e-3)
