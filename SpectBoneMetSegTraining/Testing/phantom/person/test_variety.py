"""One skeleton becomes many: single bones, ribs, a curved spine and postures, each of which moves what it names."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import BodyShape, Posture, deform, reference_person
from SpectBoneMetSegTrainingLib.phantom.person.bones import RIB_SLOPE, RIB_WIDTH, bone_growth, vary_bones
from SpectBoneMetSegTrainingLib.phantom.person.posture import BELLY_SHARE, HANDS_LOW, PELVIS_SHARE, draw_posture
from SpectBoneMetSegTrainingLib.phantom.person.rig import PARTS
from SpectBoneMetSegTrainingLib.phantom.person.shape import draw_shape
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import RIBS, load_skeleton

NEUTRAL = BodyShape(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, (0.0, 0.0, 0.0), np.zeros((0, 7)))
STRAIGHT = Posture((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0)


def with_part(name, *change):
    parts = np.zeros((len(PARTS), 3))
    parts[[part.name for part in PARTS].index(name)] = change
    return replace(NEUTRAL, parts=parts)


def posed(shape, posture=STRAIGHT):
    bones = load_skeleton()
    return deform(bones.points, bones.segment, shape, posture)


@pytest.mark.parametrize("name", ["skull", "L3", "sacrum", "left scapula", "right femur"])
def test_a_single_bone_grows_by_its_range_and_the_others_stay(name):
    bones, shape = load_skeleton(), with_part(name, 1.0, 1.0, 1.0)
    (part,) = [part for part in PARTS if part.name == name]
    own = bones.of(*part.bones)
    moved = vary_bones(bones.points, shape)
    wider = np.ptp(moved[own], axis=0) / np.ptp(bones.points[own], axis=0)
    assert wider == pytest.approx(1 + np.array(part.reach), abs=1e-3)
    assert np.array_equal(moved[~own], bones.points[~own])
    growth = bone_growth(shape)[bones.names.index(part.bones[0])]
    assert growth == pytest.approx(np.prod(1 + np.array(part.reach)))


def test_ribs_tilt_and_widen_about_the_spine_and_the_cartilage_follows_them():
    bones, ribs = load_skeleton(), np.zeros((len(RIBS), 2))
    ribs[:] = (1.0, 1.0)
    moved = vary_bones(bones.points, replace(NEUTRAL, ribs=ribs)) - bones.points
    rib = bones.of("left rib 6")
    along = bones.points[rib]
    front, back = along[:, 1] > along[:, 1].max() - 8, np.abs(along[:, 0]) < np.abs(along[:, 0]).min() + 8
    assert np.abs(moved[rib][back]).max() < 2
    depth = along[front, 1].mean() - along[back, 1].mean()
    assert moved[rib][front, 2].mean() == pytest.approx(RIB_SLOPE * depth, rel=0.05)
    assert np.ptp((bones.points + moved)[rib, 0]) == pytest.approx((1 + RIB_WIDTH) * np.ptp(along[:, 0]), rel=0.01)
    ends = bones.points[bones.of(*RIBS)][:, 1].max()
    cartilage = bones.of("costal cartilage")
    near = cartilage & (bones.points[:, 1] < ends) & (np.abs(bones.points[:, 0]) > 40)
    assert moved[near, 2].mean() > 0.5 * moved[rib][front, 2].mean()


def test_a_scoliosis_carries_vertebrae_and_ribs_to_the_side_and_leaves_pelvis_and_head():
    bones = load_skeleton()
    moved = posed(replace(NEUTRAL, scoliosis=(0.0, 12.0, 0.0))) - posed(NEUTRAL)
    level = np.abs(bones.points[:, 2] - 230) < 12
    for name in ("T11", "T12", "L1", "left rib 10", "right rib 10"):
        points = bones.of(name) & level
        assert not points.any() or 8 < moved[points, 0].mean() <= 12, name
    low = bones.of("right hip bone", "left hip bone", "sacrum") & (bones.points[:, 2] < -80)
    assert np.abs(moved[low, 0]).max() < 1
    assert np.abs(moved[bones.of("skull"), 0]).max() < 1


def test_a_kyphosis_bends_its_apex_back_and_the_head_forward():
    bones = load_skeleton()
    moved = posed(replace(NEUTRAL, kyphosis=(40.0, 370.0))) - posed(NEUTRAL)
    apex = bones.of("T5", "T6", "T7", "T8") & (np.abs(bones.points[:, 2] - 370) < 30)
    assert moved[apex, 1].mean() < -10
    assert moved[bones.of("skull"), 1].mean() > 25
    assert np.abs(moved[bones.of("sacrum"), 1]).max() < 2


@pytest.mark.parametrize("elbow", [50.0, 75.0])
def test_hands_lie_on_the_trunk_in_front_and_nothing_but_the_forearms_moves(elbow):
    bones = load_skeleton()
    straight, bent = posed(NEUTRAL), posed(NEUTRAL, replace(STRAIGHT, elbow=(elbow, elbow)))
    hands, humeri = bones.of("right hand", "left hand"), bones.of("right humerus", "left humerus")
    assert np.abs(bent[hands, 0]).mean() < 0.6 * np.abs(straight[hands, 0]).mean()
    assert bent[hands, 1].mean() > straight[hands, 1].mean() + 60
    forearms = bones.of("right ulna", "left ulna", "right radius", "left radius")
    assert np.array_equal(bent[~(hands | forearms | humeri)], straight[~(hands | forearms | humeri)])
    pelvis = straight[bones.of("right hip bone", "left hip bone"), 2]
    assert (bent[hands, 2].mean() < pelvis.max()) == (elbow < HANDS_LOW)


def test_a_few_in_a_hundred_have_their_hands_on_belly_or_pelvis():
    rng = np.random.default_rng(4)
    drawn = [draw_posture(rng).description for _ in range(3000)]
    for share, text in ((BELLY_SHARE, "hands on the belly"), (PELVIS_SHARE, "hands over the pelvis")):
        assert share / 2 < np.mean([text in description for description in drawn]) < 1.5 * share


@pytest.mark.slow
def test_no_two_skeletons_are_scaled_copies_of_each_other():
    bones = load_skeleton()
    points = [reference_person(draw_shape(np.random.default_rng(seed))).bones[::40].astype(float) for seed in range(6)]
    rest = []
    for number, one in enumerate(points):
        for other in points[:number]:
            # The best affine map of one skeleton to the other explains stature, width and depth.
            known = np.c_[one, np.ones(len(one))]
            rest.append(np.sqrt(((known @ np.linalg.lstsq(known, other, rcond=None)[0] - other) ** 2).sum(1).mean()))
    assert len(points[0]) == len(bones.points[::40])
    assert min(rest) > 4, "single bones and the spine differ by millimetres beyond stature and widths"
