"""Normal uptake: order of the levels, spread between patients, effects of age, renal function and day."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.disease import tracer as tracer_module
from SpectBoneMetSegTrainingLib.phantom.disease.tracer import (
    BONE_LEVEL,
    TISSUE_LEVEL,
    day_tracer,
    draw_age,
    draw_tracer,
    heterogeneity,
)
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import RIBS, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES, load_body


def of(person, name):
    return person.tissue == TISSUES.index(name)


def test_normal_uptake_is_positive_and_ordered_like_the_levels(person):
    bones = load_skeleton()
    drawn = [draw_tracer(person, np.random.default_rng(seed)) for seed in (1, 2)]
    for tracer in drawn:
        assert tracer.bones.shape == (len(person.bones),)
        assert tracer.tissues.shape == (len(person.tissues),)
        assert tracer.bones.min() > 0
        assert tracer.bones[bones.of("sternum")].mean() > tracer.bones[bones.of("right femur")].mean()
        assert tracer.bones[bones.of("costal cartilage")].mean() < tracer.bones[bones.of("right rib 5")].mean()
        # The end of the femur at the knee has more uptake than the shaft.
        femur = np.flatnonzero(bones.of("right femur"))
        height = person.atlas_bones[femur, 2]
        end, shaft = (femur[near] for near in (height < height.min() + 40, np.abs(height + 300) < 40))
        assert tracer.bones[end].mean() > 1.1 * tracer.bones[shaft].mean()
        soft = tracer.tissues[of(person, "soft tissue")]
        # Soft tissue of the trunk is the unit; limbs have less uptake, the thyroid more.
        assert np.median(soft[load_body().segment[of(person, "soft tissue")] == 0]) == 1
        limb = soft[load_body().segment[of(person, "soft tissue")] >= 2]
        assert limb.min() == limb.max() < 1
    assert not np.allclose(drawn[0].bones, drawn[1].bones)
    assert set(BONE_LEVEL) >= {"rib", "skull", "femur"}
    assert set(TISSUE_LEVEL) == set(TISSUES)


def test_the_same_seed_gives_the_same_uptake(person):
    one, two = (draw_tracer(person, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.bones, two.bones)
    assert np.array_equal(one.tissues, two.tissues)


@pytest.mark.slow
def test_bone_to_soft_tissue_contrast_varies_several_fold_between_patients(person):
    spine = load_skeleton().of("T8")
    means = [draw_tracer(person, np.random.default_rng(seed)).bones[spine].mean() for seed in range(40)]
    low, middle, high = np.percentile(means, (5, 50, 95))
    assert high > 3 * low
    assert 1.9 < middle / BONE_LEVEL["T"] < 3.4


def test_metal_takes_up_nothing(person):
    metal = load_skeleton().of("left femur") & (person.atlas_bones[:, 2] > -180)
    tracer = draw_tracer(replace(person, prosthesis=metal), np.random.default_rng(0))
    assert (tracer.bones[metal] == 0).all()
    assert (tracer.bones[~metal] > 0).all()


@pytest.mark.slow
def test_the_old_take_up_less_in_bone_and_more_in_joints(person):
    shaft = load_skeleton().of("right tibia") & (np.abs(person.atlas_bones[:, 2] + 700) < 60)
    rib = load_skeleton().of("right rib 6")
    front = rib & (person.atlas_bones[:, 1] > person.atlas_bones[rib, 1].max() - 15)
    side = rib & (np.abs(person.atlas_bones[:, 1] + 100) < 15)
    joint = ((person.atlas_bones - np.array([165, -97, 455])) ** 2).sum(1) < 20**2

    def figures(age):
        drawn = [draw_tracer(person, np.random.default_rng(seed), age) for seed in range(12)]
        level = np.mean([tracer.bones[shaft].mean() for tracer in drawn])
        worn = np.mean([tracer.bones[joint].mean() / tracer.bones[shaft].mean() for tracer in drawn])
        ends = np.mean([tracer.bones[front].mean() / tracer.bones[side].mean() for tracer in drawn])
        return level, worn, ends

    young, old = figures(40.0), figures(85.0)
    assert old[0] < 0.9 * young[0]
    assert old[1] > 1.15 * young[1]
    assert old[2] < 0.95 * young[2]


def test_ages_are_those_of_cancer_patients():
    ages = np.array([draw_age(np.random.default_rng(seed)) for seed in range(500)])
    assert ages.min() >= 30
    assert ages.max() <= 92
    assert 62 < np.median(ages) < 68


def test_poor_kidneys_leave_tracer_in_the_blood_and_little_in_the_bladder():
    def levels(renal):
        drawn = [tracer_module._tissue_levels(np.random.default_rng(seed), renal) for seed in range(40)]
        return dict(zip(TISSUES, np.median(drawn, 0), strict=True))

    usual, poor = levels(1.0), levels(0.4)
    assert poor["heart"] > 1.2 * usual["heart"]
    assert poor["bladder"] < 0.6 * usual["bladder"]
    assert poor["left kidney"] < usual["left kidney"]
    assert poor["soft tissue"] == usual["soft tissue"] == 1


def test_both_breasts_of_a_patient_take_up_alike_and_more_than_soft_tissue():
    right, left = TISSUES.index("right breast"), TISSUES.index("left breast")
    drawn = np.array([tracer_module._tissue_levels(np.random.default_rng(seed), 1.0) for seed in range(60)])
    assert drawn[:, right] == pytest.approx(drawn[:, left])
    assert 1.15 < np.median(drawn[:, right]) < 1.45


def test_both_kidneys_of_a_patient_take_up_nearly_alike_and_patients_differ():
    right, left = TISSUES.index("right kidney"), TISSUES.index("left kidney")
    drawn = np.log([tracer_module._tissue_levels(np.random.default_rng(seed), 1.0) for seed in range(80)])
    between, within = drawn[:, right].std(), (drawn[:, right] - drawn[:, left]).std()
    assert between > 0.4
    assert within < 0.7 * between


def test_vertebral_bodies_take_up_more_than_their_arches_and_ribs_more_in_front(person):
    factor, bones = tracer_module._within_bones(), load_skeleton()
    for name, contrast in (("T8", 1.8), ("C4", 1.3), ("left rib 6", 1.15)):
        depth = person.atlas_bones[bones.of(name), 1]
        own = factor[bones.of(name)]
        assert own[depth > np.quantile(depth, 0.95)].mean() > contrast * own[depth < np.quantile(depth, 0.05)].mean()
    assert (factor[bones.of("sternum", "right femur", "skull")] == 1).all()


@pytest.mark.slow
def test_some_patients_have_a_much_warmer_group_of_bones_but_the_usual_one_does_not_change(person):
    neck, chest = load_skeleton().of("C5"), load_skeleton().of("T6")
    drawn = [draw_tracer(person, np.random.default_rng(seed)).bones for seed in range(150)]
    ratio = np.log([bones[neck].mean() / bones[chest].mean() for bones in drawn])
    low, middle, high = np.percentile(ratio, (5, 50, 95))
    assert high - middle > 1.15 * (middle - low)


def test_another_day_changes_bladder_and_kidneys_but_not_the_pattern_of_bone(person):
    tracer = draw_tracer(person, np.random.default_rng(2))
    before = tracer.tissues.copy()
    bladder = []
    for seed in range(30):
        other = day_tracer(tracer, np.random.default_rng(seed))
        ratio = other.bones / tracer.bones
        assert np.ptp(ratio) < 1e-4
        assert 0.899 < ratio.mean() < 1.101
        bladder.append(float((other.tissues / tracer.tissues)[of(person, "bladder")].mean()))
        soft = (other.tissues / tracer.tissues)[of(person, "soft tissue")].mean()
        assert 0.75 < soft < 1.3
    assert max(bladder) > 2 * min(bladder)
    assert np.array_equal(tracer.tissues, before)


def test_unevenness_is_smooth_and_about_one():
    points = load_skeleton().points[load_skeleton().of(RIBS[5], "T8", "sacrum")]
    factor = heterogeneity(points, np.random.default_rng(1), (20, 120), 0.05)
    assert factor.mean() == pytest.approx(1, abs=0.1)
    assert 0.05 < factor.std() < 0.25
    shifted = heterogeneity(points + np.float32(1), np.random.default_rng(1), (20, 120), 0.05)
    assert np.abs(shifted / factor - 1).max() < 0.2
