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
