"""`spectbonemetseg gather` and `train` from folders, as a shell starts them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.dataset.opened import opened
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody
from SpectBoneMetSegTrainingLib.training.outcome import finish

TINY = ["--channels", "8", "--dilations", "1:2", "--recurrent-steps", "2", "--patch", "32", "--batch", "4"]


@pytest.fixture
def folders(patient, tmp_path):
    """Six labelled patients and two unlabelled ones: one simulated scan, moved down the field by some rows."""
    for folder, numbers in (("labelled", range(6)), ("unlabelled", range(6, 8))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            views = [view.with_counts(np.roll(view.counts, number, axis=0)) for view in patient.scan.views.values()]
            scan = replace(patient.scan, anterior=views[0], posterior=views[1])
            path = tmp_path / folder / f"case{number}.dcm"
            write_nm_wholebody(path, scan, patient_id=f"P{number}", uid_text=f"command {number}")
            if folder == "labelled":
                marked = np.any([lesion.views["anterior"].mask for lesion in patient.lesions], axis=0)
                pixels = np.roll(marked, number, axis=0).astype(np.uint8)
                label = path.with_name(f"case{number}.seg.nrrd")
                write_volume(pixels, scan.frame.ijk_to_ras, str(label), {"Segment0_LabelValue": "1"})
    return tmp_path


def test_gather_says_what_it_found_on_both_streams(folders, capsys):
    arguments = ["--labelled", str(folders / "labelled"), "--unlabelled", str(folders / "unlabelled")]
    assert main(["gather", *arguments, "--output", str(folders / "data"), "--json"]) == 0
    out, err = capsys.readouterr()
    reported = json.loads(out)
    assert reported["data"] == str(folders / "data")
    assert [row["kind"] for row in reported["scans"] if row["outcome"] == "new"] == ["labelled"] * 6 + [
        "unlabelled"
    ] * 2
    assert "labelled: 6 scans of 6 patients (6 new)" in err
    assert "splits: 6 labelled patients" in err


def test_a_share_of_the_patients_is_kept_for_the_test_and_stays_there(folders, capsys):
    data = folders / "data"
    labelled = folders / "labelled"
    (folders / "later").mkdir()
    for number in (4, 5):
        for path in labelled.glob(f"case{number}.*"):
            path.rename(folders / "later" / path.name)
    command = ["gather", "--labelled", str(labelled), "--output", str(data)]
    assert main([*command, "--unlabelled", str(folders / "unlabelled"), "--test-share", "0.25"]) == 0
    assert "1 labelled patients are kept for the test" in capsys.readouterr().err
    (test,) = cases_of(data, "test")
    assert {path.name for path in (data / "imagesTs").iterdir()} == {f"{test}_0000.nii.gz", f"{test}_0001.nii.gz"}
    assert test not in str(read_json(data / "splits.json"))
    # Without the option the share of the first call is kept, and patients keep their split.
    assert main([*command, "--labelled", str(folders / "later")]) == 0
    assert test in cases_of(data, "test")
    assert len(cases_of(data, "test")) == 2
    assert len(cases_of(data, "train")) == 4
    # A patient who was there without a label may have been trained on already.
    for path in (folders / "unlabelled").iterdir():
        path.rename(labelled / path.name)
        seg = next(labelled.glob("*.seg.nrrd"))
        (labelled / path.name).with_suffix(".seg.nrrd").write_bytes(seg.read_bytes())
    assert main([*command, "--labelled", str(folders / "later"), "--test-share", "0.9"]) == 0
    assert len(cases_of(data, "test")) == 2
    assert len(cases_of(data, "train")) == 6


def test_a_file_that_could_not_be_used_gives_status_1_and_the_others_are_complete(folders, capsys):
    (folders / "unlabelled" / "broken.dcm").write_bytes(b"x" * 200)
    command = ["gather", "--unlabelled", str(folders / "unlabelled"), "--output", str(folders / "data")]
    assert main(command) == 1
    assert "broken.dcm is not a DICOM file" in capsys.readouterr().err
    assert len(list((folders / "data" / "imagesUnlabelled").iterdir())) == 4


@pytest.mark.parametrize(
    "words",
    [
        ["gather", "--output", "data"],
        ["gather", "--output", "data", "--labelled", "nowhere"],
        ["gather", "--output", "data", "--labelled", ".", "--seed", "-1"],
        ["gather", "--output", "data", "--labelled", ".", "--test-share", "1"],
        ["train", "--output", "model"],
        ["train", "--output", "model", "--data", "x", "--labelled", "."],
        ["train", "--output", "model", "--labelled", "nowhere"],
    ],
)
def test_wrong_usage_is_reported_and_leaves_nothing_behind(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_train_gathers_into_the_run_and_a_run_that_began_keeps_its_scans(folders, capsys):
    labelled = ["--labelled", str(folders / "labelled"), "--unlabelled", str(folders / "unlabelled")]
    command = ["train", *labelled, "--output", str(folders / "model"), "--method", "strong", "--steps", "2", *TINY]
    assert main(command) == 0
    assert (folders / "model" / "card.json").is_file()
    run = folders / "model-run"
    assert (run / "data" / "dataset.json").is_file()
    assert (run / "data-private" / "found.csv").is_file()
    before = sorted((run / "data" / "instances").iterdir())
    capsys.readouterr()
    # A label that is added later must not change what a run is trained on.
    (folders / "labelled" / "case0.seg.nrrd").unlink()
    (folders / "model").rename(folders / "earlier")
    assert main(command) == 0
    assert "continues with the scans that were gathered when it started" in capsys.readouterr().err
    assert sorted((run / "data" / "instances").iterdir()) == before


def test_unlabelled_scans_that_the_method_does_not_use_are_reported(folders, capsys, monkeypatch):
    trained = []
    monkeypatch.setattr(finish, "train_and_finish", lambda data, *_, **__: trained.append(data))
    labelled = ["--labelled", str(folders / "labelled"), "--unlabelled", str(folders / "unlabelled")]
    assert main(["train", *labelled, "--output", str(folders / "model"), "--steps", "1", *TINY]) == 0
    assert "unlabelled scans are not used: choose --method strong" in capsys.readouterr().err
    assert [opened(data).folder for data in trained] == [folders / "model-run" / "data"]
