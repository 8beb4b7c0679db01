"""Undo, redo and what a person gives to segments, with Slicer's own editor logic and its history."""

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.panel import assert_all_agree, pixels_of, table_of

pytest_plugins = ["slicerhost.fixtures"]


def erase_five(panel, lesion=1):
    """Erase five pixels of a lesion as the Segment Editor does; returns where."""
    places = np.argwhere(pixels_of(panel.live, lesion))[:5]
    pixels = np.zeros(panel.live.reading.mask.shape, bool)
    pixels[tuple(places.T)] = True
    panel.ui.segmentEditor.modify(panel.live.segment_of(lesion), pixels, "Remove")
    return pixels


def solid_lesion(panel):
    """The first lesion that `erase_five` does not cut in two."""
    for lesion in panel.live.reading.lesions:
        left = pixels_of(panel.live, lesion.id).copy()
        left[tuple(np.argwhere(left)[:5].T)] = False
        if ndimage.label(left)[1] == 1:
            return lesion.id
    raise AssertionError("five pixels less cut every lesion in two")


def test_undo_and_redo_reach_table_outlines_and_files(host, a_read_panel, tmp_path):
    panel = a_read_panel
    before, rows = panel.live.reading.mask.copy(), table_of(panel, 0, 1)
    erased = erase_five(panel)
    host.process_events()
    assert not panel.live.reading.mask[erased].any()
    panel.ui.segmentEditor.undo()
    host.process_events()
    np.testing.assert_array_equal(panel.live.reading.mask, before)
    assert table_of(panel, 0, 1) == rows
    assert_all_agree(panel)
    panel.ui.segmentEditor.redo()
    host.process_events()
    assert not panel.live.reading.mask[erased].any()
    assert_all_agree(panel)

    panel.ui.segmentEditor.undo()
    # Before the application has a moment for what changed: what is saved is what the segments hold.
    saved = panel.live.save(tmp_path)
    written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(saved / "mask.nrrd")))
    assert int(written.sum()) == int(before.sum())


def test_an_edit_that_was_undone_is_no_edit_any_more(host, a_read_panel):
    panel, editor, live = a_read_panel, a_read_panel.ui.segmentEditor, a_read_panel.live
    first, second = 1, len(live.reading.lesions)
    for lesion in (first, second):
        erase_five(panel, lesion)
        host.process_events()
    both = live.edits
    editor.undo()
    host.process_events()
    assert live.edited_lesions() == {first}
    editor.undo()
    host.process_events()
    assert not live.edited
    assert not live.touched()
    assert {row[0] for row in table_of(panel, 9)} == {"model"}
    assert "Edited" not in panel.ui.summaryLabel.text
    editor.redo()
    editor.redo()
    host.process_events()
    assert live.edits is both
    editor.undo()
    editor.undo()
    host.process_events()
    # The sliders change it as if it never had been edited.
    panel.ui.thresholdSlider.value = 0.6
    panel.ui.thresholdSlider.value = 0.5
    changed = live.reading.mask.copy()
    live.reset()
    np.testing.assert_array_equal(live.reading.mask, changed)
    assert_all_agree(panel)


def test_a_slider_move_keeps_the_segments_and_ends_the_editors_history(host, a_read_panel):
    panel, editor = a_read_panel, a_read_panel.ui.segmentEditor
    ids = [panel.live.segment_of(lesion.id) for lesion in panel.live.reading.lesions]
    erase_five(panel, solid_lesion(panel))
    host.process_events()
    assert editor.logic.CanUndo()
    panel.ui.thresholdSlider.value = 0.55
    assert len(set(ids) & {panel.live.segment_of(lesion.id) for lesion in panel.live.reading.lesions}) >= 2
    assert not editor.logic.CanUndo()
    edited = panel.live.edits
    editor.undo()
    host.process_events()
    assert panel.live.edits is edited
    panel.ui.thresholdSlider.value = 0.5
    assert [panel.live.segment_of(lesion.id) for lesion in panel.live.reading.lesions] == ids
    assert panel.live.edits is edited
    assert_all_agree(panel)


def test_another_reading_in_the_same_segmentation_ends_the_editors_history(host, a_read_panel, until):
    panel, editor, node = a_read_panel, a_read_panel.ui.segmentEditor, a_read_panel.live.node
    panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(2)
    # Taken back: nothing of a person is left that a reading of its own would be kept for.
    editor.undo()
    host.process_events()
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live.node is node
    ids = [panel.live.segment_of(lesion.id) for lesion in panel.live.reading.lesions]
    assert not editor.logic.CanUndo()
    assert not editor.logic.CanRedo()
    editor.undo()
    host.process_events()
    assert [panel.live.segment_of(lesion.id) for lesion in panel.live.reading.lesions] == ids
    assert not panel.live.edited


def test_half_a_restored_state_is_not_taken_for_an_edit(host, a_read_panel):
    panel = a_read_panel
    erase_five(panel, 1)
    host.process_events()
    erase_five(panel, 2)
    host.process_events()
    panel.ui.segmentEditor.undo()
    panel.ui.segmentEditor.undo()
    host.process_events()
    assert_all_agree(panel)
    panel.ui.thresholdSlider.value = 0.6
    panel.ui.thresholdSlider.value = 0.5
    assert_all_agree(panel)


def test_sliders_do_not_change_what_a_person_gives_a_segment(host, a_read_panel, tmp_path):
    panel = a_read_panel
    # One that the last move of the slider leaves standing.
    named = max(panel.live.reading.lesions, key=lambda lesion: lesion.max_probability).id
    segment = panel.live.segment_of(named)
    entry = panel.live.node.GetSegmentation().GetSegment(segment)
    entry.SetName("Sternum")
    entry.SetColor(0.25, 0.5, 0.75)
    words = entry.GetTerminology().replace("Morphologically Altered Structure", "Metastasis")
    entry.SetTerminology(words)
    panel.live.node.GetDisplayNode().SetSegmentVisibility(segment, False)
    host.process_events()
    assert table_of(panel, 0)[named - 1] == ("Sternum",)
    reading = panel.live.reading
    row, column = np.unravel_index(np.where(pixels_of(panel.live, named), reading.probability, 0).argmax(), (1024, 256))
    seen = (panel.live.result.scan.frame.ijk_to_ras @ [column, row, 0, 1])[:3]

    def given():
        lesion = panel.live.lesion_at(seen)
        number = panel.live.segment_of(lesion.id)
        found = panel.live.node.GetSegmentation().GetSegment(number)
        shown = panel.live.node.GetDisplayNode().GetSegmentVisibility(number)
        return number, found.GetName(), found.GetColor(), found.GetTerminology(), bool(shown)

    expected = (segment, "Sternum", (0.25, 0.5, 0.75), words, False)
    assert given() == expected
    panel.ui.thresholdSlider.value = 0.6
    panel.ui.thresholdSlider.value = 0.5
    assert given() == expected
    # Also when it was gone meanwhile.
    panel.ui.minimumAreaSlider.value = 5.0
    panel.ui.minimumAreaSlider.value = 0.6
    assert given() == expected
    host.save_scene(tmp_path / "named.mrb")
    host.load_scene(tmp_path / "named.mrb")
    assert given() == expected
    panel.ui.thresholdSlider.value = 0.55
    assert given()[1:] == expected[1:]


def test_hiding_a_segment_hides_its_outline(host, a_read_panel):
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    live = a_read_panel.live
    live.node.GetDisplayNode().SetSegmentVisibility(live.segment_of(1), False)
    host.process_events()
    shown = [bool(curve.GetDisplayNode().GetVisibility()) for curve in outlines_of(live.node)]
    assert shown[0] is False
    assert all(shown[1:])


def test_an_empty_segment_that_a_person_added_waits_for_its_lesion(host, a_read_panel):
    segmentation = a_read_panel.live.node.GetSegmentation()
    added = segmentation.AddEmptySegment("mine", "Mine")
    host.process_events()
    a_read_panel.ui.thresholdSlider.value = 0.6
    assert segmentation.GetSegment(added).GetName() == "Mine"
    assert_all_agree(a_read_panel)
    pixels = np.zeros(a_read_panel.live.reading.mask.shape, bool)
    pixels[5:9, 5:9] = True
    a_read_panel.ui.segmentEditor.modify(added, pixels, "Add")
    host.process_events()
    assert "Mine" in [row[0] for row in table_of(a_read_panel, 0)]
    assert_all_agree(a_read_panel)


def test_views_draw_once_after_a_move_of_a_slider(host, a_read_panel, monkeypatch):
    paused, table = [], a_read_panel.table
    for owner, method in ((a_read_panel.live, "set_threshold"), (table, "show")):
        real = getattr(owner, method)

        def watched(*values, real=real):
            paused.append(host.slicer.app.paused)
            return real(*values)

        monkeypatch.setattr(owner, method, watched)
    a_read_panel.ui.thresholdSlider.value = 0.6
    assert paused == [1, 1]
    assert host.slicer.app.paused == 0


def test_the_surfaces_come_back_when_the_sliders_rest(host, a_read_panel, until):
    segmentation = a_read_panel.live.node.GetSegmentation()
    a_read_panel.ui.thresholdSlider.value = 0.6
    until(lambda: segmentation.ContainsRepresentation("Closed surface"), 5.0)
    assert not a_read_panel.live.edited


@pytest.mark.parametrize(("count", "seconds"), [(7, 0.05), (40, 0.25)])
def test_a_tick_of_the_slider_is_quick(host, count, seconds):
    """The quickest of some ticks, in seconds of the processor: others may use the machine, too."""
    import time

    from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
    from SpectBoneMetSegLib.lesions.results import ThoraxCrop
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.mrml.nodes import add_segmentation
    from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes

    logic = host.module.SpectBoneMetSegLogic
    volumes = logic.loadScan(Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm")
    scan = scan_of_volumes(volumes["anterior"], volumes["posterior"])
    found = np.zeros(scan.frame.shape, np.float32)
    for number in range(count):
        row, column = 40 + 45 * (number // 5), 30 + 40 * (number % 5)
        found[row : row + 12, column : column + 12] = 0.6 + 0.3 * (number % 2)
    limits = Limits(minimum_area_mm2=100.0)
    result = ModelResult(scan, ThoraxCrop((0, 1024), (0, 256), 1.0), dict.fromkeys(scan.views, found), limits)
    node = add_segmentation("test", volumes["anterior"], host.slicer.mrmlScene)
    live = LiveReading.start(result, node, volumes, host.slicer.mrmlScene)
    assert len(live.reading.lesions) == count
    spent = []
    for threshold in (0.52, 0.75, 0.55, 0.5) * 2:
        start = time.process_time()
        live.set_threshold(threshold, 100.0)
        spent.append(time.process_time() - start)
    assert min(spent) < seconds
    assert len(live.reading.lesions) == count
