"""Extraneous activity: injection site, extravasation, urine."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.camera import extraneous_activity
from SpectBoneMetSegTrainingLib.phantom.camera.extraneous_activity import Spot, draw_extraneous_activity, spot_activity
from SpectBoneMetSegTrainingLib.phantom.camera.optics import make_depth_slabs
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import draw_camera, ideal_camera
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import bone_points
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import make_person
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES


def centres(spots):
    return np.array([spot.centre for spot in spots])


def distance_to(person, bones, spots):
    """Return the smallest distance of every spot to some bones, mm."""
    points = np.concatenate([person.bones[bone_points(bone)] for bone in bones])
    return np.array([np.linalg.norm(points - centre, axis=1).min() for centre in centres(spots)])


def test_every_spot_has_a_size_and_an_amount(person):
    drawn = [draw_extraneous_activity(person, np.random.default_rng(seed)) for seed in range(60)]
    # Few persons have no extraneous activity at all.
    assert 1 < sum(not spots for spots in drawn) < 20
    for spots in drawn:
        for spot in spots:
            assert spot.amount > 0
            assert min(spot.widths) > 0
            assert np.isfinite(spot.centre).all()


def test_the_injection_lies_at_hand_wrist_or_elbow(person):
    arm = [f"{side} {bone}" for side in ("right", "left") for bone in ("hand", "radius", "ulna", "humerus")]
    amounts = []
    for seed in range(40):
        spots = extraneous_activity._injection(person, np.random.default_rng(seed))
        assert distance_to(person, arm, spots[:1])[0] < 50
        amounts.append(sum(spot.amount for spot in spots))
    assert np.percentile(amounts, 95) > 20 * np.percentile(amounts, 5)


@pytest.mark.parametrize("arms_up", [False, True])
def test_extravasation_leaves_more_and_may_streak_up_the_arm_to_the_armpit(
    monkeypatch, atlas_shape, atlas_posture, arms_up
):
    monkeypatch.setattr(extraneous_activity, "EXTRAVASATION", 1.0)
    posture = replace(atlas_posture, arm_abduction=(150.0, 150.0)) if arms_up else atlas_posture
    person = make_person(atlas_shape, posture, np.random.default_rng(0))
    drawn = [extraneous_activity._injection(person, np.random.default_rng(seed)) for seed in range(20)]
    assert np.median([sum(spot.amount for spot in spots) for spots in drawn]) > 600
    streaks = [spots for spots in drawn if len(spots) > 10]
    assert len(streaks) > 5
    arm = [f"{side} {bone}" for side in ("right", "left") for bone in ("hand", "radius", "ulna", "humerus")]
    for spots in streaks:
        assert distance_to(person, arm, spots).max() < 90
        site, rest = spots[0].amount, [spot.amount for spot in spots[3:]]
        assert max(rest) < site


def test_nobody_is_injected_into_an_arm_that_is_not_there(person):
    volume = person.bone_volume.copy()
    volume[bone_points("left hand")] = 0
    amputee = replace(person, bone_volume=volume)
    for seed in range(12):
        assert extraneous_activity._injection(amputee, np.random.default_rng(seed))[0].centre[0] > 0
    volume[bone_points("right hand")] = 0
    assert extraneous_activity._injection(replace(person, bone_volume=volume), np.random.default_rng(0)) == []


def test_urine_lies_on_the_skin_about_groin_and_thighs(person):
    spots = [spot for seed in range(30) for spot in extraneous_activity._urine(person, np.random.default_rng(seed))]
    assert len(spots) > 25
    positions = centres(spots)
    assert positions[:, 2].min() > -420
    assert positions[:, 2].max() < 60
    for spot in spots:
        near = person.tissues[np.abs(person.tissues - np.array(spot.centre))[:, [0, 2]].max(1) < 8]
        assert len(near) > 0
        inside = near[:, 1].min() + 3 < spot.centre[1] < near[:, 1].max() - 3
        assert not inside


def test_a_urine_bag_hangs_next_to_a_leg_with_a_tube_to_the_groin(person):
    for seed in range(6):
        spots = extraneous_activity._bag(person, np.random.default_rng(seed))
        bag = centres(spots[:3])
        flesh = person.tissues[np.abs(person.tissues[:, 2] - bag[1, 2]) < 10]
        legs = flesh[np.abs(flesh[:, 0]) < 150]
        assert np.abs(bag[:, 0]).min() > np.abs(legs[:, 0]).max() * 0.8
        tube = centres(spots[3:])
        assert np.linalg.norm(tube[0] - tube[-1]) > 80
        assert sum(spot.amount for spot in spots[:3]) > sum(spot.amount for spot in spots[3:])


def test_spots_become_activity_where_they_lie_and_keep_their_amount(person):
    camera = ideal_camera(draw_camera(person, np.random.default_rng(1), (256, 64), 9.04))
    depths = make_depth_slabs(person, camera)
    assert spot_activity([], camera, depths, np.random.default_rng(0)).sum() == 0
    spots = [Spot((60.0, -80.0, 100.0), 30.0, (5.0, 5.0, 5.0)), Spot((-60.0, -80.0, 200.0), 12.0, (4.0, 4.0, 4.0))]
    volume = spot_activity(spots, camera, depths, np.random.default_rng(0))
    assert volume.shape == (len(depths.centres), 256, 64)
    assert volume.sum() == pytest.approx(42, rel=1e-4)
    row = round((camera.top - 100.0) / camera.spacing - 0.5)
    column = round((camera.centre - 60.0) / camera.spacing + 32 - 0.5)
    assert volume[:, row - 4 : row + 5, column - 4 : column + 5].sum() == pytest.approx(30, rel=1e-3)


def test_the_same_seed_spills_the_same(person):
    assert draw_extraneous_activity(person, np.random.default_rng(8)) == draw_extraneous_activity(
        person, np.random.default_rng(8)
    )


def test_a_ureter_runs_from_its_kidney_to_the_bladder(person, monkeypatch):
    monkeypatch.setattr(extraneous_activity, "RENAL_PELVIS", 0.0)
    monkeypatch.setattr(extraneous_activity, "URETER", 1.0)
    kidneys = [person.tissues[person.tissue == TISSUES.index(f"{side} kidney")] for side in ("right", "left")]
    bladder = person.tissues[person.tissue == TISSUES.index("bladder")]
    for side, kidney in zip(("right", "left"), kidneys, strict=True):
        path = person.tissues[extraneous_activity._ureter_points(side)]
        assert np.linalg.norm(kidney - path[0], axis=1).min() < 15
        assert np.linalg.norm(bladder - path[-1], axis=1).min() < 15
        assert (path[:, 0] * (1 if side == "right" else -1) > 10).all()
    spots = extraneous_activity._urinary_tract(person, np.random.default_rng(0))
    assert len(spots) >= 6
    assert (np.diff(centres(spots)[:3, 2]) < 0).all(), "pieces follow the ureter downwards"


def test_a_missing_kidney_has_no_ureter(person, monkeypatch):
    monkeypatch.setattr(extraneous_activity, "RENAL_PELVIS", 1.0)
    monkeypatch.setattr(extraneous_activity, "URETER", 1.0)
    volume = person.tissue_volume.copy()
    volume[person.tissue == TISSUES.index("left kidney")] = 0
    alone = replace(person, tissue_volume=volume)
    for seed in range(5):
        assert (centres(extraneous_activity._urinary_tract(alone, np.random.default_rng(seed)))[:, 0] > 0).all()
