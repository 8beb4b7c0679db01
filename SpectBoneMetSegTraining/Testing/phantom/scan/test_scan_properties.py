"""Properties of every simulated scan: counts are conserved, and a mirrored patient has a mirrored scan."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.camera.optics import make_depth_slabs, project, splat
from SpectBoneMetSegTrainingLib.phantom.camera.random_acquisition import draw_camera, ideal_camera
from SpectBoneMetSegTrainingLib.phantom.scan.lesion_projection import acquired_window, project_focus


@pytest.fixture(scope="module")
def acquired(person):
    camera = ideal_camera(draw_camera(person, np.random.default_rng(2), (256, 64), 9.04))
    return camera, make_depth_slabs(person, camera)


def test_a_focus_in_its_window_counts_what_it_counts_in_the_whole_scan(person, acquired):
    camera, depths = acquired
    index = np.flatnonzero(person.atlas_bones[:, 2] > 450)[:400]
    levels = np.ones(len(index), np.float32)
    volume = splat(person.bones[index], levels * person.bone_volume[index], camera, depths.centres, camera.shape)
    for view in camera.views:
        box, small = acquired_window(project_focus(person, index, levels, camera, depths), view, 1.0, camera)
        whole = project(volume, depths, camera, view)
        assert small.sum() == pytest.approx(whole.sum(), rel=0.01)
        assert np.allclose(whole[box], small, atol=0.002 * whole.max())


def test_no_count_is_lost_on_the_way_to_the_image(person, acquired):
    camera, depths = acquired
    index = np.flatnonzero(person.bone == person.bone[0])
    weights = person.bone_volume[index]
    volume = splat(person.bones[index], weights, camera, depths.centres, camera.shape)
    assert volume.sum() == pytest.approx(weights.sum(), rel=1e-4)
    clear = replace(depths, transmission={view: np.ones_like(seen) for view, seen in depths.transmission.items()})
    assert project(volume, clear, camera, "anterior").sum() == pytest.approx(weights.sum(), rel=0.01)


def test_the_mirrored_patient_gives_the_mirrored_scan(person, acquired):
    camera, _ = acquired
    camera = replace(camera, centre=0.0)
    flip = np.array([-1, 1, 1], np.float32)
    other = replace(person, bones=person.bones * flip, tissues=person.tissues * flip)
    images = []
    for posed in (person, other):
        depths = make_depth_slabs(posed, camera)
        volume = splat(posed.bones, posed.bone_volume, camera, depths.centres, camera.shape)
        images.append({view: project(volume, depths, camera, view) for view in camera.views})
    for view in camera.views:
        assert np.allclose(images[0][view], images[1][view][:, ::-1], atol=1e-3 * images[0][view].max())
