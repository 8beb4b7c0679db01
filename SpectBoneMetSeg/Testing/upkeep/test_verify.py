"""A receipt read again: the results are reproduced, or the differences are reported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.upkeep.verify import verify_receipt

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A result, and the scan next to it."""
    root = tmp_path_factory.mktemp("verify")
    shutil.copy(SAMPLE, root / "scan.dcm")
    assert main(["segment", str(root / "scan.dcm"), "--output", str(root / "out")]) == 0
    return root


@pytest.fixture
def result(original, tmp_path):
    return Path(shutil.copytree(original / "out" / "scan", tmp_path / "scan"))


def reported(result):
    verdict = verify_receipt(result)
    assert not verdict.holds
    return {each.what for each in verdict.differences}


def test_a_result_holds_to_the_pixel(result, capsys):
    verdict = verify_receipt(result / "receipt.json")
    assert verdict.holds
    assert verdict.same_bytes
    assert verdict.differences == ()
    assert main(["verify", str(result)]) == 0
    assert capsys.readouterr().out == "The results are reproduced, to the pixel.\n"


def test_a_mask_that_was_changed_is_named(result, capsys):
    image = SimpleITK.ReadImage(str(result / "mask.nrrd"))
    image[100, 200, 0] = 1
    SimpleITK.WriteImage(image, str(result / "mask.nrrd"))
    assert reported(result) == {"mask"}
    assert main(["verify", str(result), "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert "1 pixels of mask.nrrd differ" in verdict["differences"][0]["message"]


def test_a_mask_that_is_gone_a_table_and_a_box_that_were_changed_are_named(result):
    (result / "mask_anterior.nrrd").unlink()
    table = (result / "lesions.csv").read_text(encoding="utf-8")
    (result / "lesions.csv").write_text(table.replace(",both,", ",anterior,"), encoding="utf-8")
    receipt = json.loads((result / "receipt.json").read_text(encoding="utf-8"))
    receipt["crop"]["rows"][0] += 1
    (result / "receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    assert reported(result) == {"mask_anterior", "table", "crop"}


def test_a_row_taken_out_of_the_table_is_reported(result):
    rows = (result / "lesions.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (result / "lesions.csv").write_text("".join(rows[:-1]), encoding="utf-8")
    assert reported(result) == {"table"}


def change_json(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda content: content["scan"]["bone_scan_index"].update(percent=9.99), "scan.bone_scan_index.percent"),
        (lambda content: content["lesions"][0].update(area_cm2=1.0), "lesions.area_cm2"),
        (lambda content: content["regions"].pop(), "regions"),
        (lambda content: content["scan"].pop("lesions"), "scan.lesions"),
    ],
)
def test_a_quantification_that_was_changed_is_reported_with_the_place(result, capsys, change, place):
    change_json(result / "quantification.json", change)
    assert reported(result) == {"quantification.json"}
    assert main(["verify", str(result)]) == 1
    assert f"quantification.json differs in {place}: the file was changed" in capsys.readouterr().err


def test_a_bone_scan_index_that_was_changed_in_the_table_is_reported(result):
    lines = (result / "quantification.csv").read_text(encoding="utf-8").splitlines()
    names, scan = lines[0].split(","), lines[1].split(",")
    scan[names.index("bone_scan_index_percent")] = "9.99"
    (result / "quantification.csv").write_text("\n".join([lines[0], ",".join(scan), *lines[2:]]), encoding="utf-8")
    assert reported(result) == {"quantification.csv"}


def change_pixels(path, count):
    image = SimpleITK.ReadImage(str(path))
    values = SimpleITK.GetArrayFromImage(image)
    values.reshape(-1)[:count] += 1
    changed = SimpleITK.GetImageFromArray(values, isVector=image.GetNumberOfComponentsPerPixel() > 1)
    changed.CopyInformation(image)
    SimpleITK.WriteImage(changed, str(path))


@pytest.mark.parametrize("name", ["segmentation.seg.nrrd", "regions.seg.nrrd", "regions_posterior.nrrd"])
def test_segmentations_and_regions_that_were_changed_are_named(result, name):
    change_pixels(result / name, 100)
    verdict = verify_receipt(result)
    assert not verdict.holds
    (difference,) = verdict.differences
    assert f"100 pixels of {name} differ" in difference.message


def test_few_other_pixels_of_the_regions_are_reported_and_accepted(result):
    change_pixels(result / "regions_anterior.nrrd", 5)
    verdict = verify_receipt(result)
    assert verdict.holds
    assert not verdict.same_bytes
    assert "5 pixels of regions_anterior.nrrd differ" in verdict.differences[0].message


@pytest.mark.parametrize(
    "name",
    [
        *("probability.nrrd", "segmentation.seg.nrrd", "regions_anterior.nrrd", "regions.seg.nrrd", "regions.json"),
        *("quantification.json", "quantification.csv", "contours.mrk.json", "overview.png"),
    ],
)
def test_files_that_are_missing_or_empty_are_named(result, name):
    (result / name).unlink()
    assert reported(result) == {name}
    (result / name).touch()
    assert reported(result) == {name}


def test_reports_and_dicom_objects_of_the_receipt_that_are_missing_are_named(result):
    change_json(result / "receipt.json", lambda receipt: receipt.update(outputs=["dicom", "report"]))
    missing = reported(result)
    assert missing >= {"report.html", "report.pdf", "dicom/measurements_sr.dcm", "dicom/overview_sc.dcm"}
    for name in missing:
        (result / name).parent.mkdir(exist_ok=True)
        (result / name).write_bytes(b"x")
    assert verify_receipt(result).holds


def test_a_review_is_named_instead_of_a_changed_file(result, capsys):
    review = [{"lesion": 1, "decision": "accepted", "classification": "", "edited": True}]
    change_json(result / "receipt.json", lambda receipt: receipt.update(review=review))
    change_pixels(result / "mask.nrrd", 10)
    table = (result / "lesions.csv").read_text(encoding="utf-8")
    (result / "lesions.csv").write_text(table.replace(",open,", ",accepted,", 1), encoding="utf-8")
    assert reported(result) == {"review", "mask", "table"}
    assert main(["verify", str(result)]) == 1
    printed = capsys.readouterr().err
    assert "A physician reviewed or edited this result" in printed
    assert "10 pixels of mask.nrrd differ: a physician reviewed or edited the result." in printed
    assert "the file was changed" not in printed


def test_rounding_within_the_tolerance_is_reported_and_accepted(result):
    image = SimpleITK.ReadImage(str(result / "probability.nrrd"))
    values = SimpleITK.GetArrayFromImage(image)
    for shift, holds in ((3e-5, True), (3e-3, False)):
        shifted = SimpleITK.GetImageFromArray((values + np.float32(shift)).astype(np.float32))
        shifted.CopyInformation(image)
        SimpleITK.WriteImage(shifted, str(result / "probability.nrrd"))
        verdict = verify_receipt(result)
        assert verdict.holds == holds
        assert [each.what for each in verdict.differences] == ["probability"]


def test_a_scan_that_moved_is_found_in_the_folder_that_is_named(original, result, tmp_path):
    receipt = json.loads((result / "receipt.json").read_text(encoding="utf-8"))
    receipt["inputs"][0]["file"] = "/no/longer/here/scan.dcm"
    (result / "receipt.json").write_text(json.dumps(receipt), encoding="utf-8")
    with pytest.raises(UserError, match="name the folder where it lies now"):
        verify_receipt(result)
    assert verify_receipt(result, files=original).holds
    (tmp_path / "scan.dcm").write_bytes(b"another")
    with pytest.raises(UserError, match="SHA-256 differs"):
        verify_receipt(result, files=tmp_path)


def test_another_model_is_not_taken_for_that_of_the_receipt(result):
    with pytest.raises(UserError, match="was read with version"):
        verify_receipt(result, model="thorax")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"model": {"sha256": "x"}, "inputs": [], "options": {}}',
        '{"model": {"sha256": "x", "name": "y"}, "inputs": [1], "options": {}}',
        '{"model": {"sha256": "x"}, "inputs": [{}], "options": {}}',
    ],
)
def test_what_is_no_receipt_is_named(tmp_path, content, capsys):
    (tmp_path / "receipt.json").write_text(content)
    assert main(["verify", str(tmp_path / "receipt.json")]) == 1
    message = capsys.readouterr().err
    assert "is not a receipt of a reading" in message
    assert "indices" not in message
    assert "('" not in message
    assert main(["verify", str(tmp_path / "nothing")]) == 1
