"""The panel reads the thorax or the whole body, as the user chooses, and says which."""

from __future__ import annotations

import sys
from pathlib import Path

from SpectBoneMetSegLib.lesions.review import Review

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
pytest_plugins = ["slicerhost.fixtures"]


def read(panel, until):
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live is not None, panel.ui.statusLabel.text


def test_the_whole_body_is_read_shown_and_saved_when_it_is_chosen(host, a_loaded_panel, until, tmp_path):
    panel, ui = a_loaded_panel, a_loaded_panel.ui
    assert panel.choices.region() == "thorax", "as in the paper, unless somebody chooses"
    read(panel, until)
    assert panel.live.result.crop.method != "whole-body"
    assert "Only the region in the box was read" in ui.summaryLabel.text
    ui.regionSelector.setCurrentIndex(ui.regionSelector.findData("whole-body"))
    read(panel, until)
    live = panel.live
    assert live.result.crop.method == "whole-body"
    assert live.reading.receipt["region"] == "whole-body"
    assert "Only the region" not in ui.summaryLabel.text
    assert "The whole body was read." in ui.summaryLabel.text
    assert panel._parameterNode.box is None, "there is nothing outside that a box could tell of"
    live.save(str(tmp_path / "all"))
    assert list((tmp_path / "all").glob("*/receipt.json"))
    # Back to the thorax, whose box comes again.
    ui.regionSelector.setCurrentIndex(ui.regionSelector.findData("thorax"))
    read(panel, until)
    assert panel._parameterNode.box is not None


def test_a_manual_box_is_read_whatever_was_chosen_before(host, a_loaded_panel, until):
    panel, ui = a_loaded_panel, a_loaded_panel.ui
    ui.regionSelector.setCurrentIndex(ui.regionSelector.findData("whole-body"))
    ui.useBoxCheckBox.setChecked(True)
    read(panel, until)
    assert panel.live.result.crop.method == "manual"


def test_the_list_of_regions_is_disabled_while_the_box_is_read(a_loaded_panel):
    ui = a_loaded_panel.ui
    assert ui.regionSelector.enabled
    ui.useBoxCheckBox.setChecked(True)
    assert ui.useBoxCheckBox.checked
    assert a_loaded_panel._parameterNode.useBox
    assert not ui.regionSelector.enabled
    ui.useBoxCheckBox.setChecked(False)
    assert not a_loaded_panel._parameterNode.useBox
    assert ui.regionSelector.enabled


def test_the_box_is_that_of_the_reading_shown(host, a_loaded_panel, until):
    panel, ui = a_loaded_panel, a_loaded_panel.ui
    read(panel, until)
    thorax = panel.live.node
    panel.live.set_review(1, Review("accepted"))
    ui.regionSelector.setCurrentIndex(ui.regionSelector.findData("whole-body"))
    read(panel, until)
    whole = panel.live.node
    assert whole is not thorax, "what a person decided stays as a reading of its own"
    for node, words in ((thorax, "Only the region in the box was read."), (whole, "The whole body was read.")):
        ui.segmentationSelector.setCurrentNode(node)
        host.process_events()
        assert panel.live.node is node
        assert words in ui.summaryLabel.text
        assert (panel._parameterNode.box is not None) == (node is thorax)


def test_the_choice_is_kept_in_the_scene(host, a_loaded_panel):
    panel, ui = a_loaded_panel, a_loaded_panel.ui
    ui.regionSelector.setCurrentIndex(ui.regionSelector.findData("whole-body"))
    assert panel._parameterNode.region == "whole-body"
    ui.regionSelector.blockSignals(True)
    ui.regionSelector.setCurrentIndex(0)
    ui.regionSelector.blockSignals(False)
    panel.choices.show(panel._parameterNode)
    assert panel.choices.region() == "whole-body"
