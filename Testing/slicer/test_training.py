"""The training module in the test host: the whole cycle with small data, and what may fail in it."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.data.studies import write_labelled, write_scan
from slicerhost.panel import erase

pytest_plugins = ["slicerhost.fixtures"]

#: The window may be held up for so long at most (seconds), while a training runs and while the scene's outlines are
#: stored. 0.03 and 0.2 were measured on an idle computer, 0.26 and 0.35 on one with ten times the work it can do.
LONGEST_BLOCK, LONGEST_STORING = 0.5, 1.0


def waited_for_processor():
    """Seconds that this thread was ready to run while others ran, as reported by Linux."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@pytest.fixture
def longest(host):
    """Lets the application run until a condition holds; returns the longest time that it blocked the window."""

    def wait(condition, seconds=900.0):
        end, worst = time.monotonic() + seconds, 0.0
        while not condition():
            assert time.monotonic() < end, "waited too long"
            before, waited = time.perf_counter(), waited_for_processor()
            host.process_events()
            worst = max(worst, time.perf_counter() - before - (waited_for_processor() - waited))
            time.sleep(0.005)
        print(f"held up for {worst:.3f} s at most")
        return worst

    return wait


@pytest.fixture
def a_set(tmp_path):
    """Folders: four labelled studies, one of them by two readers, and two unlabelled scans."""
    for seed in range(4):
        write_labelled(tmp_path / "labelled" / f"study{seed}", seed, ("anna", "bert") if seed == 1 else ("anna",))
    for seed in (10, 11):
        write_scan(tmp_path / "scans" / "deeper" / f"scan{seed}.dcm", seed)
    return tmp_path


def collect(panel, folder, until):
    """Collect the two folders of `a_set` and what is ticked in the scene."""
    panel.gather.labelled.add(str(folder / "labelled"))
    panel.gather.unlabelled.add(str(folder / "scans"))
    panel.ui.datasetPath.currentPath = str(folder / "set")
    panel.ui.gatherButton.click()
    worst = until(lambda: not panel.logic.collector.busy)
    assert "labelled: " in panel.ui.gatherLabel.text, panel.ui.statusLabel.text
    return worst


@pytest.mark.slow
def test_segment_correct_collect_train_use_and_segment_again(host, a_read_panel, training_panel, a_set, longest, until):
    reading, before = a_read_panel, a_read_panel.live.reading.mask.copy()
    erase(reading.live, 1)
    panel = training_panel()
    ui = panel.ui
    assert ui.sceneTable.rowCount == 1
    ui.sceneTable.item(0, 0).setCheckState(host.qt.Qt.Checked)
    assert collect(panel, a_set, longest) < LONGEST_STORING
    assert "labelled: 5 scans of 5 patients" in ui.gatherLabel.text
    assert "unlabelled: 2 scans of 2 patients" in ui.gatherLabel.text
    assert ui.readersTable.rowCount == 1

    ui.nameEdit.setText("mine")
    ui.stepsBox.setValue(30)
    ui.trainButton.click()
    assert longest(lambda: panel.train.state == "finished") < LONGEST_BLOCK
    assert "labelled scans of" in ui.findingsLabel.text
    assert ui.trainButton.text == "Train"
    table = host.slicer.mrmlScene.GetSingletonNode("SpectBoneMetSegTraining.loss", "vtkMRMLTableNode")
    assert table.GetNumberOfRows() == 30
    assert not ui.previewPicture.pixmap.isNull()

    assert ui.resultTable.rowCount == 4
    ui.useButton.click()
    assert "mine" in ui.resultLabel.text
    names = [reading.ui.modelSelector.itemText(index) for index in range(reading.ui.modelSelector.count)]
    assert "mine" in names
    assert reading.ui.modelSelector.currentText == "mine"
    reading.ui.applyButton.click()
    until(lambda: not reading.logic.busy)
    assert reading.live.result.receipt["model"]["name"] == "mine"
    assert not np.array_equal(reading.live.reading.mask, before)


@pytest.fixture(scope="module")
def a_collected_set(tmp_path_factory):
    """A data set of three labelled and one unlabelled scans, collected without the panel."""
    from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
    from SpectBoneMetSegTrainingLib.gathering.gather import gather

    folder = tmp_path_factory.mktemp("collected")
    for seed in range(3):
        write_labelled(folder / "labelled" / f"study{seed}", seed)
    write_scan(folder / "scans" / "scan.dcm", 10)
    gather(folder / "set", find([folder / "labelled"], [folder / "scans"]))
    return folder / "set"


def start_training(panel, data, name, steps):
    """Press Train with a data set that is there already."""
    panel.ui.datasetPath.currentPath = str(data)
    panel.ui.nameEdit.setText(name)
    panel.ui.stepsBox.setValue(steps)
    panel.ui.trainButton.click()


def steps_drawn(host):
    """Rows of the table behind the curve of the loss."""
    table = host.slicer.mrmlScene.GetSingletonNode("SpectBoneMetSegTraining.loss", "vtkMRMLTableNode")
    return table.GetNumberOfRows() if table is not None else 0


@pytest.mark.slow
def test_a_training_outlives_the_panel_and_the_scene_and_continues_after_it_was_killed(
    host, training_panel, a_collected_set, longest
):
    panel = training_panel()
    start_training(panel, a_collected_set, "mine", 100000)
    longest(lambda: steps_drawn(host) > 3)
    job = panel.choices.node.job
    assert panel.ui.trainButton.text == "Pause"
    longest(lambda: " left" in panel.ui.trainingLabel.text)

    host.clear()
    assert panel.choices.node.job == job
    longest(lambda: steps_drawn(host) > 3)
    host.clear()
    panel = training_panel()
    assert panel.choices.node.job == job
    longest(lambda: steps_drawn(host) > 3)
    assert panel.train.state == "running"

    os.killpg(panel.logic.job(job).status.pid, signal.SIGKILL)
    longest(lambda: panel.train.state == "interrupted")
    assert panel.ui.trainButton.text == "Resume"
    assert panel.ui.jobsTable.item(0, 1).text() == "Interrupted"
    panel = training_panel()
    longest(lambda: panel.train.state == "interrupted")
    panel.ui.trainButton.click()
    longest(lambda: panel.train.state == "running" and panel.logic.job(job).status.step > 0)
    panel.ui.trainButton.click()
    longest(lambda: panel.train.state == "paused")
    panel.ui.stopButton.click()
    longest(lambda: panel.train.state == "stopped")
    assert panel.ui.trainButton.text == "Train"
    assert panel.ui.resumeButton.enabled
    panel.ui.removeButton.click()
    assert panel.ui.jobsTable.rowCount == 0
    assert panel.logic.jobs() == []


def test_what_was_chosen_survives_saving_and_loading_the_scene(host, a_read_panel, training_panel, tmp_path):
    panel = training_panel()
    ui = panel.ui
    ui.sceneTable.item(0, 0).setCheckState(host.qt.Qt.Checked)
    ui.sceneTable.item(0, 2).setText("anna")
    [before] = panel.gather.scene.ticked()
    panel.gather.labelled.add("/some/studies")
    panel.gather.unlabelled.add("/some/scans")
    panel.gather.unlabelled.add("/more/scans")
    ui.datasetPath.currentPath = str(tmp_path / "set")
    ui.methodSelector.setCurrentIndex(1)
    ui.nameEdit.setText("mine")
    ui.seedBox.setValue(7)
    ui.testShareBox.setValue(20)
    host.save_scene(tmp_path / "scene.mrb")
    host.clear()
    assert ui.nameEdit.text == ""
    assert ui.sceneTable.rowCount == ui.labelledList.count == ui.unlabelledList.count == 0
    host.load_scene(tmp_path / "scene.mrb")
    assert ui.nameEdit.text == "mine"
    assert ui.seedBox.value == 7
    assert ui.testShareBox.value == 20
    assert ui.datasetPath.currentPath == str(tmp_path / "set")
    assert ui.parentSelector.currentData == "tiny"
    assert ui.methodSelector.currentData == "semi"
    assert [ui.unlabelledList.item(row).text() for row in range(2)] == ["/some/scans", "/more/scans"]
    [label] = panel.gather.scene.ticked()
    assert label.reader == "anna"
    assert (label.name, label.scan.name) == (before.name, before.scan.name)


def test_outlines_that_do_not_lie_on_their_scan_are_refused_with_the_reason(
    host, a_read_panel, training_panel, longest
):
    panel = training_panel()
    node = a_read_panel.live.node
    mask = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "elsewhere")
    host.slicer.util.updateVolumeFromArray(mask, np.ones((1, 20, 20), np.uint8))
    panel.enter()
    assert panel.ui.sceneTable.rowCount == 2
    for row in range(2):
        panel.ui.sceneTable.item(row, 0).setCheckState(host.qt.Qt.Checked)
    assert {label.name for label in panel.gather.scene.ticked()} == {node.GetName(), "elsewhere"}
    panel.ui.datasetPath.currentPath = str(host.slicer.app.temporaryPath) + "/refused"
    panel.ui.gatherButton.click()
    longest(lambda: not panel.logic.collector.busy)
    assert "elsewhere" in panel.ui.gatherLabel.text
    assert "does not lie on the scan" in panel.ui.gatherLabel.text


def test_missing_packages_are_requested_at_the_first_action_and_reported(host, training_panel):
    from slicerhost import pip

    panel = training_panel()
    panel.gather.labelled.add("/some/studies")
    for button, package in ((panel.ui.checkButton, "matplotlib"), (panel.ui.gatherButton, "scipy")):
        pip.asked.clear()
        pip.pretend_missing.add(package)
        try:
            button.click()
        finally:
            pip.pretend_missing.clear()
        assert len(pip.asked) == 1
        assert package in panel.ui.statusLabel.text
        assert not panel.logic.runner.busy
        assert not panel.logic.collector.busy


def test_gathering_requires_nothing_that_only_a_training_needs(training_panel, tmp_path, until, monkeypatch):
    from slicerhost import pip

    write_labelled(tmp_path / "labelled" / "study", 0)
    panel = training_panel()
    monkeypatch.setattr(pip, "pretend_missing", {"tensorflow", "onnx", "matplotlib", "scikit-image"})
    panel.gather.labelled.add(str(tmp_path / "labelled"))
    panel.ui.datasetPath.currentPath = str(tmp_path / "set")
    panel.ui.gatherButton.click()
    until(lambda: not panel.logic.collector.busy, 300)
    assert "labelled: 1 scan of 1 patient" in panel.ui.gatherLabel.text, panel.ui.statusLabel.text


def test_the_share_of_patients_for_the_test_is_passed_on_and_nothing_for_that_of_before(training_panel, monkeypatch):
    panel, requested = training_panel(), []
    monkeypatch.setattr(panel.logic.collector, "start", lambda sources, _listener: requested.append(sources.test_share))
    assert panel.ui.testShareBox.text == "as before (none at first)"
    panel.ui.gatherButton.click()
    panel.ui.testShareBox.setValue(20)
    panel.ui.gatherButton.click()
    assert requested == [None, 0.2]


def test_what_is_missing_is_reported_before_anything_starts(training_panel, a_collected_set, longest):
    panel = training_panel()
    ui = panel.ui
    ui.datasetPath.currentPath = ""
    ui.trainButton.click()
    assert "gather labelled scans first" in ui.statusLabel.text
    ui.datasetPath.currentPath = str(a_collected_set.parent / "scans")
    ui.nameEdit.setText("mine")
    ui.trainButton.click()
    assert "is not a data set" in ui.statusLabel.text
    ui.datasetPath.currentPath = str(a_collected_set)
    ui.nameEdit.setText("../mine")
    ui.trainButton.click()
    assert "letters, digits" in ui.statusLabel.text
    ui.gatherButton.click()
    assert "tick outlines of this scene, or add a folder" in ui.statusLabel.text
    assert panel.logic.jobs() == []


@pytest.mark.slow
def test_the_most_informative_scan_is_opened_with_a_proposal_corrected_and_added(
    host, a_read_panel, training_panel, a_collected_set, longest, until
):
    reading, panel = a_read_panel, training_panel()
    ui = panel.ui
    ui.datasetPath.currentPath = str(a_collected_set)
    ui.rankModelSelector.setCurrentIndex(ui.rankModelSelector.findData("tiny"))
    ui.rankButton.click()
    longest(lambda: not panel.logic.runner.busy)
    assert ui.nextTable.rowCount == 1, ui.nextLabel.text
    assert ui.nextTable.item(0, 0).text() == "scan.dcm"
    assert not ui.openButton.enabled
    ui.nextTable.selectRow(0)
    ui.addButton.click()
    assert "has no outlines in the scene yet" in ui.nextLabel.text

    earlier = reading.live.node
    ui.openButton.click()
    until(lambda: not reading.logic.busy)
    assert reading.live.node is not earlier
    assert reading.live.result.receipt["model"]["name"] == "tiny"
    erase(reading.live, 1)
    host.slicer.util.selectModule("SpectBoneMetSegTraining")
    ui.addButton.click()
    longest(lambda: not panel.logic.collector.busy)
    assert "labelled: 1 scan of 1 patient" in ui.gatherLabel.text
    assert ui.nextTable.rowCount == 0
    [label] = panel.gather.scene.ticked()
    assert label.node == reading.live.node.GetID()


def test_a_worse_model_is_used_only_by_insisting_and_travels_as_one_file(
    panel, tiny_model, training_panel, model_store, tmp_path
):
    import shutil
    from dataclasses import replace

    from SpectBoneMetSegLib.model.store import read_model, update_card
    from SpectBoneMetSegTrainingLib.training.outcome.promotion import COMPARISON, ParentComparison

    made = tmp_path / "made" / "weaker"
    shutil.copytree(tiny_model, made)
    found = ParentComparison(
        "thorax 1", "ab" * 32, 40, 40, 0.5, 0.6, -0.1, -0.2, -0.05, "worse", "on simulated patients"
    )
    card = read_model(made).card
    update_card(read_model(made), replace(card, name="weaker", metrics={COMPARISON: found.to_dict()}))
    training = training_panel()
    ui = training.ui
    training.result.show(made)
    assert "weaker is worse than thorax 1" in ui.verdictLabel.text
    assert ui.resultTable.item(0, 3).text() == "-0.100 (-0.200 to -0.050)"
    assert ui.useButton.text == "Use it anyway"
    training.result.exportTo(str(tmp_path / "weaker.spectmodel.zip"))
    assert (tmp_path / "weaker.spectmodel.zip").is_file()

    ui.useNameEdit.setText("weaker-2")
    ui.useButton.click()
    assert (model_store / "weaker-2").is_dir()
    assert panel.ui.modelSelector.currentText == "weaker-2"

    training.result.importFrom(str(tmp_path / "weaker.spectmodel.zip"))
    assert "weaker was verified" in ui.resultLabel.text
    assert "weaker" in [panel.ui.modelSelector.itemText(row) for row in range(panel.ui.modelSelector.count)]
    (tmp_path / "broken.spectmodel.zip").write_bytes(b"nothing")
    training.result.importFrom(str(tmp_path / "broken.spectmodel.zip"))
    assert "broken.spectmodel.zip is not a model file" in ui.resultLabel.text


def test_the_plots_of_the_panel_show_its_own_curves_and_none_after_they_were_forgotten(host, training_panel):
    curves = training_panel().train.curves
    curves.show([(1, 0.5), (2, 0.4)], [(2, 0.1)])
    own = {name: view.drawn for name, view in curves.views.items()}
    assert [chart.GetNumberOfPlotSeriesNodes() for chart in own.values()] == [2, 2]
    # Somebody shows another chart in Slicer's layout.
    other = host.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    host.application_logic.GetSelectionNode().SetActivePlotChartID(other.GetID())
    host.application_logic.PropagatePlotChartSelection()
    assert {name: view.drawn for name, view in curves.views.items()} == own
    curves.forget()
    assert {view.drawn for view in curves.views.values()} == {None}
    curves.show([(1, 0.5), (2, 0.4)], [(2, 0.1)])
    assert {name: view.drawn for name, view in curves.views.items()} == own


def test_the_modules_own_test_passes_in_the_host(host):
    host.training.SpectBoneMetSegTrainingTest().runTest()


def test_outlines_that_leave_the_scene_while_they_are_gathered_are_reported(
    host, a_read_panel, training_panel, longest, tmp_path
):
    panel = training_panel()
    name = a_read_panel.live.node.GetName()
    panel.ui.sceneTable.item(0, 0).setCheckState(host.qt.Qt.Checked)
    panel.ui.datasetPath.currentPath = str(tmp_path / "set")
    panel.ui.gatherButton.click()
    host.slicer.mrmlScene.Clear(0)
    longest(lambda: not panel.logic.collector.busy)
    assert f"{name}: It was removed from the scene." in panel.ui.gatherLabel.text
    assert panel.ui.gatherButton.text == "Gather"
