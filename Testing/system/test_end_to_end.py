"""What a user does: the shell's commands on real files, with the shipped model."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
BOTH_VIEWS = {
    "quantification.csv",
    "quantification.json",
    "regions.json",
    "regions.seg.nrrd",
    "regions_anterior.nrrd",
    "regions_posterior.nrrd",
    "segmentation.seg.nrrd",
    "mask.nrrd",
    "mask_anterior.nrrd",
    "mask_posterior.nrrd",
    "probability.nrrd",
    "contours.mrk.json",
    "lesions.csv",
    "receipt.json",
    "overview.png",
}


def stored(path: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def receipt(folder: Path) -> dict:
    return json.loads((folder / "receipt.json").read_text())


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    scene = folder / "scene.mrb"
    assert main(["segment", str(SAMPLE), "--output", str(folder), "--scene", str(scene)]) == 0
    return folder / "simulated_scan"


@pytest.fixture(scope="module")
def real_scan():
    store = pytest.importorskip("data_store")
    return Path(store.__path__[0]) / "data" / "JPEG-LL.dcm"


def test_the_sample_study_gives_every_file_in_the_scans_own_pixels(sample):
    assert {path.name for path in sample.iterdir()} == BOTH_VIEWS
    union, anterior, posterior = (stored(sample / f"{n}.nrrd") for n in ("mask", "mask_anterior", "mask_posterior"))
    assert union.shape == anterior.shape == posterior.shape == (1, 1024, 256)
    assert union.dtype == np.uint8
    assert anterior.dtype == posterior.dtype == np.uint16
    assert (union == ((anterior > 0) | (posterior[..., ::-1] > 0))).all()
    rows = list(csv.DictReader((sample / "lesions.csv").open()))
    ids = {int(row["ID"]) for row in rows}
    assert ids == (set(np.unique(anterior).tolist()) | set(np.unique(posterior).tolist())) - {0}
    for row in rows:
        seen = {
            name
            for name, ids_of in (("anterior", anterior), ("posterior", posterior))
            if (ids_of == int(row["ID"])).any()
        }
        assert row["seen_in"] == ("both" if len(seen) == 2 else seen.pop())


def test_most_lesions_of_the_sample_study_are_found(sample):
    truth = stored(ROOT / "Resources" / "Sample" / "truth.nii.gz")[0]
    found = stored(sample / "mask.nrrd")[0] > 0
    first, end = receipt(sample)["crop"]["rows"]
    truth = np.where((np.arange(1024) >= first)[:, None] & (np.arange(1024) < end)[:, None], truth, 0)
    overlap = 2 * (found & (truth == 1)).sum() / ((found & (truth != 2)).sum() + (truth == 1).sum())
    assert overlap > 0.5


def test_the_receipt_records_what_was_read_and_how(sample):
    reported = receipt(sample)
    header = pydicom.dcmread(SAMPLE, stop_before_pixels=True)
    assert reported["inputs"][0]["sop_instance_uid"] == header.SOPInstanceUID
    assert len(reported["inputs"][0]["sha256"]) == len(reported["model"]["sha256"]) == 64
    assert reported["device"]
    assert reported["engine"] == "onnx"
    assert set(reported["crop"]) >= {"rows", "columns", "confidence"}
    assert reported["crop"]["rows"][1] - reported["crop"]["rows"][0] == 256
    assert {"network", "crop", "delineate"} <= set(reported["seconds"])


def test_reading_twice_gives_the_same_masks(sample, tmp_path):
    assert main(["segment", str(SAMPLE), "--output", str(tmp_path)]) == 0
    again = tmp_path / "simulated_scan"
    for name in ("mask.nrrd", "mask_posterior.nrrd", "probability.nrrd", "lesions.csv", "contours.mrk.json"):
        assert (again / name).read_bytes() == (sample / name).read_bytes(), name


def test_the_real_scan_gives_every_file_of_a_single_view(real_scan, tmp_path, capsys):
    assert main(["segment", str(real_scan), "--output", str(tmp_path), "--json"]) == 0
    folder = tmp_path / "JPEG-LL"
    assert {path.name for path in folder.iterdir()} == BOTH_VIEWS - {"mask_posterior.nrrd", "regions_posterior.nrrd"}
    reported = receipt(folder)
    assert reported["aggregated"] is False
    assert reported["crop"]["confidence"] > 0.5
    assert abs(reported["crop"]["rows"][0] - 145) < 20
    assert json.loads(capsys.readouterr().out)["failed"] == 0


@pytest.mark.parametrize("model", [None, "thorax"])
def test_the_whole_body_is_read_by_either_model_and_only_the_one_trained_on_thoraxes_warns(model, tmp_path):
    named = ["--model", model] if model else []
    assert main(["segment", str(SAMPLE), "--output", str(tmp_path), "--region", "whole-body", *named]) == 0
    reported = receipt(tmp_path / "simulated_scan")
    assert reported["crop"]["rows"] == [0, 1024]
    assert any("trained on the thorax" in note for note in reported["warnings"]) == (model == "thorax")


def test_a_manual_box_overrides_the_cropping(tmp_path):
    assert main(["segment", str(SAMPLE), "--output", str(tmp_path), "--crop", "40,296,0,256"]) == 0
    crop = receipt(tmp_path / "simulated_scan")["crop"]
    assert (crop["rows"], crop["columns"], crop["method"]) == ([40, 296], [0, 256], "manual")


def ct_slice(path: Path) -> None:
    dataset = pydicom.dcmread(SAMPLE)
    dataset.Modality = "CT"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.save_as(path)


def rgb_image(path: Path) -> None:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 255, (64, 32, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(path))


BAD = {
    "empty.dcm": lambda path: path.write_bytes(b""),
    "text.dcm": lambda path: path.write_text("This is no scan.\n"),
    "ct.dcm": ct_slice,
    "colour.png": rgb_image,
    "cut.dcm": lambda path: path.write_bytes(SAMPLE.read_bytes()[: SAMPLE.stat().st_size // 2]),
    "folder": lambda path: path.mkdir(),
    "missing.dcm": lambda path: None,
}


@pytest.fixture(scope="module")
def bad_run(tmp_path_factory):
    """All bad inputs and one good one in a single run."""
    folder = tmp_path_factory.mktemp("bad")
    for name, make in BAD.items():
        make(folder / name)
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "segment", *(str(folder / name) for name in BAD)]
    command += [str(SAMPLE), "--output", str(folder / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, folder / "out"


@pytest.mark.parametrize("name", BAD)
def test_a_bad_input_gets_one_sentence_that_names_it(bad_run, name):
    done, output = bad_run
    lines = [line for line in done.stderr.splitlines() if re.search(rf"/{re.escape(name)}[: ]", line)]
    assert len(lines) == 1, done.stderr
    assert len(re.findall(rf"\b{re.escape(name)}\b", lines[0].partition(";")[0])) == 1, lines[0]
    assert lines[0].endswith(".")
    assert not (output / Path(name).stem).exists()
    with (output / "failures.csv").open() as file:
        assert sum(row["input"].endswith(name) for row in csv.DictReader(file)) == 1


def test_the_good_input_among_bad_ones_is_read_and_the_status_says_some_failed(bad_run):
    done, output = bad_run
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert {path.name for path in (output / "simulated_scan").iterdir()} == BOTH_VIEWS
    assert {path.name for path in output.iterdir()} == {"simulated_scan", "failures.csv"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--model", "no-such-model"], 2),
        (["--views", "front"], 2),
        (["--crop", "1,2,3"], 2),
        (["--pixel-size", "-1"], 2),
        (["--scene", "scene.txt"], 2),
        (["--crop", "5000,6000,0,256"], 1),
    ],
)
def test_wrong_usage_is_one_sentence_and_writes_nothing(arguments, status, tmp_path, capsys):
    output = tmp_path / "out"
    assert main(["segment", str(SAMPLE), "--output", str(output), *arguments]) == status
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1, errors
    assert "Traceback" not in errors[0]
    assert not list(output.glob("*/*"))


def test_an_unknown_model_is_refused_before_a_folder_is_made(tmp_path, capsys):
    assert main(["segment", str(SAMPLE), "--output", str(tmp_path / "out"), "--model", "unknown"]) == 2
    assert "no model 'unknown'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_option_is_refused_with_status_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["segment", str(SAMPLE), "--output", str(tmp_path), "--colour", "red"])
    assert caught.value.code == 2
    assert "--colour" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert main(["segment", str(SAMPLE), "--output", str(blocked / "out")]) == 1
    assert "choose another --output" in capsys.readouterr().err


def test_a_disk_that_fills_up_ends_any_command_in_one_sentence(monkeypatch, capsys):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "run/checkpoint.npz")

    monkeypatch.setattr("SpectBoneMetSegLib.model.store.list_models", full)
    assert main(["models"]) == 1
    reported = capsys.readouterr().err
    assert reported == (
        "spectbonemetseg: run/checkpoint.npz: No space left on device; "
        "check the free disk space and write permission.\n"
    )


def test_a_disk_that_fills_up_while_a_nameless_file_is_written_is_reported_with_the_output(
    tmp_path, monkeypatch, capsys
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("SpectBoneMetSegLib.cli.segment.read_cases", full)
    output = tmp_path / "out"
    assert main(["segment", str(SAMPLE), "--output", str(output)]) == 1
    assert f"spectbonemetseg: {output}: No space left on device; check" in capsys.readouterr().err


def test_memory_that_does_not_suffice_ends_any_command_in_one_sentence(monkeypatch, capsys):
    def too_much(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("SpectBoneMetSegLib.model.store.list_models", too_much)
    assert main(["models"]) == 1
    reported = capsys.readouterr().err.splitlines()
    assert len(reported) == 1
    assert "not enough memory" in reported[0]
    assert "--patch" in reported[0]


def test_two_inputs_of_one_name_are_refused(tmp_path, capsys):
    assert main(["segment", str(SAMPLE), str(SAMPLE), "--output", str(tmp_path / "out")]) == 2
    assert "would both be written" in capsys.readouterr().err


#: What takes long to import.
HEAVY = {"numpy", "tensorflow", "keras", "skimage", "SimpleITK"}


def seconds_of(code: str) -> tuple[float, str]:
    """Processor seconds of a Python process, the least of three, and what it printed; what others do costs none."""
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        after = os.times()
        seconds.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(seconds), done.stdout


@pytest.mark.parametrize("statement", ["import SpectBoneMetSegLib", "import SpectBoneMetSegTrainingLib.cli"])
def test_importing_is_instant_and_imports_no_heavy_package(statement):
    seconds, _ = seconds_of(f"{statement}, sys; assert not {HEAVY} & set(sys.modules)")
    assert seconds < 0.5


def test_help_is_instant_and_imports_no_heavy_package():
    seconds, printed = seconds_of(
        "import sys\nfrom SpectBoneMetSegLib.cli.main import main\n"
        f"try:\n    main(['--help'])\nexcept SystemExit:\n    pass\nassert not {HEAVY} & set(sys.modules)"
    )
    assert "Research use only" in printed
    assert seconds < 0.5


def test_the_python_way_gives_the_same_lesions_as_the_shell(sample, tmp_path):
    from SpectBoneMetSegLib import segment

    reading = segment(SAMPLE)
    assert len(reading.lesions) == receipt(sample)["lesions"]
    assert (reading.mask == stored(sample / "mask.nrrd")[0]).all()
    reading.save(str(tmp_path / "again"))
    assert (tmp_path / "again" / "lesions.csv").read_bytes() == (sample / "lesions.csv").read_bytes()
