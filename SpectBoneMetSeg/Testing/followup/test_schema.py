"""`comparison.json` follows the schema that is shipped with it."""

import copy
import dataclasses
import json

import jsonschema
import pytest
from SpectBoneMetSegLib.common.resources import resources_folder
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.followup.files import SCHEMA_VERSION, save_comparison
from SpectBoneMetSegLib.scan.planar import ScanSource
from support.bodies import make_body

BOTH, FRONT = {"anterior": 80.0, "posterior": 80.0}, {"anterior": 80.0}
FEMUR, SPINE, SKULL = ((120, 126), (60, 64)), ((74, 80), (48, 52)), ((14, 20), (46, 50))
LARGE_FEMUR = ((116, 130), (58, 66))


def dated(reading, date, **receipt):
    scan = dataclasses.replace(
        reading.scan, case=f"scan {date}", source=ScanSource(description={"study_date": date} if date else {})
    )
    return dataclasses.replace(reading, scan=scan, receipt={**reading.receipt, **receipt})


def without_back(reading):
    """The same reading of a scan whose posterior view was not taken."""
    scan = dataclasses.replace(reading.scan, posterior=None)
    masks = {name: ids for name, ids in reading.view_masks.items() if name == "anterior"}
    regions = {name: numbers for name, numbers in reading.regions.items() if name == "anterior"}
    return dataclasses.replace(reading, scan=scan, view_masks=masks, regions=regions)


@pytest.fixture(scope="module")
def schema():
    path = resources_folder(holding="Schemas") / "Schemas" / "comparison.schema.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def reported(folder, *readings):
    save_comparison(compare(readings), folder)
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


SCANS = {
    "everything that can become of a lesion": (
        dated(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240101"),
        dated(make_body((*LARGE_FEMUR, BOTH), (*SKULL, BOTH)), "20240701"),
        dated(make_body((*FEMUR, BOTH), (*SKULL, BOTH)), "20250101"),
    ),
    "no lesion": (dated(make_body(), "20240101"), dated(make_body(), "20240701")),
    "no region": tuple(
        dataclasses.replace(dated(make_body((*FEMUR, BOTH)), date), regions={}) for date in ("20240101", "20240701")
    ),
    "no day, other models, a study": (
        dated(make_body((*FEMUR, BOTH)), "", model={"name": "one", "version": "1"}, study_instance_uid="1.2.3"),
        dated(make_body((*FEMUR, BOTH)), "20240701", model={"name": "two", "version": "1"}),
    ),
    "one view less": (
        dated(make_body((*FEMUR, FRONT), (*SPINE, {"posterior": 80.0})), "20240101"),
        without_back(dated(make_body((*FEMUR, FRONT)), "20240701")),
    ),
}


@pytest.mark.parametrize("readings", SCANS.values(), ids=SCANS)
def test_the_json_follows_its_schema(tmp_path, schema, readings):
    found = reported(tmp_path / "out", *readings)
    jsonschema.validate(found, schema)
    assert found["schema_version"] == SCHEMA_VERSION == schema["properties"]["schema_version"]["const"]
    assert len(found["steps"]) == len(found["scans"]) - 1


def test_every_change_that_the_schema_knows_is_among_what_was_tried(tmp_path, schema):
    found = reported(tmp_path / "out", *SCANS["everything that can become of a lesion"])
    changes = {point["change"] for lesion in found["lesions"] for point in lesion["scans"]}
    changes |= {
        point["change"]
        for lesion in reported(tmp_path / "other", *SCANS["one view less"])["lesions"]
        for point in lesion["scans"]
    }
    steady = (dated(make_body((*FEMUR, BOTH)), "20240101"), dated(make_body((*FEMUR, BOTH)), "20240701"))
    changes |= {
        point["change"] for lesion in reported(tmp_path / "third", *steady)["lesions"] for point in lesion["scans"]
    }
    assert changes == set(schema["$defs"]["point"]["properties"]["change"]["enum"])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda reported: reported["scans"][0].update(bone_scan_index_percent=None),
        lambda reported: reported["scans"][0].update(bone_scan_index_not_computable_because="cut by the field"),
        lambda reported: reported["steps"][0].update(new=-1),
        lambda reported: reported["steps"][0].update(bones_in_place=1.2),
        lambda reported: reported["lesions"][0]["scans"][0].update(change="progressive"),
        lambda reported: reported["lesions"][0]["scans"][0].update(change="gone"),
        lambda reported: reported["lesions"][0]["scans"][0].update(ids=[0]),
        lambda reported: reported.update(patient="name"),
        lambda reported: reported.pop("warnings"),
        lambda reported: reported.update(schema_version="1.0"),
    ],
)
def test_what_contradicts_itself_or_is_not_foreseen_breaks_the_schema(tmp_path, schema, break_it):
    found = reported(tmp_path / "out", *SCANS["everything that can become of a lesion"])
    wrong = copy.deepcopy(found)
    wrong["lesions"] = [each for each in wrong["lesions"] if each["scans"][0]["ids"]]
    jsonschema.validate(wrong, schema)
    break_it(wrong)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)
