"""Patient motion and metal on the skin: pure functions of an expected image, including labels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES
from SpectBoneMetSegTrainingLib.phantom.camera.acquisition import Camera, Metal, PatientMovement
from SpectBoneMetSegTrainingLib.phantom.camera.image_chain import apply_acquisition_effects
from SpectBoneMetSegTrainingLib.phantom.camera.metal import _KINDS, attenuate_by_metal, draw_metal
from SpectBoneMetSegTrainingLib.phantom.camera.motion import DETECTOR_MM, apply_motion, draw_motion
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import draw_camera
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import load_skeleton
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import label_lesion

CAMERA = Camera((200, 60), 10.0, 1e6, 1000.0, 0.0, (20.0, 20.0), 0.4, 1.0, 3.0, 1.0)
#: Rows under the detector at one moment.
REACH = round(DETECTOR_MM / CAMERA.spacing)


def spot(row, column, shape=CAMERA.shape):
    image = np.zeros(shape, np.float32)
    image[row - 2 : row + 3, column - 2 : column + 3] = np.random.default_rng(0).uniform(50, 100, (5, 5))
    return image


@given(
    st.floats(-60, 200),
    st.integers(-6, 6),
    st.integers(-6, 6),
    st.none() | st.floats(0, 120),
    st.integers(10, 189),
    st.integers(10, 49),
)
@settings(max_examples=60)
def test_motion_inside_the_field_loses_and_adds_little_and_a_plain_shift_nothing(row, rows, columns, stay, at, across):
    movement = PatientMovement(row, rows, columns, None if stay is None else row + stay)
    image = spot(at, across)
    moved = apply_motion(image, replace(CAMERA, motion=(movement,)), "anterior")
    assert moved.min() >= 0
    # The acquisition time of rows under the detector changes when the patient moves along it.
    assert abs(moved.sum() / image.sum() - 1) <= (abs(rows) + 5) / REACH
    if rows == 0:
        assert moved.sum() == pytest.approx(image.sum(), rel=1e-5)


@pytest.mark.parametrize("view", VIEW_NAMES)
@pytest.mark.parametrize("by", [(3, -2), (0, 4), (-2, 0)])
def test_a_lesions_label_below_a_jerk_moves_by_the_stated_pixels_and_above_not_at_all(by, view):
    camera = replace(CAMERA, motion=(PatientMovement(60.0, *by),))
    for row, expected in ((50, (0, 0)), (60 + REACH + 20, by)):
        own = spot(row, 30)
        before = label_lesion(own, own + 10).mask
        after = label_lesion(apply_motion(own, camera, view), own + 10).mask
        assert np.array_equal(np.roll(before, expected, (0, 1)), after)


def test_rows_under_the_detector_are_doubled_by_the_share_of_their_time():
    camera = replace(CAMERA, motion=(PatientMovement(60.0, 0, 20),))
    image = np.zeros(CAMERA.shape, np.float32)
    image[:, 10] = 100
    moved = apply_motion(image, camera, "anterior")
    assert moved[60 + REACH // 2, 10] == pytest.approx(50, abs=2)
    assert moved[60 + REACH // 2, 30] == pytest.approx(50, abs=2)
    assert (np.diff(moved[:, 10]) <= 1e-4).all()
    assert np.allclose(moved.sum(1), 100)


def test_a_patient_who_moves_back_lies_as_before():
    camera = replace(CAMERA, motion=(PatientMovement(20.0, 2, -3, return_row=60.0),))
    image = np.random.default_rng(1).random(CAMERA.shape).astype(np.float32)
    moved = apply_motion(image, camera, "anterior")
    low = 60 + REACH + 1
    assert np.allclose(moved[low:], image[low:], atol=1e-6)
    assert not np.allclose(moved[40:80], image[40:80], atol=0.05)


def test_motion_of_one_pass_leaves_the_other_view_alone():
    camera = replace(CAMERA, motion=(PatientMovement(20.0, 2, 2, view="posterior"),))
    image = np.random.default_rng(1).random(CAMERA.shape).astype(np.float32)
    assert apply_motion(image, camera, "anterior") is image
    assert not np.array_equal(apply_motion(image, camera, "posterior"), image)


@given(st.integers(0, 500))
@settings(max_examples=30)
def test_motion_and_metal_are_linear_so_that_labels_follow_the_image(seed):
    rng = np.random.default_rng(seed)
    one, two = rng.random((2, *CAMERA.shape)).astype(np.float32)
    camera = replace(
        CAMERA,
        motion=(PatientMovement(float(rng.uniform(0, 150)), *map(int, rng.integers(-5, 6, 2)), return_row=160.0),),
        metal=(Metal("coin", (50.0, 0.0), (40.0, 30.0), 20.0, 0.5),),
        posterior_shift=(1, -2),
        width=500.0,
        swept=(5, 190),
    )
    for view in VIEW_NAMES:
        parts = apply_acquisition_effects(one, camera, view) + apply_acquisition_effects(two, camera, view)
        assert np.allclose(apply_acquisition_effects(one + two, camera, view), parts, atol=1e-4)


def test_drawn_jerks_are_small_whole_pixels_and_a_dual_head_sees_them_at_once():
    rng = np.random.default_rng(1)
    for heads in (1, 2):
        drawn = [draw_motion(rng, (60.0, 850.0), 2.26, VIEW_NAMES, heads) for _ in range(1500)]
        assert 0.05 < np.mean([bool(movements) for movements in drawn]) < 0.11
        movements = [movement for found in drawn for movement in found]
        assert {movement.view for movement in movements} == ({None} if heads == 2 else set(VIEW_NAMES))
        for movement in movements:
            assert 0 < np.hypot(movement.rows, movement.columns) * 2.26 < 25
            assert movement.row < 850
            assert movement.return_row is None or movement.return_row > movement.row


def test_metal_shadows_the_anterior_view_only_and_only_where_it_lies():
    fine = replace(CAMERA, shape=(400, 300), spacing=2.0, top=400.0)
    piece = Metal("coin", (50.0, 100.0), (20.0, 20.0), 0.0, 0.4)
    image = np.full(fine.shape, 100.0, np.float32)
    camera = replace(fine, metal=(piece,))
    assert attenuate_by_metal(image, camera, "posterior") is image
    dark = attenuate_by_metal(image, camera, "anterior")
    # R = +50 is left of the image's centre, S = 100 is 150 rows below the upper edge.
    row, column = (400 - 100) // 2, 150 - 25
    assert dark[row - 3 : row + 3, column - 3 : column + 3].max() < 42
    far = np.hypot(*(np.indices(fine.shape) - np.array([row, column])[:, None, None])) > 20
    assert np.allclose(dark[far], 100, rtol=1e-3)
    lost = (100 - dark).sum() / 100
    assert lost == pytest.approx(0.6 * np.pi * 10**2, rel=0.03)
    assert (image == 100).all()


def test_a_long_piece_lies_along_its_angle():
    fine = replace(CAMERA, shape=(400, 300), spacing=2.0, top=400.0)
    camera = replace(fine, metal=(Metal("bar", (0.0, 0.0), (60.0, 6.0), 45.0, 0.2),))
    dark = attenuate_by_metal(np.ones(fine.shape, np.float32), camera, "anterior")
    # 45 degrees from R towards S: patient's right (left in the image) and up.
    assert dark[200 - 15, 150 - 15] < 0.6
    assert dark[200 - 15, 150 + 15] > 0.99


@pytest.mark.parametrize("centre", [(0.0, 1000.0), (0.0, -1000.0), (300.0, 0.0), (5000.0, 5000.0)])
def test_metal_at_or_beyond_the_edge_of_the_field_does_no_harm(centre):
    camera = replace(CAMERA, metal=(Metal("coin", centre, (20.0, 20.0), 0.0, 0.4),))
    dark = attenuate_by_metal(np.ones(CAMERA.shape, np.float32), camera, "anterior")
    assert dark.shape == CAMERA.shape
    assert ((dark > 0.3) & (dark <= 1)).all()


def test_drawn_metal_lies_where_it_is_worn_and_lets_some_photons_through(person):
    rng = np.random.default_rng(3)
    drawn = [metal for metal in (draw_metal(person, rng) for _ in range(3000)) if metal]
    assert 0.04 * 3000 < len(drawn) < 0.08 * 3000
    pieces = [piece for metal in drawn for piece in metal]
    assert {piece.kind for piece in pieces} >= {"pacemaker", "port", "belt buckle", "coin", "medallion", "electrode"}
    skeleton = load_skeleton()

    def height(bone):
        return person.bones[skeleton.of(bone), 2]

    for piece in pieces:
        assert 0.2 <= piece.transmission <= 0.8
        assert abs(piece.centre[0]) < 260
        if piece.kind in ("pacemaker", "port"):
            assert height("right rib 7").min() < piece.centre[1] < height("C7").max()
        if piece.kind == "belt buckle":
            assert abs(piece.centre[1] - height("L5").mean()) < 100
    assert abs(sum(share for share, _ in _KINDS.values()) - 1) < 1e-9


def test_metal_follows_the_patient_who_moves(person):
    camera = replace(
        ideal_camera_of(person),
        metal=(Metal("coin", (0.0, -200.0), (30.0, 30.0), 0.0, 0.2),),
        motion=(PatientMovement(-DETECTOR_MM, 0, 6),),
    )
    image = np.full(camera.shape, 100.0, np.float32)
    still = apply_acquisition_effects(image, replace(camera, motion=()), "anterior")
    moved = apply_acquisition_effects(image, camera, "anterior")
    assert np.allclose(moved[:, 6:], still[:, :-6], rtol=1e-4)


def ideal_camera_of(person):
    from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import ideal_camera

    return ideal_camera(draw_camera(person, np.random.default_rng(0), (256, 64), 9.04))
