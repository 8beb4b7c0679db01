"""The files of a comparison: one self-contained page, a table and JSON with the same numbers; results read back."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.export.table import COLUMNS
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.followup.files import COMPARISON_COLUMNS, copy_comparison, save_comparison
from SpectBoneMetSegLib.followup.read_back import is_result, read_result
from SpectBoneMetSegLib.quantification.quantify import quantify
from SpectBoneMetSegLib.scan.planar import ScanSource
from support.bodies import make_body

BOTH = {"anterior": 80.0, "posterior": 80.0}
FEMUR, SPINE = ((120, 126), (60, 64)), ((74, 80), (48, 52))


def dated(reading, date, case):
    source = ScanSource(description={"study_date": date})
    return dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, case=case, source=source))


@pytest.fixture(scope="module")
def a_folder(tmp_path_factory):
    one = dated(make_body((*FEMUR, BOTH)), "20240101", "<first>")
    two = dated(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240701", "second")
    folder = tmp_path_factory.mktemp("comparison") / "out"
    save_comparison(compare([one, two]), folder)
    return folder


def of_file(reading, letter):
    inputs = [{"file": f"{letter}.dcm", "sha256": letter * 64, "sop_instance_uid": ""}]
    return dataclasses.replace(reading, receipt={**reading.receipt, "inputs": inputs})


@pytest.fixture(scope="module")
def three_scans():
    days = ("20240101", "20240401", "20240701")
    return [
        of_file(dated(make_body((*FEMUR, BOTH)), day, day), letter) for day, letter in zip(days, "abc", strict=True)
    ]


def test_a_comparison_of_the_same_scans_is_replaced(three_scans, tmp_path):
    one, two, _ = three_scans
    save_comparison(compare([one, two]), tmp_path / "out")
    accepted = tuple(dataclasses.replace(each, decision="accepted") for each in two.lesions)
    save_comparison(compare([dataclasses.replace(two, lesions=accepted), one]), tmp_path / "out")
    scans = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))["scans"]
    assert [scan["review"]["state"] for scan in scans] == ["not reviewed", "reviewed"]
    assert [scan["input_sha256"] for scan in scans] == [["a" * 64], ["b" * 64]]
    copy_comparison(tmp_path / "out", tmp_path / "out again")
    copy_comparison(tmp_path / "out", tmp_path / "out again")


@pytest.mark.parametrize("same", ["sha256", "sop_instance_uid"])
def test_the_same_scan_twice_is_refused_without_a_study_uid(three_scans, same):
    one, two, _ = three_scans
    for reading in (one, two):
        assert not reading.receipt.get("study_instance_uid")
    first, second = ({"sha256": letter * 64, "sop_instance_uid": f"1.2.{letter}"} for letter in "ab")
    second[same] = first[same]
    twice = [
        dataclasses.replace(reading, receipt={"inputs": [entry]}) for reading, entry in ((one, first), (two, second))
    ]
    with pytest.raises(UserError, match="the same scan: give each scan once"):
        compare(twice)


def test_two_studies_whose_images_have_one_careless_uid_are_compared(three_scans):
    readings = [
        dataclasses.replace(
            reading,
            receipt={
                "study_instance_uid": f"1.{letter}",
                "inputs": [{"sha256": letter * 64, "sop_instance_uid": "1.2.3"}],
            },
        )
        for reading, letter in zip(three_scans, "ab", strict=False)
    ]
    assert len(compare(readings).times) == 2


def test_a_comparison_of_an_earlier_version_is_replaced_if_its_studies_are_the_same(three_scans, tmp_path):
    one, two, three = (
        dataclasses.replace(each, receipt={**each.receipt, "study_instance_uid": f"1.{number}"})
        for number, each in enumerate(three_scans)
    )
    save_comparison(compare([one, two]), tmp_path / "out")
    path = tmp_path / "out" / "comparison.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    for scan in stored["scans"]:
        del scan["input_sha256"]
    path.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(UserError, match="holds another comparison"):
        save_comparison(compare([one, three]), tmp_path / "out")
    save_comparison(compare([one, two]), tmp_path / "out")
    assert "input_sha256" in json.loads(path.read_text(encoding="utf-8"))["scans"][0]


def test_scans_without_any_uid_or_digest_are_compared(three_scans):
    unknown = [{"inputs": [{"sha256": "", "sop_instance_uid": ""}]}, {}]
    pairs = zip(three_scans, unknown, strict=False)
    assert len(compare([dataclasses.replace(reading, receipt=receipt) for reading, receipt in pairs]).times) == 2


@pytest.mark.parametrize("kind", ["one other scan", "one scan more", "no input files", "no JSON"])
def test_a_comparison_of_other_scans_is_not_overwritten(three_scans, tmp_path, kind):
    one, two, three = three_scans
    folder, unknown = tmp_path / "out", [dataclasses.replace(each, receipt={}) for each in (one, two)]
    save_comparison(compare(unknown if kind == "no input files" else [one, two]), folder)
    if kind == "no JSON":
        (folder / "comparison.json").unlink()
    wanted = {"one other scan": [one, three], "one scan more": three_scans, "no input files": unknown}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    save_comparison(compare(wanted.get(kind, [one, two])), tmp_path / "made")
    for save in (
        lambda: save_comparison(compare(wanted.get(kind, [one, two])), folder),
        lambda: copy_comparison(tmp_path / "made", folder),
    ):
        with pytest.raises(UserError, match=r"holds another comparison.*: move it or choose another"):
            save()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_page_is_self_contained_and_names_nothing_unescaped(a_folder):
    page = (a_folder / "comparison.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "&lt;first&gt;" in page
    assert "<first>" not in page
    assert "Research use only" in page
    assert page.count("<svg") == 3


def test_table_and_json_agree(a_folder):
    reported = json.loads((a_folder / "comparison.json").read_text(encoding="utf-8"))
    with (a_folder / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COMPARISON_COLUMNS
    assert reported["steps"][0] | {} == reported["steps"][0]
    assert (reported["steps"][0]["new"], reported["steps"][0]["stable"]) == (1, 1)
    listed = {(row["bone"], row["scan"]): row["change"] for row in rows}
    assert listed[("lumbar spine", "second")] == "new"
    assert [scan["bone_scan_index_percent"] > 0 for scan in reported["scans"]] == [True, True]


def test_who_decided_is_on_the_page_in_the_table_and_in_the_json(tmp_path):
    one = dated(make_body((*FEMUR, BOTH)), "20240101", "first")
    two = dated(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240701", "second")
    accepted = dataclasses.replace(one.lesions[0], decision="accepted", classification="malignant")
    rejected = dataclasses.replace(accepted, id=2, decision="rejected", classification="")
    one = dataclasses.replace(one, lesions=(accepted,), rejected=(rejected,))
    save_comparison(compare([one, two]), tmp_path / "out")
    reported = json.loads((tmp_path / "out" / "comparison.json").read_text(encoding="utf-8"))
    first, second = (scan["review"] for scan in reported["scans"])
    assert (first["state"], first["decided_by"], first["accepted_lesions"], first["rejected_lesions"]) == (
        *("reviewed", "physician"),
        *(1, 1),
    )
    assert (second["state"], second["decided_by"]) == ("not reviewed", "model")
    femur = next(lesion for lesion in reported["lesions"] if "femur" in lesion["bone"])
    assert [(point["decisions"], point["decided_by"]) for point in femur["scans"]] == [
        (["accepted"], ["physician"]),
        (["open"], ["model"]),
    ]
    with (tmp_path / "out" / "comparison.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["bone"], row["scan"]): row for row in csv.DictReader(file)}
    assert rows[femur["bone"], "first"]["decided_by"] == "physician"
    assert rows[femur["bone"], "second"]["decision"] == "open"
    page = (tmp_path / "out" / "comparison.html").read_text(encoding="utf-8")
    assert "first reviewed by a physician (1 accepted, 1 rejected, 0 left open, 1 classified)" in page
    assert "second not reviewed by a physician" in page
    assert "malignant by a physician" in page


@pytest.mark.parametrize(("excluded", "change"), [("later", "gone"), ("earlier", "new")])
@pytest.mark.parametrize("decision", ["rejected", "benign"])
def test_a_lesion_that_is_gone_or_new_by_a_physicians_decision_says_so(excluded, change, decision):
    whole = make_body((*FEMUR, BOTH))
    if decision == "benign":
        lesions = (dataclasses.replace(whole.lesions[0], classification="benign"),)
        without = dataclasses.replace(whole, lesions=lesions)
    else:
        without = dataclasses.replace(
            make_body(), rejected=(dataclasses.replace(whole.lesions[0], decision="rejected"),)
        )
    pair = (whole, without) if excluded == "later" else (without, whole)
    found = compare([dated(pair[0], "20240101", "earlier"), dated(pair[1], "20240701", "later")])
    assert [track.points[1].change for track in found.tracks] == [change]
    words = "rejected" if decision == "rejected" else "classified as benign"
    expected = f"Lesion 1 counts as {change} in later: a physician {words} the area there in {excluded}."
    assert expected in found.warnings
    again = compare([dated(whole, "20240101", "earlier"), dated(make_body(), "20240701", "later")])
    assert not any("physician" in warning for warning in again.warnings)


def test_areas_that_were_erased_in_a_scan_are_a_warning():
    later = dated(make_body(), "20240701", "later")
    later = dataclasses.replace(later, receipt={**later.receipt, "erased": 2})
    found = compare([dated(make_body((*FEMUR, BOTH)), "20240101", "earlier"), later])
    assert "later: a physician erased 2 areas of the model; a lesion there counts as gone or new." in found.warnings


def test_a_folder_with_something_else_is_left_unchanged(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    readings = [dated(make_body(), "20240101", "a"), dated(make_body(), "20240701", "b")]
    with pytest.raises(UserError, match="another output folder"):
        save_comparison(compare(readings), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.fixture
def a_result(tmp_path):
    """A result folder of a scan that is stored next to it as NRRD views."""
    import SimpleITK

    reading = make_body((*FEMUR, BOTH), (*SPINE, BOTH))
    files = []
    for name, view in reading.scan.views.items():
        path = tmp_path / f"scan_{name}.nrrd"
        image = SimpleITK.GetImageFromArray(view.counts[np.newaxis])
        image.SetSpacing((view.spacing[1], view.spacing[0], 1.0))
        SimpleITK.WriteImage(image, str(path))
        files.append(path)
    receipt = {
        "inputs": [{"file": str(path), "sha256": sha256_of(path), "sop_instance_uid": ""} for path in files],
        "options": {"views": ["anterior", "posterior"]},
        "crop": {"rows": [0, 200], "columns": [0, 100], "confidence": 1.0, "method": "whole-body", "reasons": []},
        "review": [{"lesion": 1, "edited": True}],
    }
    accepted = dataclasses.replace(reading.lesions[0], decision="accepted", classification="malignant", edited=True)
    rejected = dataclasses.replace(reading.lesions[1], id=3, decision="rejected", views={})
    lesions = (accepted, reading.lesions[1])
    saved = dataclasses.replace(reading, lesions=lesions, rejected=(rejected,), receipt=receipt)
    save_reading(saved, str(tmp_path / "result"))
    return tmp_path / "result", saved


def test_a_result_is_read_back_with_its_decisions(a_result):
    folder, saved = a_result
    assert is_result(folder)
    found = read_result(folder)
    assert (found.mask == saved.mask).all()
    assert [lesion.decision for lesion in found.lesions] == ["accepted", "open"]
    assert found.lesions[0].classification == "malignant"
    assert [lesion.edited for lesion in found.lesions] == [True, False]
    assert [lesion.decision for lesion in found.rejected] == ["rejected"]
    assert found.rejected[0].area_mm2 == pytest.approx(saved.rejected[0].area_mm2, rel=1e-3)
    assert quantify(found).review == quantify(saved).review
    for name, numbers in saved.regions.items():
        assert (found.regions[name] == numbers).all()
        assert (found.scan.views[name].counts == saved.scan.views[name].counts).all()


@pytest.mark.parametrize(
    ("change", "area"),
    [
        (lambda rows: rows[1].update(decision="rejected"), 2),
        (lambda rows: rows[2].update(decision="open"), 3),
        (lambda rows: rows.pop(0), 1),
    ],
    ids=["a lesion of the masks is rejected", "a rejected lesion is open", "a row is missing"],
)
def test_a_table_that_does_not_fit_the_masks_is_refused(a_result, change, area):
    path = a_result[0] / "lesions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*COLUMNS])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(UserError, match=rf"does not fit the masks \(area {area}\): .*read the scan again"):
        read_result(a_result[0])


def test_a_scan_that_is_gone_or_changed_is_named(a_result):
    folder, _ = a_result
    path = folder.parent / "scan_anterior.nrrd"
    content = path.read_bytes()
    path.write_bytes(content + b"x")
    with pytest.raises(UserError, match="has changed"):
        read_result(folder)
    path.unlink()
    with pytest.raises(UserError, match="no longer there"):
        read_result(folder)


def test_a_damaged_result_is_refused_in_one_sentence(a_result):
    folder, _ = a_result
    (folder / "mask.nrrd").write_bytes(b"no image")
    with pytest.raises(UserError, match="not a complete result"):
        read_result(folder)


@pytest.mark.parametrize(
    "name", ["mask.nrrd", "receipt.json", "probability.nrrd", "mask_posterior.nrrd", "lesions.csv"]
)
def test_a_result_without_one_of_its_files_is_still_a_result_and_the_file_is_named(a_result, name):
    folder, _ = a_result
    (folder / name).unlink()
    assert is_result(folder)
    with pytest.raises(UserError, match=rf"not a complete result \({name} missing\); read the scan again"):
        read_result(folder)


def test_a_result_of_masks_and_tables_is_named_as_such(a_result):
    folder, saved = a_result
    quick = dataclasses.replace(saved, receipt={**saved.receipt, "quick": True})
    save_reading(quick, str(folder), quick=True)
    with pytest.raises(UserError, match=r"masks and tables only.*all files"):
        read_result(folder)
