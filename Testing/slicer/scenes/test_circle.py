"""The cycle on simulated patients: a weak model reads, a person corrects, the model is trained and reads better."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))

pytest_plugins = ["slicerhost.fixtures"]

pytestmark = pytest.mark.slow

#: Simulated patients: some are corrected and trained on, the others are only read at the end.
TRAINED_ON, HELD_OUT = 14, 6
STEPS = 160
MINUTES = 20


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """{case: DICOM file or folder} of simulated patients, and the folder with their truth."""
    from SpectBoneMetSegLib.cli.main import main

    folder = tmp_path_factory.mktemp("simulated") / "data"
    assert main(["simulate", "--patients", str(TRAINED_ON + HELD_OUT), "--seed", "5", "--output", str(folder)]) == 0
    return {path.stem: path for path in sorted((folder / "dicom").iterdir())}, folder


@pytest.fixture(scope="module")
def weak_model(tmp_path_factory):
    """The shipped model with noise on its weights: it finds little, and improves again after a short training."""
    from SpectBoneMetSegLib.model.backend import use_backend
    from SpectBoneMetSegLib.model.store import find_model, load_network, save_model

    use_backend()
    model, rng = find_model("whole-body"), np.random.default_rng(0)
    network = load_network(model)
    network.set_weights([noisy(weights, rng) for weights in network.get_weights()])
    folder = tmp_path_factory.mktemp("weak") / "weak"
    save_model(network, model.card.network, {}, folder)
    return folder


def noisy(weights, rng):
    """Kernels with a third of their spread as noise; all other weights as they are."""
    if weights.ndim < 4:
        return weights
    return (weights + rng.normal(0, weights.std() / 3, weights.shape)).astype(weights.dtype)


def truth_of(case, scan, folder):
    """(labelled, ignored) masks (rows, columns) of a simulated case in the anterior frame, both views together."""
    from SpectBoneMetSegTrainingLib.dataset.files import read_image, read_json

    record = read_json(folder / "instances" / f"{case}.json")
    labelled = np.zeros(scan.frame.shape, bool)
    marked = labelled.copy()
    for view in scan.views:
        layers = read_image(folder / "instances" / f"{case}_{view}.nii.gz")[0].reshape(-1, *scan.frame.shape)
        ids = [lesion["id"] for lesion in record["lesions"] if lesion["labelled"].get(view)]
        labelled |= np.isin(layers, ids).any(0)
        marked |= (layers > 0).any(0)
    return labelled, marked & ~labelled


def read(path, model, until):
    """Open a scan in the reading module and let a model outline it."""
    import slicer
    from SpectBoneMetSegTrainingModule.reading_module import openInReading

    files = sorted(path.iterdir()) if path.is_dir() else [path]
    openInReading(files, model, read=True)
    reading = slicer.util.getModuleWidget("SpectBoneMetSeg")
    until(lambda: not reading.logic.busy, 120)
    assert reading.live is not None, reading.ui.statusLabel.text
    return reading.live


def correct(live, truth):
    """What a person makes of a proposal in the Segment Editor: the areas that are there, and no others."""
    from SpectBoneMetSegLib.lesions.components import number_lesions
    from SpectBoneMetSegLib.mrml.nodes import import_lesions

    import_lesions(live.node, number_lesions(truth), live.result.scan.frame)


def pooled_dsc(cases, model, patients, until):
    """DSC over the thorax pixels of several patients together."""
    paths, folder = patients
    hit = total = 0
    for case in cases:
        live = read(paths[case], model, until)
        labelled, ignored = truth_of(case, live.result.scan, folder)
        crop = live.result.crop
        box = (slice(*crop.rows), slice(*crop.columns))
        truth, found = labelled[box], (live.reading.mask > 0)[box] & ~ignored[box]
        hit += 2 * int((truth & found).sum())
        total += int(truth.sum()) + int(found.sum())
    return hit / total


def test_a_model_reads_held_out_patients_better_after_training_in_slicer(
    host, panel, weak_model, model_store, patients, training_panel, until, tmp_path
):
    from SpectBoneMetSegLib.model.store import install_model

    paths, folder = patients
    cases = sorted(paths)
    install_model(weak_model)
    training = training_panel()
    ui = training.ui
    before = pooled_dsc(cases[TRAINED_ON:], "weak", patients, until)
    host.clear()

    for case in cases[:TRAINED_ON]:
        live = read(paths[case], "weak", until)
        correct(live, truth_of(case, live.result.scan, folder)[0])
        host.slicer.util.selectModule("SpectBoneMetSegTraining")
        training.gather.scene.tick(live.node.GetID())
    ui.datasetPath.currentPath = str(tmp_path / "set")
    ui.gatherButton.click()
    until(lambda: not training.logic.collector.busy, 300)
    assert f"labelled: {TRAINED_ON} scans of {TRAINED_ON} patients" in ui.gatherLabel.text

    # Closing the scene took earlier choices along.
    ui.parentSelector.setCurrentIndex(ui.parentSelector.findData("weak"))
    ui.presetSelector.setCurrentIndex(ui.presetSelector.findData("quick"))
    ui.nameEdit.setText("corrected")
    ui.stepsBox.setValue(STEPS)
    started = time.monotonic()
    ui.trainButton.click()
    until(lambda: training.train.state in ("finished", "failed"), 60 * MINUTES)
    assert training.train.state == "finished", ui.trainingLabel.text
    assert "from weak" in ui.verdictLabel.text or "than weak" in ui.verdictLabel.text
    print(f"trained for {(time.monotonic() - started) / 60:.1f} min; {ui.verdictLabel.text}")
    ui.useButton.click()
    host.clear()
    after = pooled_dsc(cases[TRAINED_ON:], "corrected", patients, until)
    print(f"DSC of {HELD_OUT} held-out simulated patients: {before:.3f} before, {after:.3f} after")
    assert after > before + 0.1
