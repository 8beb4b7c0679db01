"""The atlas, the soft tissue around it, and the persons made from both."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.phantom.person import skeleton as skeleton_module
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import (
    HIP,
    SHOULDER,
    BodyShape,
    Posture,
    deform,
    draw_posture,
    draw_shape,
    make_person,
    reference_person,
)
from SpectBoneMetSegTrainingLib.phantom.person.shape import (
    HELD_OUT_APEX_MM,
    HELD_OUT_DRAW,
    HELD_OUT_WAVES_MM,
    MISSING,
    STATURE_M,
    USUAL_APEX_MM,
    USUAL_DRAW,
    WEIGHT_KG,
    height_m,
    weight_kg,
)
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import CERVICAL, LUMBAR, RIBS, SEGMENTS, THORACIC, load_skeleton
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES, load_body

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
    import SpectBoneMetSegTrainingLib

    monkeypatch.setattr(SpectBoneMetSegTrainingLib, "__file__", str(tmp_path / "a" / "b" / "__init__.py"))
    with pytest.raises(UserError, match=r"skeleton\.npz is missing"):
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
    # The body turns about a long axis 95 mm behind the origin of the atlas.
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
    # The factor decreases towards the head, which takes 0.3 of the change.
    trunk = (bones.segment == SEGMENTS.index("trunk")) & (bones.points[:, 2] < 440)
    assert np.allclose(wide[trunk], straight[trunk] * (1.2, 1, 1), atol=1e-2)
    assert np.allclose(wide[:, 1:], straight[:, 1:], atol=1e-2)
    # Limbs take only part of the change.
    femur = bones.of("right femur")
    assert np.ptp(straight[femur, 0]) < np.ptp(wide[femur, 0]) < 1.15 * np.ptp(straight[femur, 0])


def test_a_person_has_one_volume_per_point_and_it_follows_the_scaling(person, atlas_posture):
    assert len(person.bones) == len(person.bone) == len(person.bone_volume) == len(person.atlas_bones)
    assert len(person.tissues) == len(person.tissue) == len(person.tissue_volume)
    tall = make_person(replace(NEUTRAL, stature=1.1), atlas_posture, np.random.default_rng(1))
    assert tall.bone_volume.sum() / person.bone_volume.sum() == pytest.approx(1.331, rel=1e-4)
    # Points are jittered within their voxels.
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


def test_a_missing_kidney_holds_nothing_and_a_small_bladder_is_small(person, atlas_posture):
    odd = make_person(replace(NEUTRAL, missing=("right kidney",), bladder=0.5), atlas_posture, np.random.default_rng(1))
    assert odd.tissue_volume[odd.tissue == TISSUES.index("right kidney")].sum() == 0
    assert odd.tissue_volume[odd.tissue == TISSUES.index("left kidney")].min() > 0
    bladder, usual = (p.tissues[p.tissue == TISSUES.index("bladder")] for p in (odd, person))
    assert np.allclose(np.ptp(bladder, axis=0), 0.5 * np.ptp(usual, axis=0), atol=6)


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_keeps_its_points_and_loses_its_volume(name, person):
    odd = reference_person(replace(NEUTRAL, sex="female", missing=(name,)))
    whole = reference_person(replace(NEUTRAL, sex="female"))
    assert len(odd.bones) == len(person.bones)
    assert len(odd.tissues) == len(person.tissues)
    side = odd.atlas_tissues[:, 0] > 0 if name.startswith("right") else odd.atlas_tissues[:, 0] < 0
    lost = odd.tissue_volume < whole.tissue_volume
    assert lost.any()
    assert lost[~side].mean() < 1e-4
    assert ("leg" in name or "arm" in name) == (not odd.present.all())
    assert any(name.split()[0] in text for text in odd.description)


def test_men_have_no_breasts(person):
    for sex, present in (("male", False), ("female", True)):
        built = reference_person(replace(NEUTRAL, sex=sex))
        assert built.tissue_volume[built.tissue == TISSUES.index("left breast")].any() == present


def test_a_hip_prosthesis_is_metal_at_the_top_of_one_femur():
    built = reference_person(replace(NEUTRAL, prosthesis=("left hip",)))
    femur = load_skeleton().of("left femur")
    assert built.prosthesis.any()
    assert not built.prosthesis[~femur].any()
    metal, bone = built.bones[built.prosthesis, 2], built.bones[femur & ~built.prosthesis, 2]
    assert metal.mean() > bone.mean() + 100


@pytest.mark.slow
def test_drawn_people_vary_within_human_limits():
    rng = np.random.default_rng(4)
    shapes = [draw_shape(rng) for _ in range(200)]
    for sex in ("female", "male"):
        own = [shape for shape in shapes if shape.sex == sex]
        assert 60 < len(own) < 140
        heights, weights = ([measure(shape) for shape in own] for measure in (height_m, weight_kg))
        mean, sigma, low, high = STATURE_M[sex]
        assert low <= min(heights) <= max(heights) <= high
        assert np.mean(heights) == pytest.approx(mean, abs=4 * sigma / len(own) ** 0.5)
        median, _, light, heavy = WEIGHT_KG[sex]
        assert np.median(weights) == pytest.approx(median, rel=0.15)
        assert light * 0.9 < min(weights) < max(weights) < heavy * 1.1
    assert 1 <= sum(any("kidney" in name for name in shape.missing) for shape in shapes) <= 10
    assert not any({"right kidney", "left kidney"} <= set(shape.missing) for shape in shapes)
    assert not any(shape.sex == "male" and any("breast" in name for name in shape.missing) for shape in shapes)


def wave_lengths(shape):
    return 2 * np.pi / np.linalg.norm(shape.waves[:, 3:6], axis=1)


def test_held_out_shapes_lie_where_no_usual_shape_lies():
    rng = np.random.default_rng(9)
    usual, held = ([draw_shape(rng, held_out=held_out) for _ in range(60)] for held_out in (False, True))
    low, high = HELD_OUT_WAVES_MM
    assert not any(((wave_lengths(shape) > low) & (wave_lengths(shape) < high)).any() for shape in usual)
    assert all(((wave_lengths(shape) >= low) & (wave_lengths(shape) <= high)).all() for shape in held)
    assert HELD_OUT_DRAW[0] > USUAL_DRAW
    for field in ("parts", "ribs", "proportions"):
        assert max(np.abs(getattr(shape, field)).max() for shape in usual) <= USUAL_DRAW
        assert min(np.abs(getattr(shape, field)).min() for shape in held) >= HELD_OUT_DRAW[0] - 1e-9
    assert HELD_OUT_APEX_MM[1] < USUAL_APEX_MM[0]
    assert all(shape.kyphosis[1] >= USUAL_APEX_MM[0] for shape in usual)
    assert all(shape.kyphosis[1] <= HELD_OUT_APEX_MM[1] for shape in held)


@pytest.mark.slow
@pytest.mark.parametrize("held_out", [False, True])
def test_ribs_stay_at_the_spine_and_bones_vary_one_by_one(held_out):
    from scipy.spatial import cKDTree

    bones, rng = load_skeleton(), np.random.default_rng(3)
    spine = bones.of(*CERVICAL, *THORACIC, *LUMBAR)

    def gaps(points):
        tree = cKDTree(points[spine])
        return np.array([tree.query(points[bones.of(rib)][::3])[0].min() for rib in RIBS])

    atlas, widths = gaps(bones.points), []
    for _ in range(4):
        built = reference_person(draw_shape(rng, held_out=held_out))
        assert (gaps(built.bones) < atlas * 1.3 + 6).all()
        widths.append([np.ptp(built.bones[bones.of(name)], axis=0)[0] for name in ("sternum", "L3", "skull")])
    relative = np.array(widths) / np.array(widths)[:, :1]
    assert (relative[:, 1:].std(axis=0) > 0.01).all(), "bones vary on their own, not as one"


def test_a_mirrored_patient_is_the_patient_in_a_mirror():
    bones = load_skeleton()
    shape = replace(NEUTRAL, scoliosis=(4.0, -3.0, 2.0), kyphosis=(20.0, 370.0))
    posture = Posture((20.0, 5.0), (3.0, -1.0), 6.0, 1.0, 10.0)
    flip = np.array([-1, 1, 1], np.float32)
    other = np.array([SEGMENTS.index(_swapped(name)) for name in SEGMENTS], np.uint8)
    mirrored = deform(
        bones.points * flip,
        other[bones.segment],
        replace(shape, scoliosis=(-4.0, 3.0, -2.0)),
        Posture((5.0, 20.0), (-1.0, 3.0), -6.0, -1.0, -10.0),
    )
    assert np.allclose(mirrored, deform(bones.points, bones.segment, shape, posture) * flip, atol=0.02)


def _swapped(name):
    return name.replace("right", "?").replace("left", "right").replace("?", "left")


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
    shifted = deform(points + np.array([1.0, 0, 0]), segment, shape, STRAIGHT)
    step = np.linalg.norm(shifted - moved, axis=1)
    assert step.min() > 0.6
    assert step.max() < 1.5
