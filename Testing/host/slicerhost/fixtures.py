"""Pytest fixtures of the tests that run in the host; a test file takes them by `pytest_plugins`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE, TRAINING = ROOT / "SpectBoneMetSeg", ROOT / "SpectBoneMetSegTraining"
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
#: Weights drawn with this seed find a dozen to thirty compact areas in the sample, in both views, at usual thresholds;
#: most others find one that fills the body, whose outline of thousands of corners costs more than all else.
SPOTTY = 4


@pytest.fixture(scope="session")
def running_host() -> Any:
    """The host with the modules of the extension, or a skip that says what is missing."""
    from . import start

    try:
        host = start()
    except ImportError as error:
        pytest.skip(f"the test host needs PySide6-Essentials and slicer-core, and libGL, libEGL, libxkbcommon: {error}")
    host.load_module(MODULE / "DICOMPlanarScintigraphyPlugin.py")
    host.module = host.load_module(MODULE / "SpectBoneMetSeg.py")
    host.training = host.load_module(TRAINING / "SpectBoneMetSegTraining.py")
    host.slicer.app.emit("startupCompleted()")
    return host


@pytest.fixture
def host(running_host: Any) -> Iterator[Any]:
    """An empty scene; afterwards no slot or observer may have failed."""
    running_host.clear()
    running_host.errors.clear()
    running_host.dialogs.clear()
    running_host.qt.QSettings().clear()
    running_host.slicer.dicomDatabase.initializeDatabase()
    yield running_host
    assert not running_host.errors, running_host.errors[0]
    running_host.clear()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: Any) -> Path:
    """A small network with made-up weights that finds something in any scan, with its ONNX file.

    With that file no child process has to import TensorFlow, which takes seconds each time.
    """
    from SpectBoneMetSegLib.model.architecture import build_network
    from SpectBoneMetSegLib.model.config import NetworkConfig
    from SpectBoneMetSegLib.model.engines import import_tensorflow
    from SpectBoneMetSegLib.model.onnx_export import export_onnx
    from SpectBoneMetSegLib.model.store import save_model

    import_tensorflow()
    config = NetworkConfig(channels=(5,), dilations=((1, 2),), recurrent_steps=1, stem_channels=2)
    network, rng = build_network(config), np.random.default_rng(SPOTTY)
    for weight in network.weights:
        if weight.path.endswith("kernel"):
            weight.assign(rng.normal(0, 0.5, weight.shape))
    limits = {"threshold": 0.5, "seed_threshold": 0.5, "minimum_area_mm2": 60.0}
    return export_onnx(save_model(network, config, limits, tmp_path_factory.mktemp("models") / "tiny")).path


@pytest.fixture(scope="session")
def model_store(tiny_model: Path, tmp_path_factory: Any) -> Iterator[Path]:
    """A store of the user's models, for this process and those it starts, with the tiny model in it."""
    from SpectBoneMetSegLib.model.store import MODELS_VARIABLE, install_model

    store = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(store))
        install_model(tiny_model)
        yield store


@pytest.fixture(scope="session")
def a_warm_worker(model_store: Path) -> Iterator[Any]:
    """One worker for all tests: each start of another one costs seconds."""
    from SpectBoneMetSegLib.worker.client import Worker

    worker = Worker()
    yield worker
    worker.close()


@pytest.fixture
def logic(host: Any, a_warm_worker: Any) -> Iterator[Any]:
    """The module's logic without a panel."""
    made = host.module.SpectBoneMetSegLogic()
    made._worker = a_warm_worker
    yield made
    made._worker = None
    made.close()


@pytest.fixture
def panel(host: Any, tiny_model: Path, a_warm_worker: Any) -> Iterator[Any]:
    """The module's panel with the tiny model chosen."""
    widget = host.make_widget(host.module)
    widget.logic._worker = a_warm_worker
    widget.ui.modelSelector.setCurrentText(str(tiny_model))
    widget.ui.deviceSelector.setCurrentIndex(widget.ui.deviceSelector.findData("cpu"))
    yield widget
    widget.logic.cancel()
    widget.logic._worker = None
    widget.cleanup()


@pytest.fixture
def until(host: Any) -> Callable[..., None]:
    """Let the application run until a condition holds."""

    def wait(condition: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited too long"
            host.process_events()
            time.sleep(0.005)

    return wait


@pytest.fixture
def load_sample(host: Any) -> Callable[..., Any]:
    """Load a file through the DICOM plugin, as the DICOM browser does."""

    def load(path: Path = SAMPLE) -> SimpleNamespace:
        plugin = host.slicer.modules.dicomPlugins["DICOMPlanarScintigraphyPlugin"]()
        loadables = plugin.examine([[str(path)]])
        first = plugin.load(loadables[0]) if loadables else None
        volumes = {node.GetName().split()[-1]: node for node in nodes_of(host, "vtkMRMLScalarVolumeNode")}
        return SimpleNamespace(plugin=plugin, loadables=loadables, first=first, volumes=volumes)

    return load


@pytest.fixture
def a_loaded_panel(panel: Any, load_sample: Callable[..., Any]) -> Any:
    """The panel with the sample study chosen."""
    volumes = load_sample().volumes
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    panel.ui.posteriorSelector.setCurrentNode(volumes["posterior"])
    return panel


@pytest.fixture
def a_read_panel(a_loaded_panel: Any, until: Callable[..., None]) -> Any:
    """The panel after the sample study was read."""
    a_loaded_panel.ui.applyButton.click()
    until(lambda: not a_loaded_panel.logic.busy)
    assert a_loaded_panel.live is not None, a_loaded_panel.ui.statusLabel.text
    return a_loaded_panel


@pytest.fixture
def training_panel(
    host: Any, model_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Any]]:
    """Opens the training module with the tiny model to start from; its jobs are in a folder of the test."""
    from SpectBoneMetSegTrainingLib.jobs.queue import list_jobs, stop_job

    monkeypatch.setenv("SPECTBONEMETSEG_JOBS", str(tmp_path / "jobs"))
    opened: list[Any] = []

    def open_panel() -> Any:
        for panel in opened:
            panel.cleanup()
        opened[:] = [host.make_widget(host.training)]
        ui = opened[0].ui
        ui.parentSelector.setCurrentIndex(ui.parentSelector.findData("tiny"))
        ui.presetSelector.setCurrentIndex(ui.presetSelector.findData("quick"))
        return opened[0]

    yield open_panel
    for panel in opened:
        panel.cleanup()
    for job in list_jobs():
        if job.status.state in ("queued", "running", "paused", "interrupted"):
            stop_job(job.folder)
    for model in set(model_store.iterdir()) - {model_store / "tiny"}:
        shutil.rmtree(model)


def nodes_of(host: Any, kind: str) -> list[Any]:
    """The scene's nodes of a class."""
    return list(host.slicer.util.getNodesByClass(kind))
