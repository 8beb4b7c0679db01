"""`spectbonemetseg audit`: how a model performs on a user's outlines, and the page that says whether to adapt."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.export.volumes import write_volume
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import read_model
from SpectBoneMetSegLib.scan.skeleton_regions import REGIONS
from SpectBoneMetSegTrainingLib.cli import AuditCommand
from SpectBoneMetSegTrainingLib.dataset.cases import load_case
from SpectBoneMetSegTrainingLib.evaluation.by_region import OUTSIDE_REGIONS, RegionCounts, count_regions, region_rows
from SpectBoneMetSegTrainingLib.evaluation.confidence_metrics import ObservedShare
from SpectBoneMetSegTrainingLib.evaluation.shares import wilson
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody
from SpectBoneMetSegTrainingLib.training.adapting.audit import Audit, audit
from SpectBoneMetSegTrainingLib.training.adapting.audit_page import write_audit
from SpectBoneMetSegTrainingLib.training.outcome.finish import train_and_finish
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

FURTHER = {"audit": AuditCommand}
NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)


@pytest.fixture(scope="module")
def trained(discs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    config = TrainingConfig(steps=30, batch=4, patch=32, learning_rate=1e-2, network=NETWORK)
    data = discs(folder / "d", ["train"] * 6)
    train_and_finish(data, folder / "run", config, folder / "model")
    return folder / "model", data


def test_an_audit_without_usable_scans_names_the_folder_and_the_command_that_lists_the_reasons(tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    command = ["audit", "--labelled", str(tmp_path / "scans"), "--output", str(tmp_path / "audit.html")]
    assert main(command, FURTHER) == 1
    message = capsys.readouterr().err
    assert f"Nothing usable was found in {tmp_path / 'scans'}; " in message
    assert "gather --labelled" in message


@pytest.fixture
def labelled(patient, tmp_path):
    """A folder with two labelled scans of the simulated patient, each in a folder of its own."""
    for number in range(2):
        views = [view.with_counts(np.roll(view.counts, number, axis=0)) for view in patient.scan.views.values()]
        path = tmp_path / "labelled" / f"visit{number}" / "bone.dcm"
        path.parent.mkdir(parents=True)
        scan = replace(patient.scan, anterior=views[0], posterior=views[1])
        write_nm_wholebody(path, scan, patient_id=f"P{number}", uid_text=f"audit {number}")
        marked = np.any([lesion.views["anterior"].mask for lesion in patient.lesions], axis=0)
        pixels = np.roll(marked, number, axis=0).astype(np.uint8)
        label = path.with_name("bone.seg.nrrd")
        write_volume(pixels, scan.frame.ijk_to_ras, str(label), {"Segment0_LabelValue": "1"})
    return tmp_path / "labelled"


def test_the_scans_of_a_folder_are_named_by_their_files_and_no_removed_folder_is_named(
    trained, labelled, tmp_path, capsys
):
    model, _ = trained
    page = tmp_path / "audit.html"
    command = ["audit", "--labelled", str(labelled), "--model", str(model), "--output", str(page), "--json"]
    assert main(command, FURTHER) == 0
    reported = capsys.readouterr()
    text = page.read_text()
    files = {str(Path("visit0", "bone.dcm")), str(Path("visit1", "bone.dcm"))}
    assert set(json.loads(reported.out)["worst"]) == files
    assert all(f"<figcaption>{file}:" in text for file in files)
    assert "This page names your files" in text
    assert "scan_" not in text
    assert "labelled: 2 scans of 2 patients" in reported.err
    for gone in (tempfile.gettempdir() + "/SpectBoneMetSeg", "data-private", "found.csv", "report:"):
        assert gone not in reported.err


def test_a_data_set_keeps_the_names_of_its_cases(trained, tmp_path):
    model, data = trained
    page = tmp_path / "audit.html"
    assert main(["audit", "--data", str(data), "--model", str(model), "--output", str(page)], FURTHER) == 0
    assert "<figcaption>case" in page.read_text()
    assert "names your files" not in page.read_text()


def test_a_page_that_cannot_be_written_is_refused_before_any_scan_is_read(trained, tmp_path, capsys):
    _, data = trained
    (tmp_path / "file").touch()
    assert main(["audit", "--data", str(data), "--output", str(tmp_path / "file" / "audit.html")], FURTHER) == 1
    message = capsys.readouterr().err
    assert "cannot be written (" in message
    assert "scan 1" not in message


def test_an_audit_writes_a_page_that_says_whether_to_adapt(trained, discs, tmp_path, capsys):
    model, _ = trained
    data = discs(tmp_path / "own", ["train"] * 7 + ["test"])
    page = tmp_path / "audit.html"
    command = ["audit", "--data", str(data), "--model", str(model), "--output", str(page), "--json"]
    assert main(command, FURTHER) == 0
    reported = capsys.readouterr()
    summary = json.loads(reported.out)
    assert summary["patients"] == 8
    assert summary["adapt"] == ("Adaptation is recommended" in reported.err)
    text = page.read_text()
    for words in ("Research use only", "By size", "Calibration of the confidence", "worst scans", "95 % interval"):
        assert words in text
    assert text.count("<img") == len(summary["worst"])


def test_patients_that_the_model_was_trained_on_are_reported(trained, tmp_path):
    model, data = trained
    page = tmp_path / "audit.html"
    assert main(["audit", "--data", str(data), "--model", str(model), "--output", str(page)], FURTHER) == 0
    assert "these results are too optimistic" in page.read_text()


@pytest.mark.parametrize("words", [[], ["--data", "x", "--labelled", "y"], ["--data", "x", "--output", "page.txt"]])
def test_what_makes_no_sense_is_reported(words, capsys):
    assert main(["audit", "--output", "page.html", *words], FURTHER) == 2


def test_lesions_and_false_areas_are_counted_where_they_lie(discs, tmp_path):
    crop = load_case(discs(tmp_path / "d", ["train"] * 3), "case0")
    rows, columns = np.nonzero(crop.labels["anterior"] == 1)
    classes = np.zeros(crop.labels["anterior"].shape, np.uint8)
    classes[rows, columns] = 1 + REGIONS.index("ribs")
    marks = {view: np.zeros(classes.shape, bool) for view in crop.labels}
    marks["anterior"][rows[0], columns[0]] = marks["anterior"][:2, :2] = True
    counted = count_regions(crop, marks, {view: classes for view in marks}, "p")
    found = {row.region: row for row in region_rows([counted], 2)}
    assert found["ribs"].lesions == 2
    assert found["ribs"].recall[0] == 0.5
    assert found["ribs"].alarms[0] == 0
    assert found[OUTSIDE_REGIONS].alarms[0] == 0.5
    assert found[OUTSIDE_REGIONS].lesions == 0


def test_few_lesions_of_a_bone_leave_a_wide_interval_and_those_of_one_patient_none():
    ribs, pelvis, spine = map(REGIONS.index, ("ribs", "pelvis", "thoracic spine"))
    cases = []
    for number in range(6):
        lesions, found, alarms = (np.zeros(len(REGIONS) + 1) for _ in range(3))
        lesions[ribs] = found[ribs] = number < 4
        lesions[pelvis] = 20 * (number == 0)
        lesions[spine], found[spine] = 10, 10 * (number % 2)
        cases.append(RegionCounts(f"p{number}", lesions, found, alarms))
    rows = {row.region: row for row in region_rows(cases, 12)}
    # Four of four: the bootstrap alone would say 1.000 to 1.000.
    assert rows["ribs"].recall == pytest.approx((1.0, 0.510, 1.0), abs=0.001)
    assert np.isnan(rows["pelvis"].recall[1:]).all()
    # A patient's lesions are alike: the bootstrap is wider than 30 of 60 single lesions.
    low, high = rows[REGIONS[spine]].recall[1:]
    assert low < 0.2
    assert high > 0.8


def test_intervals_that_say_nothing_are_not_shown_as_certain(trained, discs, tmp_path):
    model, _ = trained
    page = tmp_path / "audit.html"
    data = discs(tmp_path / "own", ["train"] * 8)
    assert main(["audit", "--data", str(data), "--model", str(model), "--output", str(page)], FURTHER) == 0
    text = page.read_text()
    assert "binomial interval of Wilson" in text
    assert not re.search(r">([0-9.]+) to \1<", text)


def test_the_share_of_lesions_at_every_confidence_has_an_interval(trained, tmp_path):
    model, data = trained
    found = audit(data, ["case0", "case1"], read_model(model))
    shares = [ObservedShare(0.9, 1.0, 2, 0.95, (1.0, *wilson(2, 2)))]
    values = {"n": 2, "ece": 0.05, "auroc": None, "brier": 0.01, "brier_of_base_rate": 0.0}
    write_audit(tmp_path / "a.html", replace(found, confidence={"areas": values}, observed={"areas": shares}))
    text = (tmp_path / "a.html").read_text()
    assert "<td>0.9 to 1.0</td><td>2</td><td>0.950</td><td>1.000</td><td>0.342 to 1.000</td>" in text


def test_too_few_patients_give_no_recommendation_and_say_how_many_are_missing(trained, discs, tmp_path, capsys):
    model, _ = trained
    page = tmp_path / "audit.html"
    # A patient without a lesion says nothing about lesions.
    data = without_lesions(discs(tmp_path / "own", ["train"] * 8), 5)
    command = ["audit", "--data", str(data), "--model", str(model), "--output", str(page), "--json"]
    assert main(command, FURTHER) == 0
    reported = capsys.readouterr()
    assert json.loads(reported.out)["adapt"] is None
    assert "needs 8 patients with outlined lesions: outline those of 5 more patients" in reported.err
    assert "Adaptation is" not in reported.err + page.read_text()
    assert "<p class='verdict '>" in page.read_text()


def test_without_any_outlined_lesion_only_false_alarms_are_reported(trained, discs, tmp_path, capsys):
    model, _ = trained
    page = tmp_path / "audit.html"
    data = without_lesions(discs(tmp_path / "own", ["train"] * 8), 8)
    assert main(["audit", "--data", str(data), "--model", str(model), "--output", str(page)], FURTHER) == 0
    text = page.read_text()
    assert "No lesion is outlined in the scans of 8 patients" in capsys.readouterr().err
    assert "false alarms per view" in text
    for word in ("Adaptation is", "DSC, pooled", ": DSC", "lesion F1", "By size", "Calibration"):
        assert word not in text


def without_lesions(data, number):
    """Remove the outlines of the first cases of a data set."""
    for path in sorted((data / "instances").glob("*.json"))[:number]:
        path.write_text(json.dumps({**json.loads(path.read_text()), "lesions": []}))
    return data


def test_scans_with_cold_lesions_only_are_refused(trained, discs, tmp_path, capsys):
    model, _ = trained
    data = discs(tmp_path / "own", ["train"])
    path = data / "instances" / "case0.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "flags": ["photopenic"]}))
    command = ["audit", "--data", str(data), "--model", str(model), "--output", str(tmp_path / "audit.html")]
    assert main(command, FURTHER) == 1
    assert "Every outlined scan has a cold lesion" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("dsc", "lesions", "sentence"),
    [
        (0.5, 0.7, "the lower end of the DSC does not reach 0.6."),
        (0.7, 0.5, "the lower end of the lesion F1 does not reach 0.6."),
        (0.5, 0.5, "the lower ends of the DSC and of the lesion F1 do not reach 0.6."),
        (0.7, 0.7, "the lower ends reach 0.6."),
    ],
)
def test_the_figure_that_is_too_low_is_named(dsc, lesions, sentence):
    report = {
        **{f"dsc{end}": dsc + more for end, more in (("", 0.1), ("_low", 0.0), ("_high", 0.2))},
        **{f"lesion_f1_overlap{end}": lesions + more for end, more in (("", 0.1), ("_low", 0.0), ("_high", 0.2))},
    }
    found = Audit("one", 9, 8, report, [], {}, {}, [], "")
    assert found.sentence.endswith(sentence)
    assert found.adapt == (min(dsc, lesions) < 0.6)
