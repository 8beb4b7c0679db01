"""What users do by mistake or on purpose: no silent mistakes, no tracebacks, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib import Options, Reader
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import case_name, read_scan
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.store import save_model

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "simulated_scan.dcm"


def write(path: Path, counts: np.ndarray, spacing: float = 2.26) -> Path:
    image = sitk.GetImageFromArray(counts)
    image.SetSpacing((spacing, spacing))
    sitk.WriteImage(image, str(path))
    return path


def body(rows: int = 1024, columns: int = 256) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    inside = ((x - columns / 2) / (columns / 4)) ** 2 + ((y - rows / 2) / (rows / 3)) ** 2 < 1
    return np.random.default_rng(0).poisson(np.where(inside, 20, 0.2)).astype(np.float32)


def test_a_model_that_returns_nan_is_refused_and_never_reads_as_healthy(tmp_path, tiny_config):
    network = build_network(tiny_config)
    folder = tmp_path / "broken"
    save_model(network, tiny_config, {}, folder)
    reader = Reader(folder)
    reader.engine._run = lambda batch: [type("T", (), {"numpy": lambda _: np.full((*batch.shape[:3], 2), np.nan)})()]
    with pytest.raises(UserError, match="not numbers"):
        reader.read(SAMPLE)


def test_weights_that_are_no_numbers_are_never_saved(tmp_path, tiny_config):
    network = build_network(tiny_config)
    network.weights[0].assign(np.full(network.weights[0].shape, np.nan))
    with pytest.raises(UserError, match="no numbers"):
        save_model(network, tiny_config, {}, tmp_path / "nan")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--output", "--model", "--scene", "--crop", "--views"])
def test_an_empty_option_is_wrong_usage(option, tmp_path, capsys):
    arguments = ["segment", str(SAMPLE), "--output", str(tmp_path / "out"), option, ""]
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_an_empty_input_is_not_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "scan.dcm").write_bytes(SAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert main(["segment", "", "--output", "out"]) == 2
    with pytest.raises(UserError, match="empty name"):
        read_scan("")


def test_a_link_keeps_its_own_name_and_side(tmp_path):
    write(tmp_path / "p_ANT.nrrd", body())
    (tmp_path / "alice_POST.nrrd").symlink_to(tmp_path / "p_ANT.nrrd")
    scan = read_scan(tmp_path / "alice_POST.nrrd")
    assert scan.case == "alice_POST"
    assert scan.anterior is None


def test_a_loop_of_links_and_an_impossible_name_are_one_sentence(tmp_path, capsys, tiny):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    inputs = [str(tmp_path / "loop"), str(tmp_path / ("a" * 300 + ".dcm"))]
    assert main(["segment", *inputs, "--output", str(tmp_path / "out"), "--model", str(tiny)]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all("does not exist" in line for line in lines)


@pytest.mark.parametrize("name", ["..dcm", "...dcm", ". .dcm"])
def test_a_name_of_dots_names_no_folder(name):
    with pytest.raises(UserError, match="rename"):
        case_name(Path(name))


def test_results_inside_a_study_are_not_read_as_its_pictures(tmp_path, tiny):
    study = tmp_path / "study"
    study.mkdir()
    write(study / "p_ANT.nrrd", body())
    write(study / "p_POST.nrrd", body())
    for _ in range(2):
        assert main(["segment", str(study), "--output", str(study / "results"), "--model", str(tiny)]) == 0


@pytest.mark.parametrize("shape", [(1024, 16), (16, 16), (1, 256), (300, 7)])
def test_odd_matrices_are_refused_or_read_anyway_quickly(shape, tmp_path, tiny, capsys):
    path = write(tmp_path / "odd_ANT.nrrd", np.full(shape, 7, np.float32))
    command = ["segment", str(path), "--output", str(tmp_path / "out"), "--model", str(tiny)]
    start = time.monotonic()
    assert main(command) == 1
    assert "--read-anyway" in capsys.readouterr().err
    assert main([*command, "--read-anyway"]) == 0
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(("scale", "spacing"), [(1e37, 2.26), (1e-60, 2.26), (1.0, 50.0), (1.0, 0.001)])
def test_impossible_counts_and_pixels_are_refused(scale, spacing, tmp_path):
    path = write(tmp_path / "wrong_ANT.nrrd", body().astype(np.float64) * scale, spacing)
    with pytest.raises(UserError):
        read_scan(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "head"},
        {"crop": (1, 2, 3)},
        {"crop": (10, 5, 0, 256)},
        {"crop": (1.5, 20, 0, 256)},
        {"pixel_size_mm": "2.26"},
        {"pixel_size_mm": 1e-6},
    ],
)
def test_wrong_options_from_python_are_refused_in_one_sentence(wrong):
    with pytest.raises(UserError):
        Options(**wrong)


def test_a_training_that_could_not_be_saved_is_refused_before_it_starts(tmp_path, capsys):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("x")
    for output in (tmp_path / "my model", tmp_path / "taken"):
        assert main(["train", "--data", str(tmp_path), "--output", str(output)]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_terminated_run_leaves_nothing_half_written(tmp_path, tiny):
    command = [
        sys.executable,
        "-m",
        "SpectBoneMetSegLib.cli.main",
        "segment",
        str(SAMPLE),
        "--output",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen([*command, "--model", str(tiny)], stderr=subprocess.PIPE, text=True)
    time.sleep(2.5)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert "Traceback" not in errors
    left = {path.name for path in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert left <= {"simulated_scan"}


@pytest.mark.slow
def test_the_users_keras_settings_do_not_change_the_reading(tmp_path, tiny):
    (tmp_path / "keras.json").write_text(json.dumps({"floatx": "float16", "image_data_format": "channels_first"}))
    command = [
        sys.executable,
        "-m",
        "SpectBoneMetSegLib.cli.main",
        "segment",
        str(SAMPLE),
        "--output",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(
        [*command, "--model", str(tiny)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
