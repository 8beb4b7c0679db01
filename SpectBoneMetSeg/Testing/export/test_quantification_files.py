"""The files of numbers: their schema, their units, and the same numbers in each."""

import csv
import json

import jsonschema
import numpy as np
import pytest
import SimpleITK
import slicerio
from SpectBoneMetSegLib.common.resources import resources_folder
from SpectBoneMetSegLib.export.quantification_files import QUANTITY_COLUMNS
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.export.savable_reading import SavableReading
from SpectBoneMetSegLib.export.table import COLUMNS
from SpectBoneMetSegLib.quantification.as_dict import SCHEMA_VERSION
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop, whole_field

#: What a number's name may end in, or hold, to state its unit; the others are ratios and counts of things.
UNITS = ("_cm2", "_counts", "_counts_per_pixel", "_percent")
WITHOUT_UNIT = {
    *("level", "ID", "bone", "side", "snomed_ct", "bones_with_shares", "seen_in", "lesions", "decision", "edited"),
    *("classification", "decided_by", "not_counted_because", "bone_scan_index_not_computable_because", "confidence"),
    *(f"{view}_{ratio}" for view in ("anterior", "posterior") for ratio in ("contrast", "contralateral_ratio")),
}


def with_regions(reading_factory, **changes):
    """The made-up reading with a left femur under its first spot and ribs under the second."""
    reading = reading_factory(crop=changes.pop("crop", None) or whole_field((96, 48)))
    front = np.zeros(reading.mask.shape, np.uint8)
    front[18:27, 8:20], front[27:34, 26:36] = 60, 7
    regions = {"anterior": front, "posterior": front[:, ::-1].copy()}
    known = {name: getattr(reading, name) for name in reading.__dataclass_fields__}
    return SavableReading(**{**known, "regions": regions, **changes})


@pytest.fixture
def a_folder(reading_factory, tmp_path):
    save_reading(with_regions(reading_factory), str(tmp_path / "case"))
    return tmp_path / "case"


def reported(folder):
    return json.loads((folder / "quantification.json").read_text(encoding="utf-8"))


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def schema():
    path = resources_folder(holding="Schemas") / "Schemas" / "quantification.schema.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def test_the_json_follows_its_schema_with_and_without_regions_and_in_a_box(reading_factory, tmp_path, schema):
    readings = {
        "whole": with_regions(reading_factory),
        "box": with_regions(reading_factory, crop=ThoraxCrop((16, 56), (4, 44), 0.9)),
        "none": with_regions(reading_factory, regions={}),
        "one view": reading_factory(("posterior",)),
        "nothing found": reading_factory(spots=()),
    }
    for name, reading in readings.items():
        save_reading(reading, str(tmp_path / name))
        jsonschema.validate(reported(tmp_path / name), schema)


def test_a_number_without_a_reason_or_a_reason_with_a_number_breaks_the_schema(a_folder, schema):
    wrong = reported(a_folder)
    wrong["scan"]["bone_scan_index"] |= {"percent": 1.5}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_schema_and_file_have_one_version(a_folder, schema):
    assert schema["properties"]["schema_version"]["const"] == reported(a_folder)["schema_version"] == SCHEMA_VERSION


def test_every_number_has_its_unit_in_its_name():
    assert [name for name in QUANTITY_COLUMNS if not name.endswith(UNITS) and name not in WITHOUT_UNIT] == []


def test_table_and_json_hold_the_same_numbers(a_folder):
    rows, found = rows_of(a_folder / "quantification.csv"), reported(a_folder)
    assert tuple(rows[0]) == QUANTITY_COLUMNS
    assert [row["level"] for row in rows] == ["scan", *["region"] * len(found["regions"]), *["lesion"] * 3]
    for row, lesion in zip(rows[-3:], found["lesions"], strict=True):
        assert row["bone"] == (lesion["bones"][0]["name"] if lesion["bones"] else "")
        for view, shown in lesion["views"].items():
            uptake = row[f"{view}_total_lesion_uptake_counts"]
            assert float(uptake) == pytest.approx(shown["total_lesion_uptake_counts"], rel=1e-5)
    assert float(rows[0]["area_cm2"]) == pytest.approx(found["scan"]["lesion_area_cm2"], rel=1e-5)


def test_lesions_table_names_bone_and_side(a_folder):
    rows = rows_of(a_folder / "lesions.csv")
    assert {"bone", "side"} < set(COLUMNS)
    assert [(row["bone"], row["side"]) for row in rows[:2]] == [("femur", "right"), ("ribs", "left")]


def test_an_index_that_cannot_be_computed_is_no_number_anywhere(reading_factory, tmp_path):
    save_reading(with_regions(reading_factory, crop=ThoraxCrop((16, 56), (4, 44), 0.9)), str(tmp_path / "box"))
    index = reported(tmp_path / "box")["scan"]["bone_scan_index"]
    assert index["percent"] is None
    assert (index["computable"], bool(index["reason"]), bool(index["remedy"])) == (False, True, True)
    row = rows_of(tmp_path / "box" / "quantification.csv")[0]
    assert row["bone_scan_index_percent"] == ""
    assert index["reason"] in row["bone_scan_index_not_computable_because"]


def test_from_python_the_reading_has_its_quantification(reading_factory):
    reading = with_regions(reading_factory)
    assert reading.quantification is reading.quantification
    assert [lesion.id for lesion in reading.quantification.lesions] == [1, 2, 3]
    assert list(reading.to_dataframe()["side"])[:2] == ["right", "left"]


def test_regions_lie_in_a_segmentation_of_their_own_with_a_layer_per_view(a_folder, reading_factory):
    reading = with_regions(reading_factory)
    found = slicerio.read_segmentation(str(a_folder / "regions.seg.nrrd"))
    assert [segment["id"] for segment in found["segments"]] == [
        *("anterior_7", "anterior_60", "posterior_7", "posterior_60")
    ]
    image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(a_folder / "regions.seg.nrrd")))
    assert image.shape == (1, 96, 48, 2)
    assert (image[0, ..., 0] == reading.regions["anterior"]).all()
    assert (image[0, ..., 1] == reading.regions["posterior"][:, ::-1]).all()


def test_names_sides_and_codes_of_regions_are_next_to_them(a_folder):
    listed = json.loads((a_folder / "regions.json").read_text())
    femur = next(each for each in listed["regions"] if each["number"] == 60)
    assert (femur["name"], femur["side"], femur["code"]["value"]) == ("femur", "right", "71341001")
    assert femur["laterality"]["value"] == "24028007"
    assert {each["segment"] for each in listed["segments"]} >= {"anterior_60", "posterior_7"}
