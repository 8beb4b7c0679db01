"""Projection: activity is conserved, and both detectors show the same patient."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES
from SpectBoneMetSegTrainingLib.phantom.camera.acquisition import Camera, PatientMovement
from SpectBoneMetSegTrainingLib.phantom.camera.detector import field_of_view
from SpectBoneMetSegTrainingLib.phantom.camera.image_chain import apply_acquisition_effects
from SpectBoneMetSegTrainingLib.phantom.camera.motion import apply_view_shift
from SpectBoneMetSegTrainingLib.phantom.camera.optics import (
    SLAB_MM,
    DepthSlabs,
    add_scatter,
    make_depth_slabs,
    project,
    splat,
    upsample,
)
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import describe_camera, draw_camera, ideal_camera
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import Person
from SpectBoneMetSegTrainingLib.phantom.person.soft_tissue import TISSUES

CAMERA = Camera(
    shape=(40, 32),
    spacing=10.0,
    counts=1e6,
    top=200.0,
    centre=0.0,
    gap=(20.0, 20.0),
    scatter=0.4,
    scatter_width=1.0,
    intrinsic=3.0,
    posterior_gain=1.0,
)
CENTRES = np.array([-15.0, 0.0, 15.0])


def points_inside(count, seed=0):
    """Return random points at least a pixel from the edge of the field: R within 145 mm, S within 185 mm."""
    rng = np.random.default_rng(seed)
    return rng.uniform((-145, -20, -185), (145, 20, 185), (count, 3)).astype(np.float32)


def unit_depths(shape=CAMERA.shape):
    ones = np.ones((len(CENTRES), *shape), np.float32)
    distance = np.full(len(CENTRES), 100.0)
    return DepthSlabs(CENTRES, dict.fromkeys(VIEW_NAMES, ones), dict.fromkeys(VIEW_NAMES, distance))


@given(st.integers(1, 200), st.integers(0, 1000))
@settings(max_examples=30)
def test_points_inside_the_field_keep_their_weight(count, seed):
    weights = np.random.default_rng(seed).uniform(0, 5, count)
    volume = splat(points_inside(count, seed), weights, CAMERA, CENTRES, CAMERA.shape)
    assert volume.shape == (3, 40, 32)
    assert volume.sum() == pytest.approx(weights.sum(), rel=1e-5)


def test_points_outside_the_field_are_lost():
    outside = np.array([(0, 0, 215), (0, 0, -215), (175, 0, 0), (-175, 0, 0), (900, 0, 900)], np.float32)
    assert not splat(outside, np.ones(5), CAMERA, CENTRES, CAMERA.shape).any()
    mixed = np.concatenate([outside, points_inside(10)])
    assert splat(mixed, np.ones(15), CAMERA, CENTRES, CAMERA.shape).sum() == pytest.approx(10, rel=1e-5)


def test_a_point_half_way_over_the_edge_keeps_half():
    edge = np.array([(0, 0, 200)], np.float32)
    assert splat(edge, np.ones(1), CAMERA, CENTRES, CAMERA.shape).sum() == pytest.approx(0.5)


def test_a_point_lands_at_its_row_column_and_slab():
    # Row 3 is centred 35 mm below the top; the patient's left (R < 0) lies on the right of the anterior frame.
    point = np.array([(-45.0, 14.0, 165.0)], np.float32)
    volume = splat(point, np.array([2.0]), CAMERA, CENTRES, CAMERA.shape)
    assert np.argwhere(volume).tolist() == [[2, 3, 20]]
    assert volume.sum() == pytest.approx(2)
    between = splat(point + np.float32([0, 0, -5]), np.array([2.0]), CAMERA, CENTRES, CAMERA.shape)
    assert between[2, 3, 20] == pytest.approx(1, abs=1e-4)
    assert between[2, 4, 20] == pytest.approx(1, abs=1e-4)


def test_the_centre_of_mass_does_not_depend_on_the_grid():
    points, weights = points_inside(50), np.ones(50)
    fine = splat(points, weights, CAMERA, CENTRES, CAMERA.shape).sum(0)
    coarse = splat(points, weights, CAMERA, CENTRES, (20, 16), 2).sum(0)
    for axis, size in ((0, 40), (1, 32)):
        fine_mean = fine.sum(1 - axis) @ ((np.arange(size) + 0.5) / size) / fine.sum()
        coarse_mean = coarse.sum(1 - axis) @ ((np.arange(size // 2) + 0.5) / (size // 2)) / coarse.sum()
        assert fine_mean == pytest.approx(coarse_mean, abs=1e-4)


@given(
    st.floats(-5, 5).map(np.float32),
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.integers(1, 5),
)
def test_refining_keeps_a_constant(value, shape, factor):
    fine = upsample(np.full((2, *shape), value, np.float32), factor, (shape[0] * factor, shape[1] * factor))
    assert fine.shape == (2, shape[0] * factor, shape[1] * factor)
    assert np.allclose(fine, value, atol=1e-5)


@given(hnp.arrays(np.float32, (5, 6), elements=st.floats(0, 100, width=32)))
def test_refining_stays_within_its_neighbours_and_averages_back_inside(image):
    fine = upsample(image, 4, (20, 24))
    assert fine.min() >= image.min() - 1e-3
    assert fine.max() <= image.max() + 1e-3
    ramp = np.add.outer(np.arange(5), 2 * np.arange(6)).astype(np.float32)
    back = upsample(ramp, 4, (20, 24)).reshape(5, 4, 6, 4).mean((1, 3))
    assert np.allclose(back[1:-1, 1:-1], ramp[1:-1, 1:-1], atol=1e-4)


def test_refining_may_be_cut_short():
    assert upsample(np.ones((3, 3), np.float32), 4, (10, 11)).shape == (10, 11)


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_blur_alone_keeps_the_sum(view):
    activity = np.zeros((3, 40, 32), np.float32)
    activity[:, 15:25, 10:20] = np.random.default_rng(0).random((3, 10, 10))
    image = project(activity, unit_depths(), CAMERA, view)
    assert image.sum() == pytest.approx(activity.sum(), rel=1e-3)


def test_what_lies_farther_from_the_detector_is_blurred_more():
    activity = np.zeros((3, 40, 32), np.float32)
    activity[1, 20, 16] = 1
    fine = replace(CAMERA, spacing=2.0)
    peaks = []
    for distance in (20.0, 100.0, 250.0):
        depths = replace(unit_depths(), distance=dict.fromkeys(VIEW_NAMES, np.full(3, distance)))
        peaks.append(project(activity, depths, fine, "anterior").max())
    assert peaks[0] > 1.3 * peaks[1] > 1.3 * 1.3 * peaks[2]


def test_an_empty_volume_projects_to_nothing():
    assert not project(np.zeros((3, 40, 32), np.float32), unit_depths(), CAMERA, "anterior").any()


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_projection_of_mirrored_activity_is_the_mirrored_projection(seed):
    rng = np.random.default_rng(seed)
    activity = rng.random((3, 40, 32)).astype(np.float32)
    passed = {view: rng.random((3, 40, 32)).astype(np.float32) for view in VIEW_NAMES}
    depths = replace(unit_depths(), transmission=passed)
    other = replace(depths, transmission={view: array[..., ::-1] for view, array in depths.transmission.items()})
    for view in VIEW_NAMES:
        one = project(activity, depths, CAMERA, view)
        two = project(activity[..., ::-1], other, CAMERA, view)
        assert np.allclose(one[:, ::-1], two, rtol=1e-4)


def block_person(*, turned=False):
    """Return an asymmetric block of soft tissue (180 mm deep) with a lung and a few bones, optionally turned around."""
    # No depth falls on the border of two slabs, where rounding would choose between them.
    right, front, high = np.meshgrid(
        np.arange(-100, 101, 10.0), np.linspace(-90, 90, 48), np.arange(-150, 151, 10.0), indexing="ij"
    )
    tissues = np.stack([right, front, high], -1).reshape(-1, 3)
    tissues = tissues[~((tissues[:, 0] > 40) & (tissues[:, 2] > 60))]
    lung = (tissues[:, 0] < -20) & (tissues[:, 1] > 10) & (np.abs(tissues[:, 2]) < 60)
    tissue = np.where(lung, TISSUES.index("lung"), TISSUES.index("soft tissue")).astype(np.uint8)
    bones = np.array([(30.0, 62.0, 20.0), (-50.0, -71.0, -80.0), (10.0, -52.0, 90.0)])
    if turned:
        tissues, bones = tissues * (-1, -1, 1), bones * (-1, -1, 1)
    bones, tissues = bones.astype(np.float32), tissues.astype(np.float32)
    return Person(
        bones,
        np.zeros(3, np.uint8),
        np.full(3, 2.0, np.float32),
        tissues,
        tissue,
        np.full(len(tissues), 0.4, np.float32),
        bones,
        tissues,
        np.zeros(3, bool),
    )


def project_view(person, view):
    depths = make_depth_slabs(person, CAMERA)
    activity = splat(person.bones, np.array([5.0, 3.0, 2.0]), CAMERA, depths.centres, CAMERA.shape)
    activity += splat(person.tissues, np.full(len(person.tissues), 0.01), CAMERA, depths.centres, CAMERA.shape)
    return project(activity, depths, CAMERA, view)


def test_the_view_from_behind_of_a_turned_person_is_the_view_from_the_front():
    straight, turned = block_person(), block_person(turned=True)
    front = project_view(straight, "anterior")
    behind = project_view(turned, "posterior")[:, ::-1]
    assert np.allclose(front, behind, rtol=2e-3, atol=1e-4 * front.max())
    # Control: both sides of the same person differ.
    assert not np.allclose(front, project_view(straight, "posterior"), rtol=0.1, atol=1e-2 * front.max())


def test_transmission_falls_with_depth_by_published_coefficients():
    person = block_person()
    depths = make_depth_slabs(person, CAMERA)
    assert len(depths.centres) == 180 / SLAB_MM
    front, behind = depths.transmission["anterior"], depths.transmission["posterior"]
    assert ((front > 0) & (front <= 1)).all()
    # In soft tissue, from the centre of the front slab (0.75 cm) to that of the back slab (17.25 cm).
    row, column = 28, 12
    ratio = front[-1, row, column] / front[0, row, column]
    assert np.log(ratio) / 16.5 == pytest.approx(0.15 * 0.4 * 48 / 18, rel=0.1)  # 48 points of 0.4 cm3 in 18 cm3
    assert np.allclose(front[:, row, column], behind[::-1, row, column], rtol=0.05)
    # Air transmits everything.
    assert front[:, 1, 1] == pytest.approx(1, abs=5e-3)
    assert depths.distance["anterior"][-1] == pytest.approx(CAMERA.gap[0] + SLAB_MM / 2)
    assert depths.distance["posterior"][0] == pytest.approx(CAMERA.gap[1] + SLAB_MM / 2)


def test_lung_lets_more_through_than_flesh():
    front = make_depth_slabs(block_person(), CAMERA).transmission["anterior"]
    # Columns of the lung (the patient's left, so on the right) against the other side, at the back.
    assert front[0, 20, 22] > 1.3 * front[0, 20, 12]


def test_scatter_adds_its_share_and_lies_farther_out_than_the_primary():
    primary = np.zeros((400, 300), np.float32)
    primary[195:205, 145:155] = 100
    camera = replace(CAMERA, shape=(400, 300), spacing=2.26)
    image = add_scatter(primary, camera)
    assert image.sum() == pytest.approx(1.4 * primary.sum(), rel=0.02)
    assert image[170, 150] > 0
    assert image[195:205, 145:155].sum() < 1.2 * primary.sum()
    assert (add_scatter(primary, replace(camera, scatter=0.0)) == primary).all()


def test_scatter_takes_any_matrix():
    assert add_scatter(np.ones((37, 18), np.float32), replace(CAMERA, shape=(37, 18))).shape == (37, 18)


@pytest.mark.parametrize("by", [(2, 3), (-2, 3), (0, -4), (1, 0)])
def test_a_late_posterior_view_is_moved_and_the_anterior_never(by):
    image = np.random.default_rng(0).random((20, 15)).astype(np.float32)
    camera = replace(CAMERA, posterior_shift=by)
    moved = apply_view_shift(image, camera, "posterior")
    assert apply_view_shift(image, camera, "anterior") is image
    rows, columns = np.indices(image.shape)
    rows, columns = rows - by[0], columns - by[1]
    inside = (rows >= 0) & (rows < 20) & (columns >= 0) & (columns < 15)
    assert np.array_equal(moved[inside], image[rows[inside], columns[inside]])
    assert not moved[~inside].any()


@pytest.fixture(scope="module")
def cameras(person):
    rng = np.random.default_rng(2)
    return [draw_camera(person, rng) for _ in range(300)]


@pytest.mark.slow
def test_cameras_are_drawn_as_often_as_stated(person):
    rng = np.random.default_rng(2)
    cameras = [draw_camera(person, rng) for _ in range(1500)]

    def share(condition):
        return np.mean([bool(condition(camera)) for camera in cameras])

    assert 0.15 < share(lambda camera: camera.posterior_shift != (0, 0)) < 0.4
    assert 0.25 < share(lambda camera: camera.heads == 1) < 0.35
    assert 0.04 < share(lambda camera: len(camera.views) == 1) < 0.085
    assert {camera.views for camera in cameras} == {("anterior",), ("posterior",), ("anterior", "posterior")}
    # No real patient has filtered counts: all kinds of processing together are at most one scan in twenty.
    assert 0.01 < share(lambda camera: camera.smoothing > 0) < 0.035
    assert 0.008 < share(lambda camera: camera.enhancement > 0) < 0.035
    assert 0.003 < share(lambda camera: camera.speed > 15) < 0.02
    assert 0.05 < share(lambda camera: camera.motion) < 0.11
    assert 0.04 < share(lambda camera: camera.metal) < 0.085
    assert 0.04 < share(lambda camera: camera.capture > 0) < 0.1
    assert 0.25 < share(lambda camera: camera.ceiling > 0) < 0.34
    assert not any(camera.ceiling and camera.capture for camera in cameras)
    assert 0.02 < share(lambda camera: abs(camera.centre) > 42) < 0.08
    assert 0.2 < share(lambda camera: camera.spacing == 2.8) < 0.35
    assert {1.8, 4.8} <= {camera.spacing for camera in cameras}
    assert all(1.8 <= camera.spacing <= 4.8 for camera in cameras)
    assert {camera.shape[1] for camera in cameras} == {256, 512}
    # A tall patient with a margin fits into every field but the smallest.
    assert all(camera.shape[0] * camera.spacing >= 1840 for camera in cameras)
    assert all(0 <= camera.unevenness <= 0.03 for camera in cameras)
    assert all(5 * 60 < camera.seconds < 30 * 60 for camera in cameras)
    rng = np.random.default_rng(3)
    assert {draw_camera(person, rng, (256, 64), 9.04).spacing for _ in range(5)} == {9.04}


def test_drawn_cameras_count_about_a_million_and_a_half(cameras):
    counts = np.array([camera.counts for camera in cameras])
    assert 0.7e6 <= counts.min() < 1.0e6
    assert 1.3e6 < np.median(counts) < 1.6e6
    assert counts.max() <= 4.0e6


def test_most_drawn_cameras_hold_the_head_and_the_feet_and_few_do_not(person, cameras):
    head, feet = person.tissues[:, 2].max(), person.tissues[:, 2].min()
    held = []
    for camera in cameras:
        rows, _ = field_of_view(camera, camera.shape)
        top, bottom = camera.top - rows.start * camera.spacing, camera.top - rows.stop * camera.spacing
        held.append((top > head, bottom < feet + 5))
        assert min(camera.gap) > 0
    head_held, feet_held = np.mean(held, 0)
    assert 0.97 < head_held < 1
    assert 0.9 < feet_held < 1


def test_the_same_seed_draws_the_same_camera(person):
    assert draw_camera(person, np.random.default_rng(6)) == draw_camera(person, np.random.default_rng(6))
    assert draw_camera(person, np.random.default_rng(6)) != draw_camera(person, np.random.default_rng(7))


def test_a_camera_is_described_for_the_record(person):
    camera = replace(draw_camera(person, np.random.default_rng(1)), motion=(PatientMovement(5.0, 1, 2),), capture=40.0)
    record = json.loads(json.dumps(describe_camera(camera)))
    assert (record["jerks"], record["capture_white_counts"]) == (1, 40.0)
    assert record["anterior_counts"] == round(camera.counts)


def test_a_faultless_camera_only_blurs_and_counts(person):
    rng = np.random.default_rng(3)
    image = rng.random((1024, 256)).astype(np.float32)
    for _ in range(50):
        camera = ideal_camera(draw_camera(person, rng, (1024, 256), 2.26))
        assert np.array_equal(apply_acquisition_effects(image, camera, "anterior"), image)
        assert np.array_equal(apply_acquisition_effects(image, camera, "posterior"), image)
        assert camera.views == VIEW_NAMES
        assert camera.smoothing == camera.enhancement == camera.capture == camera.unevenness == 0


def test_points_without_volume_change_nothing():
    person = block_person()
    ghosts = np.array([(0, 900, 0), (0, -900, 0), (500, 0, 0)], np.float32)
    more = replace(
        person,
        tissues=np.concatenate([person.tissues, ghosts]),
        tissue=np.concatenate([person.tissue, np.zeros(3, np.uint8)]),
        tissue_volume=np.concatenate([person.tissue_volume, np.zeros(3, np.float32)]),
    )
    one, two = make_depth_slabs(person, CAMERA), make_depth_slabs(more, CAMERA)
    assert np.array_equal(one.centres, two.centres)
    for view in VIEW_NAMES:
        assert np.array_equal(one.transmission[view], two.transmission[view])


def test_a_prosthesis_shadows_what_lies_behind_it():
    person = replace(block_person(), bone_volume=np.full(3, 20.0, np.float32))
    plain = make_depth_slabs(person, CAMERA).transmission["anterior"]
    metal = replace(person, prosthesis=np.array([True, False, False]))
    with_metal = make_depth_slabs(metal, CAMERA).transmission["anterior"]
    # The first bone lies at R = 30, S = 20, in front: row 18, column 13.
    assert with_metal[0, 17, 12] < 0.85 * plain[0, 17, 12]
    assert np.allclose(with_metal[:, :6], plain[:, :6], rtol=5e-3)


def test_the_image_chain_of_a_symmetric_patient_is_symmetric():
    person = block_person()
    mirrored = [array * np.array([-1, 1, 1], np.float32) for array in (person.bones, person.tissues)]
    both = Person(
        np.concatenate([person.bones, mirrored[0]]),
        np.zeros(6, np.uint8),
        np.full(6, 2.0, np.float32),
        np.concatenate([person.tissues, mirrored[1]]),
        np.tile(person.tissue, 2),
        np.tile(person.tissue_volume, 2) / 2,
        np.zeros((6, 3), np.float32),
        np.zeros((2 * len(person.tissues), 3), np.float32),
        np.zeros(6, bool),
    )
    depths = make_depth_slabs(both, CAMERA)
    activity = splat(both.bones, np.tile([5.0, 3.0, 2.0], 2), CAMERA, depths.centres, CAMERA.shape)
    for view in VIEW_NAMES:
        image = add_scatter(project(activity, depths, CAMERA, view), CAMERA)
        assert np.allclose(image, image[:, ::-1], rtol=1e-3, atol=1e-4 * image.max())
