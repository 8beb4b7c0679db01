"""The atlas, the soft tissue around it, and the people made from both."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegTrainingLib.phantom import skeleton as skeleton_module
from SpectBoneMetSegTrainingLib.phantom.anatomy import (
    HIP,
    SHOULDER,
    BodyShape,
    Posture,
    deform,
    draw_posture,
    draw_shape,
    make_person,
)
from SpectBoneMetSegTrainingLib.phantom.body import TISSUES, load_body
from SpectBoneMetSegTrainingLib.phantom.illness import add_illness
from SpectBoneMetSegTrainingLib.phantom.skeleton import (
    CERVICAL,
    LUMBAR,
    RIBS,
    SEGMENTS,
    THORACIC,
    load_skeleton,
)
from SpectBoneMetSegTrainingLib.phantom.tracer import BONE_LEVEL, draw_tracer

NEUTRAL = BodyShape(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, (0.0, 0.0, 0.0), np.zeros((0, 7)))
STRAIGHT = Posture((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0)


def distances(points, step=997):
    few = points[::step].astype(np.float64)
    return np.linalg.norm(few[:, None] - few[None], axis=-1)


def test_every_bone_of_the_axial_skeleton_is_there_once():
    names = load_skeleton().names
    assert len(names) == len(set(names))
    assert {*CERVICAL, *THORACIC, *LUMBAR, *RIBS, "sternum", "sacrum", "skull"} <= set(names)
    assert all(load_skeleton().of(name).any() for name in names)


def test_right_bones_lie_on_the_right_and_the_spine_in_order():
    bones = load_skeleton()
    for name in bones.names:
        middle = bones.points[bones.of(name), 0].mean()
        if name.startswith("right "):
            assert middle > 10
        elif name.startswith("left "):
            assert middle < -10
        elif name != "costal cartilage":
            assert abs(middle) < 10
    heights = [bones.points[bones.of(name), 2].mean() for name in (*CERVICAL, *THORACIC, *LUMBAR, "sacrum")]
    assert (np.diff(heights) < 0).all()
    # The sternum is in front of the spine.
    assert bones.points[bones.of("sternum"), 1].mean() > bones.points[bones.of(*THORACIC), 1].mean() + 50


def test_segments_follow_the_side():
    bones = load_skeleton()
    segment = bones.segment
    for name, wanted in (("left hand", "left arm"), ("right femur", "right leg"), ("skull", "head"), ("T5", "trunk")):
        assert set(segment[bones.of(name)]) == {SEGMENTS.index(wanted)}


def test_a_missing_atlas_is_a_plain_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(skeleton_module, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(UserError, match="install the package again"):
        skeleton_module.atlas_path()


def test_every_organ_is_on_its_side_and_the_body_has_a_human_volume():
    body = load_body()
    middle = {name: body.points[body.tissue == i].mean(0) for i, name in enumerate(TISSUES)}
    assert middle["liver"][0] > 30
    assert middle["right kidney"][0] > 30
    assert middle["spleen"][0] < -30
    assert middle["left kidney"][0] < -30
    assert middle["heart"][0] < 0
    assert middle["bladder"][2] < middle["left kidney"][2] < middle["heart"][2]
    litres = len(body.points) * body.spacing**3 / 1e6
    assert 50 < litres < 95
    lungs = (body.tissue == TISSUES.index("lung")).sum() * body.spacing**3 / 1e6
    assert 2 < lungs < 7


def test_bones_lie_inside_the_soft_tissue():
    bones, body = load_skeleton(), load_body()
    low = np.minimum(body.points.min(0), bones.points.min(0)) - 10
    cells = np.zeros(tuple(((body.points.max(0) - low) / 10 + 3).astype(int)), bool)
    cells[tuple(((body.points - low) / 10).astype(int).T)] = True
    inside = cells[tuple(((bones.points - low) / 10).astype(int).T)]
    assert inside.mean() > 0.99


def test_the_neutral_person_is_the_atlas():
    bones = load_skeleton()
    same = deform(bones.points, bones.segment, NEUTRAL, STRAIGHT)
    # The long axis for turning the body lies 95 mm behind the atlas' zero.
    assert np.allclose(same - bones.points, (0, 95, 0), atol=1e-3)


@given(st.floats(-30, 30), st.floats(-10, 10))
def test_turning_and_tilting_the_body_keeps_all_distances(rotation, tilt):
    bones = load_skeleton()
    few = slice(None, None, 499)
    moved = deform(bones.points[few], bones.segment[few], NEUTRAL, replace(STRAIGHT, rotation=rotation, tilt=tilt))
    assert np.allclose(distances(moved, 7), distances(bones.points[few], 7), atol=0.01)


@pytest.mark.parametrize(
    ("limb", "joint", "field"), [("arm", SHOULDER, "arm_abduction"), ("leg", HIP, "leg_abduction")]
)
def test_limbs_swing_outwards_about_their_joint_and_alike_on_both_sides(limb, joint, field):
    points = (joint + np.array([20, 0, -300])) * np.array([(1, 1, 1), (-1, 1, 1)])
    points = points.astype(np.float32)
    segment = np.array([SEGMENTS.index(f"right {limb}"), SEGMENTS.index(f"left {limb}")], np.uint8)
    moved = deform(points, segment, NEUTRAL, replace(STRAIGHT, **{field: (30.0, 30.0)})) - (0, 95, 0)
    assert moved[0, 0] > points[0, 0] + 50
    assert moved[0, 2] > points[0, 2] + 20
    assert np.allclose(moved[1], moved[0] * (-1, 1, 1), atol=1e-3)
    reach = np.linalg.norm(moved[0] - joint)
    assert reach == pytest.approx(np.linalg.norm(points[0] - joint), abs=0.01)


def test_raised_arms_end_above_the_head_and_nothing_else_moves():
    bones = load_skeleton()
    up = deform(bones.points, bones.segment, NEUTRAL, replace(STRAIGHT, arm_abduction=(160.0, 160.0)))
    straight = deform(bones.points, bones.segment, NEUTRAL, STRAIGHT)
    assert up[bones.of("right hand", "left hand"), 2].min() > up[bones.of("skull"), 2].max()
    arms = np.isin(bones.segment, [SEGMENTS.index("right arm"), SEGMENTS.index("left arm")])
    assert np.array_equal(up[~arms], straight[~arms])


def test_the_head_turns_about_the_neck_only():
    bones = load_skeleton()
    turned = deform(bones.points, bones.segment, NEUTRAL, replace(STRAIGHT, head_turn=40.0))
    straight = deform(bones.points, bones.segment, NEUTRAL, STRAIGHT)
    moved = np.abs(turned - straight).max(1) > 0.5
    assert moved[bones.of("skull")].mean() > 0.9
    assert not moved[bones.of(*THORACIC, *RIBS, "sternum")].any()


def test_stature_scales_the_whole_and_width_only_across():
    bones = load_skeleton()
    straight = deform(bones.points, bones.segment, NEUTRAL, STRAIGHT)
    tall = deform(bones.points, bones.segment, replace(NEUTRAL, stature=1.1), STRAIGHT)
    wide = deform(bones.points, bones.segment, replace(NEUTRAL, trunk_width=1.2), STRAIGHT)
    assert np.allclose(tall, 1.1 * straight, atol=1e-2)
    assert np.allclose(wide, straight * (1.2, 1, 1), atol=1e-2)


def test_a_person_has_one_volume_per_point_and_it_follows_the_scaling(person, atlas_posture):
    assert len(person.bones) == len(person.bone) == len(person.bone_volume) == len(person.atlas_bones)
    assert len(person.tissues) == len(person.tissue) == len(person.tissue_volume)
    tall = make_person(replace(NEUTRAL, stature=1.1), atlas_posture, np.random.default_rng(1))
    assert tall.bone_volume.sum() / person.bone_volume.sum() == pytest.approx(1.331, rel=1e-4)
    # Points are shaken inside their voxels, not beyond.
    off = person.bones - person.atlas_bones - (0, 95, 0)
    assert np.abs(off).max() <= load_skeleton().spacing / 2 + 1e-3
    assert np.abs(off).mean() > load_skeleton().spacing / 8


def test_girth_thickens_the_flesh_but_not_the_bones(person, atlas_posture):
    fat = make_person(replace(NEUTRAL, girth=1.3), atlas_posture, np.random.default_rng(1))
    soft = person.tissue == TISSUES.index("soft tissue")
    belly = soft & (np.abs(person.tissues[:, 2] - 100) < 30) & (np.abs(person.tissues[:, 0]) < 150)
    assert np.ptp(fat.tissues[belly, 0]) == pytest.approx(1.3 * np.ptp(person.tissues[belly, 0]), rel=0.02)
    assert np.ptp(fat.tissues[belly, 1]) > 1.2 * np.ptp(person.tissues[belly, 1])
    trunk = load_skeleton().segment == SEGMENTS.index("trunk")
    assert np.array_equal(fat.bones[trunk], person.bones[trunk])


def test_a_missing_kidney_is_missing_and_a_small_bladder_small(person, atlas_posture):
    odd = make_person(replace(NEUTRAL, kidneys=(False, True), bladder=0.5), atlas_posture, np.random.default_rng(1))
    assert not (odd.tissue == TISSUES.index("right kidney")).any()
    assert (odd.tissue == TISSUES.index("left kidney")).any()
    bladder, usual = (p.tissues[p.tissue == TISSUES.index("bladder")] for p in (odd, person))
    assert np.allclose(np.ptp(bladder, axis=0), 0.5 * np.ptp(usual, axis=0), atol=6)


def test_drawn_people_vary_within_human_limits():
    rng = np.random.default_rng(4)
    shapes = [draw_shape(rng) for _ in range(300)]
    heights = np.array([1.70 * shape.stature for shape in shapes])
    assert 1.49 < heights.min() < 1.56
    assert 1.82 < heights.max() < 1.95
    girths = np.array([shape.girth for shape in shapes])
    assert girths.min() < 0.95
    assert girths.max() > 1.25
    missing = sum(not all(shape.kidneys) for shape in shapes)
    assert 1 <= missing <= 15
    assert not any(not any(shape.kidneys) for shape in shapes)


def test_about_one_in_twenty_lies_with_raised_arms():
    rng = np.random.default_rng(4)
    up = [draw_posture(rng).arm_abduction[0] > 90 for _ in range(3000)]
    assert 0.035 < np.mean(up) < 0.065
    assert draw_posture(rng, arms_up=True).arm_abduction[1] > 130
    assert draw_posture(rng, arms_up=False).arm_abduction[1] < 30


def test_waves_bend_smoothly_so_that_bones_stay_in_one_piece():
    bones, shape = load_skeleton(), draw_shape(np.random.default_rng(12))
    shape = replace(NEUTRAL, waves=shape.waves)
    points = bones.points[bones.of("left rib 5")].astype(np.float64)
    segment = np.zeros(len(points), np.uint8)
    moved = deform(points, segment, shape, STRAIGHT)
    beside = deform(points + np.array([1.0, 0, 0]), segment, shape, STRAIGHT)
    step = np.linalg.norm(beside - moved, axis=1)
    assert step.min() > 0.6
    assert step.max() < 1.5


def test_most_patients_have_no_other_illness_and_names_tell_which(person):
    bones, tissues = np.ones(len(person.bones), np.float32), np.ones(len(person.tissues), np.float32)
    seen = set()
    for seed in range(60):
        changed = add_illness(person, bones, tissues, np.random.default_rng(seed))
        seen.update(changed[2])
        same = np.array_equal(changed[0], bones) and np.array_equal(changed[1], tissues)
        assert same == (changed[2] == [])
        assert min(changed[0].min(), changed[1].min()) > 0
    assert (bones == 1).all()
    assert (tissues == 1).all()
    assert len(seen) >= 3


def test_illness_is_where_its_name_says(person):
    bones, tissues = np.ones(len(person.bones), np.float32), np.ones(len(person.tissues), np.float32)
    checked = 0
    for seed in range(60):
        other, soft, names = add_illness(person, bones, tissues, np.random.default_rng(seed))
        if names == ["cold spine after radiotherapy"]:
            assert set(person.bone[other != 1]) <= {load_skeleton().names.index(name) for name in (*THORACIC, *LUMBAR)}
            assert (other <= 1).all()
        elif len(names) == 1 and names[0].endswith("hip prosthesis"):
            side = names[0].split()[0]
            assert set(person.bone[other != 1]) == {load_skeleton().names.index(f"{side} femur")}
        elif len(names) == 1 and names[0].endswith("hydronephrosis"):
            side = names[0].split()[0]
            assert set(person.tissue[soft != 1]) == {TISSUES.index(f"{side} kidney")}
            assert (soft >= 1).all()
        elif names in (["primary tumour"], ["right pleural effusion"], ["left pleural effusion"]):
            assert set(person.tissue[soft != 1]) == {TISSUES.index("lung")}
        else:
            continue
        checked += 1
    assert checked >= 3


def test_normal_uptake_is_positive_and_ordered_like_the_levels(person):
    bones = load_skeleton()
    drawn = [draw_tracer(person, np.random.default_rng(seed)) for seed in (1, 2)]
    for tracer in drawn:
        assert tracer.bones.shape == (len(person.bones),)
        assert tracer.tissues.shape == (len(person.tissues),)
        assert tracer.bones.min() > 0
        assert tracer.bones[bones.of("sternum")].mean() > tracer.bones[bones.of("right femur")].mean()
        assert tracer.bones[bones.of("costal cartilage")].mean() < tracer.bones[bones.of("right rib 5")].mean()
        # The end of the knee takes up more than the shaft.
        femur = np.flatnonzero(bones.of("right femur"))
        height = person.atlas_bones[femur, 2]
        end, shaft = (femur[near] for near in (height < height.min() + 40, np.abs(height + 300) < 40))
        assert tracer.bones[end].mean() > 1.1 * tracer.bones[shaft].mean()
        soft = tracer.tissues[person.tissue == TISSUES.index("soft tissue")]
        assert (soft == 1).all()
    assert not np.allclose(drawn[0].bones, drawn[1].bones)
    assert set(BONE_LEVEL) >= {"rib", "skull", "femur"}
