"""The first choice of the training panel: adapt the reading model, or check first whether that is needed."""

import functools
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.data.studies import write_labelled, write_scan

pytest_plugins = ["slicerhost.fixtures"]


@pytest.fixture(scope="module")
def a_set(tmp_path_factory):
    """Folders: four labelled studies and an unlabelled scan."""
    folder = tmp_path_factory.mktemp("set")
    for seed in range(4):
        write_labelled(folder / "labelled" / f"study{seed}", seed)
    write_scan(folder / "scans" / "scan.dcm", 10)
    return folder


@pytest.fixture
def opened(training_panel, a_set, tmp_path):
    """The panel with the folders named."""
    panel = training_panel()
    panel.gather.labelled.add(str(a_set / "labelled"))
    panel.gather.unlabelled.add(str(a_set / "scans"))
    panel.ui.datasetPath.currentPath = str(tmp_path / "set")
    return panel


def test_adapting_is_the_first_choice_and_everything_else_is_folded_away(training_panel):
    ui = training_panel().ui
    assert ui.otherWaysFold.collapsed
    for hidden in (ui.presetSelector, ui.methodSelector, ui.parentSelector, ui.trainButton, ui.checkButton):
        assert ui.otherWaysFold.isAncestorOf(hidden)
    for shown in (ui.adaptButton, ui.auditButton, ui.pauseButton, ui.stopButton, ui.trainingLabel):
        assert not ui.otherWaysFold.isAncestorOf(shown)


def test_one_button_gathers_and_queues_an_adaptation_of_the_reading_model(panel, opened, until, monkeypatch):
    from SpectBoneMetSegLib.model.store import default_model_name

    panel.ui.modelSelector.setCurrentText("")
    queued, shown = [], []
    monkeypatch.setattr(opened.logic, "submit", lambda spec: queued.append(spec) or "job")
    monkeypatch.setattr(opened.train, "showJob", shown.append)
    opened.ui.adaptButton.click()
    assert "Give the new model a name" in opened.ui.statusLabel.text
    assert not opened.logic.collector.busy
    opened.ui.adaptNameEdit.setText("ours")
    opened.ui.adaptButton.click()
    until(lambda: queued, 300)
    assert "labelled: 4 scans of 4 patients" in opened.ui.gatherLabel.text
    [spec] = queued
    assert (spec.model, spec.minutes, spec.config.start) == ("ours", 30.0, default_model_name())
    assert str(spec.data) == opened.ui.datasetPath.currentPath
    assert shown == ["job"]
    # Collecting again by its own button starts nothing.
    opened.ui.gatherButton.click()
    opened.ui.adaptButton.click()
    assert "being gathered" in opened.ui.statusLabel.text
    until(lambda: not opened.logic.collector.busy, 300)
    assert len(queued) == 1


def test_the_model_chosen_for_reading_is_the_one_that_is_adapted_and_audited(
    panel, training_panel, tmp_path, monkeypatch
):
    from SpectBoneMetSegLib.model.store import default_model_name

    training = training_panel()
    panel.ui.modelSelector.setCurrentText("")
    assert training.logic.adaptation(tmp_path, "ours").config.start == default_model_name()
    panel.ui.modelSelector.setCurrentText("tiny")
    assert training.logic.adaptation(tmp_path, "ours").config.start == "tiny"
    called = []
    monkeypatch.setattr(training.logic, "call", lambda *arguments: called.append(arguments))
    training.choices.node.dataset = str(tmp_path)
    training.adapt.beginAudit()
    assert called[0][1]["model"] == "tiny"


@pytest.mark.slow
def test_an_audit_says_whether_it_is_needed_and_opens_its_page(panel, opened, until, monkeypatch):
    # Another test may have left a model that is gone.
    panel.ui.modelSelector.setCurrentText("")
    pages, label = [], opened.ui.auditLabel
    monkeypatch.setattr(opened.logic, "openPage", pages.append)
    assert not opened.ui.auditPageButton.enabled
    opened.ui.auditButton.click()
    until(lambda: label.text and not opened.adapt.call.running, 600)
    assert "on 4 patients" in label.text
    assert label.text.startswith("There is no recommendation, which needs 8 patients")
    opened.ui.auditPageButton.click()
    assert Path(pages[0]).is_file()
    assert Path(pages[0]).name == "set-audit.html"
    assert opened.ui.auditButton.text == "Is adaptation needed?"
    # What is gathered anew is another data set.
    opened.ui.gatherButton.click()
    until(lambda: not opened.logic.collector.busy, 300)
    assert opened.ui.auditLabel.text == ""
    assert not opened.ui.auditPageButton.enabled


def test_without_outlines_an_audit_says_so(training_panel, tmp_path, until):
    panel = training_panel()
    write_scan(tmp_path / "scans" / "scan.dcm", 1)
    panel.gather.unlabelled.add(str(tmp_path / "scans"))
    panel.ui.datasetPath.currentPath = str(tmp_path / "set")
    panel.ui.auditButton.click()
    until(lambda: "holds no outlined scan" in panel.ui.auditLabel.text, 300)
    assert not panel.ui.auditPageButton.enabled


@pytest.mark.parametrize("verdict", ["better", "not worse", "undecided", "worse"])
def test_the_verdict_is_shown_in_plain_words_and_the_page_opened(
    tiny_model, training_panel, tmp_path, monkeypatch, verdict
):
    from SpectBoneMetSegLib.model.store import read_model, update_card
    from SpectBoneMetSegTrainingLib.training.outcome.promotion import COMPARISON, ParentComparison

    made, page = tmp_path / "made" / "ours", tmp_path / "result.html"
    shutil.copytree(tiny_model, made)
    page.write_text("page")
    found = ParentComparison(
        "whole-body 3", "ab" * 32, 12, 12, 0.6, 0.6, 0.0, -0.2, 0.2, verdict, "on patients left out"
    )
    model = read_model(made)
    update_card(model, replace(model.card, name="ours", metrics={COMPARISON: found.to_dict()}))
    panel, opened = training_panel(), []
    monkeypatch.setattr(panel.logic, "openPage", opened.append)
    sentence = "Keep the parent model, until more patients are outlined: DSC 0.6."
    panel.result.show(made, page, sentence)
    assert panel.ui.verdictLabel.text == sentence
    wanted = "Use this model" if verdict in ("better", "not worse") else "Use it anyway"
    assert panel.ui.useButton.text == wanted
    panel.ui.resultPageButton.click()
    assert opened == [page]
    panel.result.show(None)
    assert not panel.ui.resultPageButton.enabled


@pytest.mark.slow
def test_an_adaptation_outlives_the_panel_reports_its_time_and_can_be_used(
    panel, opened, training_panel, a_set, until, monkeypatch
):
    from SpectBoneMetSegLib.model import store

    monkeypatch.setattr(store, "default_model_name", lambda: "tiny")
    monkeypatch.setattr(opened.logic, "adaptation", functools.partial(opened.logic.adaptation, minutes=0.2))
    opened.ui.adaptNameEdit.setText("ours")
    opened.ui.adaptButton.click()
    until(lambda: " left" in opened.ui.trainingLabel.text, 900)
    assert "labelled patients" in opened.ui.trainingLabel.text
    job = opened.choices.node.job
    opened.ui.pauseButton.click()
    until(lambda: opened.train.state == "paused", 300)
    assert opened.ui.pauseButton.text == "Resume"
    again = training_panel()
    until(lambda: again.train.state == "paused", 60)
    again.ui.pauseButton.click()
    until(lambda: again.train.state in ("finished", "failed"), 1800)
    assert again.train.state == "finished", again.ui.trainingLabel.text
    assert again.logic.job(job).page.is_file()
    assert "too few for a verdict" in again.ui.verdictLabel.text
    assert again.ui.useButton.text == "Use it anyway"
    assert again.ui.resultPageButton.enabled
    again.ui.useButton.click()
    assert panel.ui.modelSelector.currentText == "ours", again.ui.resultLabel.text
