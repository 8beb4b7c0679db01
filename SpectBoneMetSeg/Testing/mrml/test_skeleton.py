"""The skeleton in a scene: an overlay for each view, and regions that a saved scene gives back."""

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.model_result import ModelResult
from SpectBoneMetSegLib.lesions.serialisation import regions_from, regions_text
from SpectBoneMetSegLib.mrml.live_reading import LiveReading
from SpectBoneMetSegLib.mrml.skeleton import SKELETON
from SpectBoneMetSegLib.mrml.stored_result import add_scan, image_pixels
from SpectBoneMetSegLib.scan.thorax import whole_field

slicer = pytest.importorskip("slicer")


@pytest.fixture
def a_result(reading_factory):
    reading = reading_factory()
    front = np.zeros(reading.mask.shape, np.uint8)
    front[18:27, 8:20], front[27:34, 26:36] = 60, 7
    own = {"anterior": front, "posterior": front[:, ::-1].copy()}
    maps = {name: reading.probability * (np.arange(48) < 40) for name in own}
    return ModelResult(reading.scan, whole_field(front.shape), maps, regions=own)


@pytest.fixture
def a_live(a_result, a_scene):
    volumes = add_scan(a_result.scan, a_scene)
    node = a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "reading")
    node.CreateDefaultDisplayNodes()
    return LiveReading.start(a_result, node, volumes, a_scene)


def overlays(scene):
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    nodes = (scene.GetNthNodeByClass(index, "vtkMRMLSegmentationNode") for index in range(count))
    return {node.GetAttribute(SKELETON): node for node in nodes if node.GetAttribute(SKELETON)}


def test_each_view_has_an_overlay_of_named_regions_that_is_hidden_at_first(a_live, a_scene):
    found = overlays(a_scene)
    assert set(found) == {"anterior", "posterior"}
    for node in found.values():
        segmentation = node.GetSegmentation()
        names = [segmentation.GetNthSegment(index).GetName() for index in range(segmentation.GetNumberOfSegments())]
        assert names == ["left ribs", "right femur"]
        assert not node.GetDisplayNode().GetVisibility()


def test_both_overlays_lie_in_the_anterior_frame(a_live, a_scene, a_result):
    labels = [
        image_pixels(node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap"))
        for node in overlays(a_scene).values()
    ]
    assert (labels[0] == labels[1]).all()
    assert set(np.unique(labels[0])) == {0, 7, 60}


def test_a_scene_gives_the_regions_and_so_the_bones_back(a_live, a_scene, a_result):
    again = LiveReading.find(a_live.node, a_scene)
    for name, numbers in a_result.regions.items():
        assert (again.result.regions[name] == numbers).all()
        assert again.result.regions[name].dtype == np.uint8
    assert again.bones_of(1)[0].region.title == a_live.bones_of(1)[0].region.title == "right femur"


def test_a_new_result_takes_the_place_of_the_overlay_and_a_removed_one_takes_it_away(a_live, a_scene, a_result):
    LiveReading.start(a_result, a_live.node, add_scan(a_result.scan, a_scene), a_scene)
    assert len(overlays(a_scene)) == 2
    a_live.remove_parts()
    assert overlays(a_scene) == {}


@pytest.mark.parametrize("text", ["", "{", '{"anterior": {"shape": [2, 2], "data": "AAAA"}}', "[1]"])
def test_regions_of_a_damaged_scene_are_none(text):
    assert regions_from(text) == {}


def test_regions_survive_their_text(a_result):
    again = regions_from(regions_text(a_result.regions))
    assert all((again[name] == numbers).all() for name, numbers in a_result.regions.items())
