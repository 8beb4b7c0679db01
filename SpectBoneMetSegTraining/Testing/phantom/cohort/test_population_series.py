"""Patients with follow-ups, and bodies held out for the test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from SpectBoneMetSegTrainingLib.dataset.cases import (
    load_case,
    read_json,
)
from SpectBoneMetSegTrainingLib.phantom.cohort import population
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    Population,
    case_name,
    simulate_population,
)
from support.cohort import contents

pytestmark = pytest.mark.usefixtures("quick")


def test_only_test_patients_have_held_out_bodies_and_only_where_that_is_wanted(tmp_path):
    for held_out in (True, False):
        request = Population(4, seed=3, test_share=0.5, unlabelled=1, dicom=False, held_out=held_out)
        folder = tmp_path / str(held_out)
        simulate_population(folder, request)
        for index in range(5):
            record = read_json(folder / "instances" / f"{case_name(request, index)}.json")
            assert record["parameters"]["held_out"] == (held_out and record["split"] == "test")


SERIAL = Population(8, seed=5, test_share=0.5, series=0.6, dicom=True)


def test_patients_with_later_scans_have_all_their_scans_in_one_split(tmp_path):
    simulate_population(tmp_path, SERIAL)
    paths = sorted((tmp_path / "instances").glob("*.json"))
    records = [read_json(path) for path in paths]
    scans = [SERIAL.scans(index) for index in range(8)]
    assert len(records) == sum(scans) > 8
    assert min(scans) == 1
    assert all(count in (1, 2, 3, 4) for count in scans)
    for patient in {record["patient"] for record in records}:
        theirs = [record for record in records if record["patient"] == patient]
        assert len({record["split"] for record in theirs}) == 1
        assert [record["scan"] for record in theirs] == list(range(len(theirs)))
        assert [record["case"] for record in theirs] == [patient, *(f"{patient}_s{i}" for i in range(1, len(theirs)))]
        assert [record["lesions"][0]["change"] for record in theirs] == ["baseline", *["grown"] * (len(theirs) - 1)]
    whose = {record["case"]: record["patient"] for record in records}
    for fold in read_json(tmp_path / "splits.json")["folds"]:
        assert not {whose[case] for case in fold["train"]} & {whose[case] for case in fold["val"]}
    headers = [pydicom.dcmread(tmp_path / "dicom" / f"{record['case']}.dcm") for record in records]
    assert [str(header.PatientID) for header in headers] == [record["patient"] for record in records]
    assert len({header.StudyInstanceUID for header in headers}) == len(records)
    dates = {(record["patient"], header.StudyDate) for record, header in zip(records, headers, strict=True)}
    assert len(dates) == len(records)


def test_an_interrupted_series_continues_from_its_last_scan(tmp_path, monkeypatch):
    simulate_population(tmp_path / "whole", SERIAL)
    simulate_population(tmp_path / "broken", SERIAL)
    again = max(range(8), key=SERIAL.scans)
    name = case_name(SERIAL, again)
    (tmp_path / "broken" / "instances" / f"{name}_s1.json").unlink()
    written = []
    real = population.write_simulated

    def noted(folder, split, simulated, *rest, **options):
        written.append(simulated.scan.case)
        real(folder, split, simulated, *rest, **options)

    monkeypatch.setattr(population, "write_simulated", noted)
    simulate_population(tmp_path / "broken", SERIAL)
    assert written == [f"{name}_s1"]
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")


def test_a_baseline_does_not_depend_on_whether_others_come_again(tmp_path):
    simulate_population(tmp_path / "once", replace(SERIAL, series=0.0, dicom=False))
    simulate_population(tmp_path / "serial", replace(SERIAL, dicom=False))
    for index in range(8):
        name = case_name(SERIAL, index)
        one, two = (load_case(tmp_path / folder, name) for folder in ("once", "serial"))
        assert np.array_equal(one.counts["anterior"], two.counts["anterior"])
        assert np.array_equal(one.labels["anterior"], two.labels["anterior"])
