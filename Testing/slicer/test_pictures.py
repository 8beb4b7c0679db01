"""Pictures of the panel and of the slice views, drawn off screen and checked by their pixel values."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.fixtures import SAMPLE
from slicerhost.host import VIEWS

pytest_plugins = ["slicerhost.fixtures"]

SIZE = (480, 900)
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture
def a_lesion(host):
    """The sample study with one made-up lesion in the patient's left half of the chest."""
    from SpectBoneMetSegLib.lesions.model_result import ModelResult
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.mrml.nodes import add_segmentation
    from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes
    from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

    volumes = host.module.SpectBoneMetSegLogic.loadScan(SAMPLE)
    scan = scan_of_volumes(volumes["anterior"], volumes["posterior"])
    probability = np.zeros(scan.frame.shape, np.float32)
    probability[300:330, 160:180] = 0.9
    result = ModelResult(scan, ThoraxCrop((0, 1024), (0, 256), 1.0), {name: probability for name in scan.views})
    node = add_segmentation("made up", volumes["anterior"], host.slicer.mrmlScene)
    return LiveReading.start(result, node, volumes, host.slicer.mrmlScene)


def colored(picture):
    """(row, column) of pixels that are no grey."""
    spread = picture.max(axis=2).astype(int) - picture.min(axis=2)
    return np.argwhere(spread > 60)


def letters(host, view):
    from SpectBoneMetSegLib.mrml.side_marks import marks_of

    scene = host.slicer.mrmlScene
    node = scene.GetNodeByID(f"vtkMRMLSliceNode{view}")
    return marks_of(node, scene) if node is not None else None


def hide_letters(host):
    for view in ("SpectAnterior", "SpectPosterior", "SpectSum"):
        if letters(host, view) is not None:
            letters(host, view).RemoveAllControlPoints()


def hide_lesions(lesion):
    lesion.node.GetDisplayNode().SetVisibility(False)
    lesion.scene.GetFirstNodeByClass("vtkMRMLMarkupsClosedCurveNode").GetDisplayNode().SetVisibility(False)


def expected_pixel(host, view, position):
    """Where a position in the patient lies in the picture of a slice view."""
    import vtk

    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(host.slice_logics[view].GetSliceNode().GetXYToRAS(), inverse)
    x, y, _, _ = inverse.MultiplyPoint((*position, 1.0))
    return SIZE[1] - 1 - y, x


@pytest.mark.parametrize(("view", "side"), [("SpectAnterior", "right"), ("SpectPosterior", "left")])
def test_the_outline_lies_on_the_lesion_in_both_views(host, a_lesion, view, side):
    hide_letters(host)
    picture = host.render(view, SIZE)
    found = colored(picture)
    assert len(found) > 20
    row, column = (found.min(axis=0) + found.max(axis=0)) / 2
    expected = expected_pixel(host, view, a_lesion.reading.lesions[0].centroid)
    assert (row, column) == pytest.approx(expected, abs=2.5)
    # The patient's left is on the viewer's right from the front, on the viewer's left from behind.
    assert (column > SIZE[0] / 2) == (side == "right")


@pytest.mark.parametrize("alone", ["segments", "curves"])
def test_segments_and_curves_each_draw_the_outline(host, a_lesion, alone):
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    hide_letters(host)
    hidden = [a_lesion.node] if alone == "curves" else outlines_of(a_lesion.node)
    for node in hidden:
        node.GetDisplayNode().SetVisibility(False)
    assert len(colored(host.render("SpectAnterior", SIZE))) > 20


def test_bone_is_dark_and_air_is_white(host, a_lesion):
    picture = host.render("SpectAnterior", SIZE)
    field = picture[30:-30, 200:280]
    assert field.min() < 60
    assert np.median(field[:40]) > 240


@pytest.mark.parametrize("view", ["SpectAnterior", "SpectPosterior"])
def test_a_view_with_a_lesion_looks_as_it_did(host, a_lesion, view, tmp_path):
    from PIL import Image
    from SpectBoneMetSegModule.display.views import matchGround

    hide_letters(host)
    matchGround()
    picture = host.render(view, (240, 450))
    golden = GOLDEN / f"view_{view.lower().removeprefix('spect')}.png"
    if not golden.exists():
        Image.fromarray(picture).save(tmp_path / golden.name)
        pytest.fail(f"look at {tmp_path / golden.name} and copy it to {golden}")
    with Image.open(golden) as stored:
        difference = np.abs(np.asarray(stored.convert("RGB")).astype(int) - picture)
    # Another driver may round and smooth differently, at edges most of all.
    assert difference.mean() < 1.5
    assert (difference.max(axis=2) > 60).mean() < 0.005


def test_a_removed_lesion_leaves_the_views(host, a_lesion):
    a_lesion.node.GetSegmentation().RemoveSegment(a_lesion.segment_of(1))
    a_lesion.follow_edit()
    hide_letters(host)
    assert len(colored(host.render("SpectAnterior", SIZE))) == 0


def test_the_panel_shows_its_parts_and_the_research_notice(host, panel, a_lesion):
    panel._parameterNode.segmentation = a_lesion.node
    window = panel.parent
    window.resize(620, 1150)
    window.show()
    host.process_events()
    picture = window.grab().toImage()
    window.hide()
    assert (picture.width(), picture.height()) == (620, 1150)
    assert panel.ui.noticeLabel.text == "Research use only - not for diagnosis or treatment"
    assert panel.ui.lesionTable.rowCount == 1
    table = panel.ui.lesionTable
    corner = table.mapTo(window, table.rect.topLeft())
    colors = {
        picture.pixelColor(corner.x() + x, corner.y() + y).getRgb()[:3] for x in range(2, 40) for y in range(20, 60)
    }
    red, green, blue = (round(255 * part) for part in a_lesion.color_of(1))
    assert (red, green, blue) in colors


@pytest.fixture
def following(host):
    """The views of a panel."""
    from SpectBoneMetSegModule.display.views import Views

    views = Views(lambda position: None)
    yield views
    views.release()


def letter_places(host, view):
    """{letter: (row, column)} in the picture of a view, and the line below."""
    marks = letters(host, view)
    texts = [marks.GetNthControlPointLabel(index) for index in range(3)]
    places = [expected_pixel(host, view, marks.GetNthControlPointPositionWorld(index)) for index in range(3)]
    return dict(zip(texts[:2], places[:2], strict=True)), texts[2]


@pytest.mark.parametrize("view", ["SpectAnterior", "SpectPosterior"])
@pytest.mark.parametrize("zoom", [1.0, 0.25])
def test_letters_name_the_patients_sides_in_every_view_at_every_zoom(host, a_lesion, following, view, zoom):
    hide_lesions(a_lesion)
    node = host.slice_logics[view].GetSliceNode()
    field = node.GetFieldOfView()
    node.SetFieldOfView(field[0] * zoom, field[1] * zoom, field[2])
    node.JumpSliceByCentering(40.0, 0.0, 120.0)
    found = colored(host.render(view, SIZE))
    places, words = letter_places(host, view)
    assert set(places) == {"R", "L"}
    for row, column in places.values():
        assert 0 < row < SIZE[1]
        assert 0 < column < SIZE[0]
        assert len(found[np.hypot(found[:, 0] - row, found[:, 1] - column) < 14]) > 15
    # RAS: the first coordinate grows to the patient's right.
    marks = letters(host, view)
    right, left = (
        next(marks.GetNthControlPointPositionWorld(i)[0] for i in range(2) if marks.GetNthControlPointLabel(i) == side)
        for side in "RL"
    )
    assert right > left
    # From the front the patient's right is on the viewer's left, from behind on the viewer's right.
    assert (places["R"][1] < places["L"][1]) == (view == "SpectAnterior")
    assert words == {"SpectAnterior": "Anterior, from the front", "SpectPosterior": "Posterior, from behind"}[view]


def test_letters_and_labels_turn_with_a_view_however_it_is_turned(host, a_lesion, following):
    node = host.slice_logics["SpectPosterior"].GetSliceNode()
    following.fromBehind = False
    from SpectBoneMetSegLib.mrml.stored_result import counts_of

    following.show(counts_of(a_lesion.node))
    places, words = letter_places(host, "SpectPosterior")
    assert places["R"][1] < places["L"][1]
    assert words == "Posterior, from the front"
    # Manually, without the module's help.
    turned = node.GetSliceToRAS()
    for row in range(3):
        turned.SetElement(row, 0, -turned.GetElement(row, 0))
        turned.SetElement(row, 2, -turned.GetElement(row, 2))
    node.UpdateMatrices()
    places, words = letter_places(host, "SpectPosterior")
    assert places["R"][1] > places["L"][1]
    assert words == "Posterior, from behind"


def test_a_view_that_shows_another_volume_loses_its_labels_and_side_letters(host, a_lesion, following):
    composite = host.slicer.mrmlScene.GetNodeByID("vtkMRMLSliceCompositeNodeSpectAnterior")
    own = composite.GetBackgroundVolumeID()
    composite.SetBackgroundVolumeID(None)
    assert not letters(host, "SpectAnterior").GetDisplayNode().GetVisibility()
    composite.SetBackgroundVolumeID(own)
    assert letters(host, "SpectAnterior").GetDisplayNode().GetVisibility()


@pytest.mark.parametrize("name", ["anterior", "posterior"])
def test_a_scan_with_one_view_fills_one_view_and_no_other_bears_its_picture(host, a_lesion, name):
    from SpectBoneMetSegLib.mrml.slice_views import LAYOUTS, show_scan
    from SpectBoneMetSegLib.mrml.stored_result import counts_of

    scene = host.slicer.mrmlScene
    volume = counts_of(a_lesion.node)[name]
    show_scan({name: volume}, scene, aggregate_volume=a_lesion.node.GetNodeReference("aggregateCounts"))
    own = {"anterior": "SpectAnterior", "posterior": "SpectPosterior"}[name]
    shown = {view: scene.GetNodeByID(f"vtkMRMLSliceCompositeNode{view}").GetBackgroundVolumeID() for view in VIEWS}
    assert shown == {view: volume.GetID() if view == own else None for view in VIEWS}
    assert LAYOUTS[scene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement()] == (name,)
    assert {
        view: letters(host, view).GetDisplayNode().GetVisibility() for view in ("SpectAnterior", "SpectPosterior")
    } == {
        "SpectAnterior": int(own == "SpectAnterior"),
        "SpectPosterior": int(own == "SpectPosterior"),
    }


def test_the_selected_lesion_is_drawn_thicker(host, a_lesion):
    hide_letters(host)
    a_lesion.node.GetDisplayNode().SetVisibility(False)
    thin = len(colored(host.render("SpectAnterior", SIZE)))
    a_lesion.highlight(1)
    assert len(colored(host.render("SpectAnterior", SIZE))) > 1.3 * thin > 0
    a_lesion.highlight(None)
    assert len(colored(host.render("SpectAnterior", SIZE))) == thin


def test_the_box_is_an_outline_without_a_mark_in_its_middle(host, a_lesion):
    from SpectBoneMetSegLib.mrml.slice_views import show_box

    hide_letters(host)
    hide_lesions(a_lesion)
    crop = type(a_lesion.result.crop)((200, 456), (20, 236), 1.0)
    box = show_box(crop, a_lesion.result.scan.frame, a_lesion.scene)
    bounds = [0.0] * 6
    box.GetRASBounds(bounds)
    found = colored(host.render("SpectAnterior", SIZE))
    corners = [
        expected_pixel(host, "SpectAnterior", (bounds[side], 0.0, bounds[height]))
        for side in (0, 1)
        for height in (4, 5)
    ]
    assert (found.min(axis=0)) == pytest.approx(np.min(corners, axis=0), abs=3)
    assert (found.max(axis=0)) == pytest.approx(np.max(corners, axis=0), abs=3)
    middle = np.mean(corners, axis=0)
    assert not (np.hypot(*(found - middle).T) < 15).any()
