"""Lesions edited manually in the test host: measurements follow, sliders do not change them, names stay with them."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.panel import assert_all_agree, erase, paint, pixels_of, table_of

pytest_plugins = ["slicerhost.fixtures"]


def test_measurements_follow_an_edit(a_read_panel):
    live = a_read_panel.live
    before = live.reading.lesions[0]
    shown = table_of(a_read_panel, 1, 7, 6, 5, 9)[0]
    hottest = np.argwhere(pixels_of(live, 1) & (live.reading.probability == before.max_probability))[0]
    paint(live, 1, (slice(hottest[0] - 1, hottest[0] + 2), slice(hottest[1] - 1, hottest[1] + 2)), 0)
    after = table_of(a_read_panel, 1, 7, 6, 5, 9)[0]
    assert float(after[0]) < float(shown[0])
    assert float(after[3]) < float(shown[3])
    assert (shown[4], after[4]) == ("model", "edited")
    assert_all_agree(a_read_panel)


def test_moving_the_threshold_leaves_what_was_edited_as_it_is(host, a_read_panel, tmp_path):
    panel, live = a_read_panel, a_read_panel.live
    whole = pixels_of(live, 1)
    rows, columns = np.nonzero(whole)
    box = (slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(np.median(columns))))
    left = np.zeros(whole.shape, bool)
    # What was no lesion is not erased: a lower threshold may well find some there.
    left[box] = whole[box]
    assert left.any()
    paint(live, 1, box, 0)
    gone = pixels_of(live, 2)
    erase(live, 2)
    edited = live.edits.mask
    assert edited.any()
    assert not edited[left].any()
    untouched = [row for row in table_of(panel, 1, 9) if row[1] == "model"]
    assert untouched
    for threshold in (0.7, 0.3, 0.5):
        panel.ui.thresholdSlider.value = threshold
        np.testing.assert_array_equal(live.edits.mask, edited)
        assert (live.reading.mask[edited] == 1).all()
        assert not live.reading.mask[left].any()
        assert not live.reading.mask[gone].any()
        assert_all_agree(panel)
    assert [row for row in table_of(panel, 1, 9) if row[1] == "model"] == untouched
    panel.ui.thresholdSlider.value = 0.6
    shown = table_of(panel, 0, 1, 8, 7, 9)
    assert shown != untouched

    host.save_scene(tmp_path / "edited.mrb")
    host.load_scene(tmp_path / "edited.mrb")
    assert table_of(panel, 0, 1, 8, 7, 9) == shown
    panel.ui.thresholdSlider.value = 0.5
    np.testing.assert_array_equal(panel.live.edits.mask, edited)
    assert (panel.live.reading.mask[edited] == 1).all()
    panel.ui.resetButton.click()
    assert panel.live.edits is None
    assert panel.live.reading.mask[whole].all()
    assert panel.live.reading.mask[gone].all()
    assert {row[0] for row in table_of(panel, 9)} == {"model"}


def test_a_decision_on_a_lesion_is_restored_with_it(a_read_panel):
    panel = a_read_panel
    panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
    panel.ui.lesionTable.cellWidget(0, 3).setCurrentIndex(2)
    before = [(review.decision, review.classification) for review in panel.live.reviews().values()]
    panel.ui.minimumAreaSlider.value = 5.0
    panel.ui.thresholdSlider.value = 0.95
    panel.ui.thresholdSlider.value = 0.5
    panel.ui.minimumAreaSlider.value = 0.6
    assert [(review.decision, review.classification) for review in panel.live.reviews().values()] == before
    assert before[0] == ("accepted", "equivocal")


def test_a_slider_moved_by_a_scene_that_is_read_keeps_the_edits(host, a_read_panel):
    erase(a_read_panel.live, 1)
    rows = table_of(a_read_panel, 0, 1)
    host.slicer.mrmlScene.StartState(host.slicer.mrmlScene.ImportState)
    a_read_panel.ui.thresholdSlider.value = 0.8
    host.slicer.mrmlScene.EndState(host.slicer.mrmlScene.ImportState)
    assert table_of(a_read_panel, 0, 1) == rows
    assert a_read_panel.ui.thresholdSlider.value == 0.5


def test_a_rejected_lesion_is_drawn_faintly_until_it_is_accepted(a_read_panel):
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    def opacities():
        return [curve.GetDisplayNode().GetOpacity() for curve in outlines_of(a_read_panel.live.node)]

    choice = a_read_panel.ui.lesionTable.cellWidget(1, 2)
    choice.setCurrentIndex(2)
    assert opacities()[0] == 1.0
    assert opacities()[1] < 0.5
    choice.setCurrentIndex(1)
    assert set(opacities()) == {1.0}


@pytest.mark.parametrize(
    "state",
    [
        "no json",
        pytest.param("[1]", marks=pytest.mark.slow),
        pytest.param('{"threshold": "high"}', marks=pytest.mark.slow),
        '{"edits": "odd!"}',
    ],
)
def test_a_scene_with_an_unknown_state_keeps_its_segments(host, a_read_panel, tmp_path, state):
    live = a_read_panel.live
    gone = pixels_of(live, 1)
    erase(live, 1)
    mask = live.reading.mask.copy()
    live.node.SetAttribute("SpectBoneMetSeg.state", state)
    live.node.GetSegmentation().GetSegment(live.segment_of(1)).SetTag("SpectBoneMetSeg.decision", "perhaps")
    host.save_scene(tmp_path / "odd.mrb")
    host.load_scene(tmp_path / "odd.mrb")
    np.testing.assert_array_equal(a_read_panel.live.reading.mask, mask)
    assert a_read_panel.live.review(1).decision == "open"
    a_read_panel.ui.thresholdSlider.value = 0.6
    assert not a_read_panel.live.reading.mask[gone].any()
    assert a_read_panel.live.reading.mask.any()
