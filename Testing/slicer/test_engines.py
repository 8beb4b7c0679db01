"""Engines, devices and the worker in the test host: what is chosen, what is really used, what fails."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.panel import assert_all_agree, erase, table_of

pytest_plugins = ["slicerhost.fixtures"]

#: An ONNX Runtime that answers with the first input channel, cut at 1; its GPU does not start.
FAKE_ONNX = """
import types
import numpy as np
class SessionOptions:
    def add_session_config_entry(self, name, value):
        pass
class InferenceSession:
    def __init__(self, file, options, providers):
        pass
    def get_providers(self):
        return ["CPUExecutionProvider"]
    def get_inputs(self):
        return [types.SimpleNamespace(name="counts")]
    def run(self, outputs, feed):
        return [np.clip(np.repeat(feed["counts"][..., :1], 2, axis=-1) / 2, 0, 1)]
def get_available_providers():
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]
"""


@pytest.fixture
def an_onnx_panel(a_loaded_panel, tiny_model, tmp_path):
    """The panel with a model that ONNX Runtime can run, ONNX Runtime chosen, its own worker."""
    import json
    import shutil

    from SpectBoneMetSegLib.common.files import sha256_of

    panel, model = a_loaded_panel, tmp_path / "with-onnx"
    shutil.copytree(tiny_model, model)
    (model / "model.onnx").write_bytes(b"onnx")
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps({**card, "onnx_sha256": sha256_of(model / "model.onnx")}))
    panel.ui.modelSelector.setCurrentText(str(model))
    panel.ui.engineSelector.setCurrentIndex(panel.ui.engineSelector.findData("onnx"))
    panel.ui.deviceSelector.setCurrentIndex(panel.ui.deviceSelector.findData("auto"))
    return panel


def test_a_missing_onnx_runtime_is_requested_and_nothing_is_installed_without_consent(host, an_onnx_panel, monkeypatch):
    monkeypatch.setattr(host.slicer.packaging, "pretend_missing", {"onnxruntime"})
    an_onnx_panel.ui.applyButton.click()
    requested = host.slicer.packaging.asked[-1]
    assert any(line.startswith("onnxruntime") for line in requested)
    assert not any(line.startswith("tensorflow") for line in requested)
    shown = an_onnx_panel.ui.statusLabel.text
    assert "Packages are missing and were not installed: onnxruntime" in shown
    assert "\n" not in shown
    assert not an_onnx_panel.logic.busy


def test_the_chosen_engine_reads_and_what_was_really_used_is_shown(host, an_onnx_panel, until, monkeypatch, tmp_path):
    from SpectBoneMetSegLib.worker.client import Worker

    panel = an_onnx_panel
    monkeypatch.setattr(host.slicer.packaging, "pretend_installed", {"onnxruntime"})
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "onnxruntime.py").write_text(FAKE_ONNX)
    shared, panel.logic._worker = (
        panel.logic._worker,
        Worker(environment={**os.environ, "PYTHONPATH": str(tmp_path / "fake")}),
    )
    try:
        panel.ui.warmCheckBox.checked = True
        panel.enter()
        until(lambda: "ready" in panel.ui.deviceLabel.text)
        assert panel.ui.deviceLabel.text == "ONNX Runtime, CPU (ready)"
        assert "CUDAExecutionProvider" in panel.ui.warningLabel.text
        panel.ui.applyButton.click()
        until(lambda: not panel.logic.busy)
        assert panel.ui.deviceLabel.text == "ONNX Runtime, CPU"
        assert "could not use CUDAExecutionProvider (it did not start); the CPU was used" in panel.ui.warningLabel.text
        assert panel.ui.warningLabel.isVisibleTo(panel.parent)
        assert panel.live.result.receipt["engine"] == "onnx"
        panel.ui.deviceSelector.setCurrentIndex(panel.ui.deviceSelector.findData("cpu"))
        panel.ui.applyButton.click()
        until(lambda: not panel.logic.busy)
        assert "could not use" not in panel.ui.warningLabel.text
    finally:
        panel.logic.close()
        panel.logic._worker = shared


def test_automatic_requests_the_smaller_engine_and_nothing_if_one_is_installed(host, an_onnx_panel, monkeypatch):
    from SpectBoneMetSegModule import requirements
    from SpectBoneMetSegModule.requirements import GPU, ONNX, TENSORFLOW, requirementsFile

    model, pip = an_onnx_panel.ui.modelSelector.currentText, host.slicer.packaging
    monkeypatch.setattr(requirements, "gpuBuildFits", lambda: True)
    monkeypatch.setattr(pip, "pretend_installed", {"tensorflow", "onnxruntime"})
    assert requirementsFile("auto", model) == ONNX
    monkeypatch.setattr(pip, "pretend_missing", {"onnxruntime"})
    assert requirementsFile("auto", model) == TENSORFLOW
    monkeypatch.setattr(pip, "pretend_missing", {"onnxruntime", "tensorflow"})
    assert requirementsFile("auto", model) == requirementsFile("onnx", model, "gpu") == GPU
    assert requirementsFile("auto", model, "cpu") == ONNX
    monkeypatch.setattr(requirements, "gpuBuildFits", lambda: False)
    assert requirementsFile("auto", model) == requirementsFile("onnx", model, "gpu") == ONNX
    assert requirementsFile("tensorflow", model) == TENSORFLOW
    (Path(model) / "model.onnx").unlink()
    assert requirementsFile("auto", model) == TENSORFLOW


def test_another_build_of_onnx_runtime_is_not_joined_by_a_second_one(host, monkeypatch):
    from SpectBoneMetSegModule.requirements import ONNX, areInstalled, ensureInstalled

    pip = host.slicer.packaging
    monkeypatch.setattr(pip, "pretend_missing", {"onnxruntime"})
    assert not areInstalled(ONNX)
    monkeypatch.setattr(pip, "pretend_installed", {"onnxruntime-gpu"})
    assert areInstalled(ONNX)
    ensureInstalled(ONNX)
    assert not any(line.startswith("onnxruntime") for line in pip.asked[-1])


@pytest.mark.parametrize(
    ("cuda", "generation", "machine", "fits"),
    [
        ((13, 0), (7, 5), "x86_64", True),
        ((13, 2), (9, 0), "AMD64", True),
        ((12, 8), (9, 0), "x86_64", False),
        ((13, 0), (7, 0), "x86_64", False),
        ((13, 0), (9, 0), "aarch64", False),
    ],
)
def test_the_gpu_build_is_for_cards_and_drivers_that_run_it(host, monkeypatch, cuda, generation, machine, fits):
    from SpectBoneMetSegLib.model import gpus
    from SpectBoneMetSegModule import requirements

    monkeypatch.setattr(requirements.platform, "machine", lambda: machine)
    monkeypatch.setattr(gpus, "nvidia", lambda: gpus.Nvidia(cuda, generation))
    assert requirements.gpuBuildFits() == fits
    monkeypatch.setattr(gpus, "nvidia", lambda: None)
    assert not requirements.gpuBuildFits()


def test_a_module_with_a_loaded_model_states_its_engine(a_loaded_panel, until):
    selector = a_loaded_panel.ui.engineSelector
    selector.setCurrentIndex(selector.findData("tensorflow"))
    a_loaded_panel.logic.worker.close()
    a_loaded_panel.ui.warmCheckBox.checked = True
    a_loaded_panel.enter()
    until(lambda: "ready" in a_loaded_panel.ui.deviceLabel.text)
    assert a_loaded_panel.ui.deviceLabel.text == "TensorFlow, CPU (ready)"


@pytest.mark.slow
def test_the_time_left_counts_down_and_the_bar_never_goes_back(a_loaded_panel, until):
    panel, seen = a_loaded_panel, []
    # TensorFlow takes seconds to load.
    panel.ui.engineSelector.setCurrentIndex(panel.ui.engineSelector.findData("tensorflow"))
    panel.logic.worker.close()
    show = panel.logic.onProgress
    panel.logic.onProgress = lambda event: (seen.append(event), show(event))
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    loading = [event.remaining for event in seen if event.step == "load"]
    assert len(loading) > 5
    assert loading == sorted(loading, reverse=True)
    assert loading[0] > loading[-1]
    shares = [event.fraction for event in seen]
    assert shares == sorted(shares)
    assert shares[-1] <= 1
    assert all(event.remaining is not None for event in seen)


def test_a_gpu_that_is_not_there_is_reported(a_loaded_panel, until):
    from SpectBoneMetSegLib.model.engines import import_tensorflow

    if import_tensorflow().config.list_physical_devices("GPU"):
        pytest.skip("this computer has a GPU")
    selector = a_loaded_panel.ui.deviceSelector
    selector.setCurrentIndex(selector.findData("gpu"))
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert "no GPU" in a_loaded_panel.ui.statusLabel.text
    assert a_loaded_panel.live is None


def test_declined_packages_are_reported_and_nothing_starts(host, a_loaded_panel, monkeypatch):
    monkeypatch.setattr(host.slicer.packaging, "pretend_missing", {"onnxruntime", "tensorflow"})
    a_loaded_panel.ui.applyButton.click()
    assert "Packages are missing" in a_loaded_panel.ui.statusLabel.text
    assert not a_loaded_panel.logic.busy
    a_loaded_panel.logic.worker.close()
    a_loaded_panel.ui.warmCheckBox.checked = True
    a_loaded_panel.enter()
    assert not a_loaded_panel.logic.worker.running


def test_an_unknown_model_is_reported_in_one_sentence(a_loaded_panel, until):
    a_loaded_panel.ui.modelSelector.setCurrentText("unheard-of")
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert "There is no model 'unheard-of'" in a_loaded_panel.ui.statusLabel.text


def test_apply_becomes_cancel_and_cancel_leaves_a_panel_that_works(a_loaded_panel, until):
    ui = a_loaded_panel.ui
    ui.applyButton.click()
    assert ui.applyButton.text == "Cancel"
    child = a_loaded_panel.logic.worker.pid
    ui.applyButton.click()
    assert ui.applyButton.text == "Apply"
    assert a_loaded_panel.logic.worker.pid != child
    assert ui.statusLabel.text == "Cancelled."
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert ui.lesionTable.rowCount >= 2


def test_a_killed_worker_is_reported_and_the_next_apply_works(a_loaded_panel, until):
    ui = a_loaded_panel.ui
    ui.applyButton.click()
    os.kill(a_loaded_panel.logic.worker.pid, signal.SIGKILL)
    until(lambda: not a_loaded_panel.logic.busy)
    assert "ended unexpectedly (SIGKILL)" in ui.statusLabel.text
    assert ui.lesionTable.rowCount == 0
    ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert ui.lesionTable.rowCount >= 2


@pytest.fixture
def own_code():
    """A reload replaces the modules of the whole process: other tests continue with those they have imported."""
    import slicer

    names = ("SpectBoneMetSeg", "SpectBoneMetSegLib", "SpectBoneMetSegModule")
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] in names}
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in names]:
        del sys.modules[name]
    sys.modules.update(before)
    slicer.modules.SpectBoneMetSegWidget = None


def test_reload_brings_new_code_one_worker_and_no_double_callbacks(host, a_read_panel, own_code, until):
    import slicer

    old, child = a_read_panel, a_read_panel.logic.worker.pid
    row = table_of(old, 0, 1)
    library = sys.modules["SpectBoneMetSegLib.lesions.redraw"]
    table = sys.modules["SpectBoneMetSegModule.review.lesion_table"]
    old.ui.warmCheckBox.checked = True
    old.onReload()
    new = slicer.modules.SpectBoneMetSegWidget
    try:
        assert new is not old
        assert type(new.table) is not type(old.table)
        assert sys.modules["SpectBoneMetSegModule.review.lesion_table"] is not table
        assert sys.modules["SpectBoneMetSegLib.lesions.redraw"] is not library
        assert table_of(new, 0, 1) == row
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
        assert new.logic.worker.running
        assert new.logic.worker.pid != child
        assert not old.logic.worker.running

        calls = Counter()
        for name, widget in (("old", old), ("new", new)):
            show = widget.updateLesions
            widget.updateLesions = lambda name=name, show=show: (calls.update([name]), show())
        erase(new.live, 1)
        assert calls == {"new": 1}
        assert_all_agree(new)
        new.ui.thresholdSlider.value = 0.6
        assert calls == {"new": 2}
        host.clear()
        assert calls["old"] == 0
        assert old.live is None
    finally:
        new.cleanup()
    assert not new.logic.worker.running


def test_a_second_cleanup_does_no_harm(a_loaded_panel):
    a_loaded_panel.logic.cancel()
    a_loaded_panel.cleanup()
    a_loaded_panel.cleanup()
