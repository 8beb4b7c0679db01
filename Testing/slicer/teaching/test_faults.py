"""The training panel when its scene, its labels or its model change in between."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.data.studies import write_scan

pytest_plugins = ["slicerhost.fixtures"]


def parameter_node(host):
    """The MRML node behind the panel's choices."""
    return host.slicer.mrmlScene.GetSingletonNode("SpectBoneMetSegTraining", "vtkMRMLScriptedModuleNode")


def test_a_panel_whose_setup_failed_can_be_closed_and_made_again(host, training_panel, monkeypatch):
    frame = host.qt.QWidget()
    host.qt.QVBoxLayout(frame)
    with monkeypatch.context() as patch:
        patch.setattr(host.training, "LogView", lambda *fields: 1 / 0)
        widget = host.training.SpectBoneMetSegTrainingWidget(frame)
        with pytest.raises(ZeroDivisionError):
            widget.setup()
        widget.cleanup()
    assert training_panel().ui.gatherButton.text == "Gather"


def test_a_method_by_its_earlier_name_is_shown_as_what_it_is(host, training_panel):
    panel = training_panel()
    parameter_node(host).SetParameter("approach", "faithful")
    panel.enter()
    assert panel.ui.methodSelector.currentData == "semi"
    assert panel.choices.node.approach == "semi"


def test_a_choice_of_another_version_is_named_before_a_training(host, training_panel, tmp_path):
    from SpectBoneMetSegLib.common.errors import UserError

    panel = training_panel()
    for choice in ({"pace": "extreme"}, {"approach": "extreme"}):
        with pytest.raises(UserError, match="no choice 'extreme'"):
            panel.logic.spec(tmp_path, "ours", **choice)


def test_an_outline_that_left_the_scene_is_named_and_leaves_the_table(host, a_read_panel, training_panel, until):
    panel = training_panel()
    host.slicer.mrmlScene.RemoveNode(a_read_panel.live.node)
    assert panel.ui.sceneTable.rowCount == 1
    panel.ui.sceneTable.item(0, 0).setCheckState(host.qt.Qt.Checked)
    [(text, _details)] = host.dialogs
    assert text == "It was removed from the scene."
    until(lambda: panel.ui.sceneTable.rowCount == 0)


def test_outlines_of_an_unknown_scan_are_left_out_with_the_reason(host, training_panel, tmp_path, until):
    from SpectBoneMetSegTrainingModule.labels.collector import Sources
    from SpectBoneMetSegTrainingModule.labels.scene_labels import SceneLabel
    from SpectBoneMetSegTrainingModule.task_runner import Listener

    panel, answers = training_panel(), []
    write_scan(tmp_path / "scans" / "scan.dcm", 1)
    label = SceneLabel("vtkMRMLSegmentationNode1", "outlines", None, "anna", True, "")
    listener = Listener(answers.append, answers.append)
    sources = Sources(str(tmp_path / "set"), [label], unlabelled=[str(tmp_path / "scans")])
    panel.logic.collect(sources, listener)
    until(lambda: answers, 300)
    assert ["outlines", "Choose the scan that it was drawn on."] in answers[0]["left_out"]


def test_adding_a_scan_does_not_cancel_what_is_being_gathered(a_read_panel, training_panel, tmp_path):
    from slicerhost.fixtures import SAMPLE

    panel = training_panel()
    scan = {"case": "a", "files": [str(SAMPLE)], "unsure_cm2": 1.0, "novelty": 0.5, "reason": ""}
    panel.next.show([scan])
    panel.ui.nextTable.selectRow(0)
    write_scan(tmp_path / "scans" / "scan.dcm", 1)
    panel.ui.datasetPath.currentPath = str(tmp_path / "set")
    panel.gather.unlabelled.add(str(tmp_path / "scans"))
    panel.ui.gatherButton.click()
    assert panel.logic.collector.busy
    panel.ui.addButton.click()
    assert panel.logic.collector.busy
    assert "are being gathered" in panel.ui.statusLabel.text


def test_the_model_that_was_shown_is_exported_though_a_training_starts_meanwhile(
    host, training_panel, tiny_model, tmp_path, monkeypatch
):
    panel = training_panel()
    panel.result.show(tiny_model)

    def choose(*values):
        # A queued training starts while the dialog is open.
        panel.result.show(None)
        return str(tmp_path / "tiny.spectmodel.zip")

    monkeypatch.setattr(host.qt, "QFileDialog", SimpleNamespace(getSaveFileName=choose))
    panel.ui.exportButton.click()
    assert host.dialogs == []
    assert (tmp_path / "tiny.spectmodel.zip").is_file()
