"""The extension's own slice views: sides are right whatever is done to them, and Slicer's views stay as they are."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.host import VIEWS

pytest_plugins = ["slicerhost.fixtures"]

STANDARD = ("Red", "Yellow", "Green")


def marks(host, view):
    from SpectBoneMetSegLib.mrml.side_marks import marks_of

    return marks_of(host.slice_logics[view].GetSliceNode(), host.slicer.mrmlScene)


def texts(host, view):
    """Left letter, right letter and line of a view; None where they are hidden."""
    found = marks(host, view)
    if found is None or not found.GetDisplayNode().GetVisibility():
        return None
    return tuple(found.GetNthControlPointLabel(index) for index in range(3))


def pixels(host, view):
    """(x, y from above) of the letters in pixels of the view."""
    import vtk

    node, inverse = host.slice_logics[view].GetSliceNode(), vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(node.GetXYToRAS(), inverse)
    height = node.GetDimensions()[1]
    places = [inverse.MultiplyPoint((*marks(host, view).GetNthControlPointPositionWorld(i), 1.0)) for i in range(3)]
    return [(place[0], height - place[1]) for place in places]


def place(host, view):
    node = host.slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    return [node.GetSliceToRAS().GetElement(row, column) for row in range(4) for column in range(4)]


def another_volume(host):
    """A CT, as a reader of Slicer adds it."""
    volume = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    host.slicer.util.updateVolumeFromArray(volume, np.zeros((4, 64, 64), np.int16))
    return volume


def test_letters_are_at_the_edges_without_the_panel_ever_opened(host, load_sample):
    load_sample()
    host.process_events()
    for view, expected in (
        ("SpectAnterior", ("R", "L", "Anterior, from the front")),
        ("SpectPosterior", ("L", "R", "Posterior, from behind")),
    ):
        width, height = host.slice_logics[view].GetSliceNode().GetDimensions()[:2]
        assert (width, height) == (600, 700)
        assert texts(host, view) == expected
        assert pixels(host, view) == pytest.approx(np.array([(12, 24), (width - 30, 24), (44, 24)]), abs=0.01)


def test_letters_follow_in_an_application_that_loads_the_modules_after_its_start(host, load_sample):
    # As when the extension's folder is dragged into the window: the application's start was told before.
    host.slicer.modules.SpectBoneMetSegSides.removeObservers()
    del host.slicer.modules.SpectBoneMetSegSides
    load_sample()
    host.process_events()
    assert texts(host, "SpectAnterior") == ("R", "L", "Anterior, from the front")
    assert pixels(host, "SpectAnterior")[1] == pytest.approx((570, 24), abs=0.01)
    host.slice_logics["SpectPosterior"].GetSliceNode().SetOrientation("Sagittal")
    assert texts(host, "SpectPosterior")[2] == "Posterior"


def test_letters_lie_twice_as_far_inside_on_a_screen_that_draws_twice_as_large(host, load_sample):
    load_sample()
    host.process_events()
    try:
        host.layout.set_ratio(2.0)
        width = host.slice_logics["SpectAnterior"].GetSliceNode().GetDimensions()[0]
        assert width == 1200
        expected = np.array([(24, 48), (width - 60, 48), (88, 48)])
        assert pixels(host, "SpectAnterior") == pytest.approx(expected, abs=0.01)
    finally:
        host.layout.set_ratio(1.0)


def test_another_orientation_is_not_labelled_as_from_behind(host, load_sample):
    load_sample()
    host.process_events()
    host.slice_logics["SpectPosterior"].GetSliceNode().SetOrientation("Sagittal")
    left, right, words = texts(host, "SpectPosterior")
    assert {left, right} == {"A", "P"}
    assert words == "Posterior"


def test_another_volume_in_our_view_has_neither_our_labels_nor_hidden_sides(host, load_sample):
    load_sample()
    host.process_events()
    volume = another_volume(host)
    for view in ("SpectAnterior", "SpectPosterior"):
        host.slice_logics[view].GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    assert texts(host, "SpectAnterior") is None
    # Nobody expects a CT to be seen from behind.
    assert texts(host, "SpectPosterior") == ("L", "R", "from behind")


def test_slicers_own_view_turned_from_behind_has_letters_for_what_is_shown_there_now(host, load_sample):
    volumes = load_sample().volumes
    logic = host.slice_logics["Yellow"]
    composite, node = logic.GetSliceCompositeNode(), logic.GetSliceNode()
    composite.SetBackgroundVolumeID(volumes["posterior"].GetID())
    node.SetOrientation("Coronal")
    assert texts(host, "Yellow") == ("R", "L", "Posterior, from the front")
    turned = node.GetSliceToRAS()
    for row in range(3):
        turned.SetElement(row, 0, -turned.GetElement(row, 0))
        turned.SetElement(row, 2, -turned.GetElement(row, 2))
    node.UpdateMatrices()
    assert texts(host, "Yellow") == ("L", "R", "Posterior, from behind")
    composite.SetBackgroundVolumeID(another_volume(host).GetID())
    assert texts(host, "Yellow") == ("L", "R", "from behind")
    node.SetOrientation("Sagittal")
    assert texts(host, "Yellow") is None


def test_slicers_own_views_stay_as_they_are_and_the_next_volume_goes_to_them(host, load_sample):
    before = {view: place(host, view) for view in STANDARD}
    volumes = load_sample().volumes
    host.process_events()
    assert {view: place(host, view) for view in STANDARD} == before
    volume = another_volume(host)
    selection = host.application_logic.GetSelectionNode()
    selection.SetActiveVolumeID(volume.GetID())
    host.application_logic.PropagateVolumeSelection()
    shown = {view: logic.GetSliceCompositeNode().GetBackgroundVolumeID() for view, logic in host.slice_logics.items()}
    assert {shown[view] for view in STANDARD} == {volume.GetID()}
    assert shown["SpectAnterior"] == volumes["anterior"].GetID()
    assert shown["SpectPosterior"] == volumes["posterior"].GetID()


def test_linked_views_do_not_show_one_picture_from_one_side(host, load_sample):
    load_sample()
    groups = {host.slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}").GetViewGroup() for view in VIEWS}
    assert len(groups) == len(VIEWS)
    assert 0 not in groups


def test_the_layout_before_comes_back_when_the_module_or_the_scene_is_closed(host, a_loaded_panel):
    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    assert layout.GetViewArrangement() == 9568
    a_loaded_panel.exit()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView
    layout.SetViewArrangement(layout.SlicerLayoutOneUp3DView)
    a_loaded_panel.enter()
    assert layout.GetViewArrangement() == 9568
    a_loaded_panel.exit()
    assert layout.GetViewArrangement() == layout.SlicerLayoutOneUp3DView
    layout.SetViewArrangement(layout.SlicerLayoutFourUpView)
    a_loaded_panel.enter()
    host.clear()
    assert layout.GetViewArrangement() == layout.SlicerLayoutFourUpView


def test_a_saved_scene_opens_with_views_in_a_slicer_without_the_extension(host, a_loaded_panel, tmp_path):
    import zipfile

    def arrangements(path):
        host.save_scene(path)
        with zipfile.ZipFile(path) as bundle:
            [name] = [name for name in bundle.namelist() if name.endswith(".mrml")]
            text = bundle.read(name).decode()
        return [part.split('"')[1] for part in text.split("currentViewArrangement=")[1:]]

    layout = host.slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    assert layout.GetViewArrangement() == 9568
    # Our layout is not known elsewhere: the Slicer that opens the scene keeps its own.
    assert arrangements(tmp_path / "ours.mrb") == []
    layout.SetViewArrangement(layout.SlicerLayoutSideBySideView)
    assert arrangements(tmp_path / "standard.mrb") == [str(layout.SlicerLayoutSideBySideView)]
    # With the module open the scan is shown again.
    a_loaded_panel.enter()
    host.load_scene(tmp_path / "ours.mrb")
    assert layout.GetViewArrangement() == 9568


def test_our_views_have_a_white_background(host, load_sample):
    load_sample()
    color = host.layout.sliceWidget("SpectAnterior").sliceView().backgroundColor
    assert color.getRgb()[:3] == (255, 255, 255)
    assert host.layout.sliceWidget("Red").sliceView().backgroundColor.getRgb()[:3] == (0, 0, 0)


def ground(host, view):
    return host.layout.sliceWidget(view).sliceView().backgroundColor.getRgb()[:3]


def test_our_view_has_the_ground_of_what_is_shown_there_now(host, load_sample):
    own, volume = load_sample().volumes["anterior"], another_volume(host)
    volume.CreateDefaultDisplayNodes()
    composite = host.slice_logics["SpectAnterior"].GetSliceCompositeNode()
    # As when it is dragged into the view: nothing of the panel is asked.
    composite.SetBackgroundVolumeID(volume.GetID())
    assert volume.GetDisplayNode().GetColorNode().GetName() == "Grey"
    assert ground(host, "SpectAnterior") == (0, 0, 0)
    assert ground(host, "SpectPosterior") == (255, 255, 255)
    volume.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeInvertedGrey")
    assert ground(host, "SpectAnterior") == (255, 255, 255)
    volume.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    assert ground(host, "SpectAnterior") == (0, 0, 0)
    composite.SetBackgroundVolumeID(own.GetID())
    assert ground(host, "SpectAnterior") == (255, 255, 255)
    own.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    assert ground(host, "SpectAnterior") == (0, 0, 0)
    composite.SetBackgroundVolumeID(None)
    assert ground(host, "SpectAnterior") == (255, 255, 255)
    # Slicer's own views have their own ground.
    host.slice_logics["Red"].GetSliceCompositeNode().SetBackgroundVolumeID(own.GetID())
    assert ground(host, "Red") == (0, 0, 0)


def test_a_picture_in_colours_in_our_view_has_a_black_ground(host, load_sample):
    load_sample()
    picture = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photograph")
    host.slicer.util.updateVolumeFromArray(picture, np.zeros((1, 8, 8, 3), np.uint8))
    picture.CreateDefaultDisplayNodes()
    host.slice_logics["SpectAnterior"].GetSliceCompositeNode().SetBackgroundVolumeID(picture.GetID())
    assert ground(host, "SpectAnterior") == (0, 0, 0)
