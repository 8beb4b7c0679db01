"""Results sent to a real archive and retrieved, by DIMSE and by DICOMweb, and a receiver between the two."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.receiving.sending import Destination, DicomObject, objects_in, send
from support.dicom_net import store, until
from support.labels import maps_of, read
from support.orthanc import Orthanc, missing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "Resources" / "Sample" / "simulated_scan.dcm"
READING = ["--region", "whole-body", "--report"]


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    assert main(["segment", str(SAMPLE), "--output", str(folder), "--dicom", *READING]) == 0
    return folder / "simulated_scan"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Orthanc().running(tmp_path_factory.mktemp("orthanc")) as found:
        yield found


@pytest.fixture
def orthanc(running):
    running.clear()
    return running


@pytest.fixture
def web(orthanc):
    from dicomweb_client.api import DICOMwebClient

    return DICOMwebClient(orthanc.dicomweb)


def sample():
    header = pydicom.dcmread(SAMPLE, stop_before_pixels=True)
    return DicomObject(SAMPLE, str(header.SOPClassUID), str(header.SOPInstanceUID))


def by_dimse(orthanc, web, parcels):
    place = Destination(orthanc.title, "127.0.0.1", orthanc.dicom)
    reported: list[str] = []
    outcome = send(
        [item for item in parcels if item.file != SAMPLE], place, "READER", reported.append, threading.Event()
    )
    assert (outcome.interruption, outcome.refused) == ("", {})
    assert outcome.stored == reported
    # The scan as a camera sends it: compressed, which results never are.
    (answer,) = store(orthanc.dicom, pydicom.dcmread(SAMPLE), calling="CAMERA", called=orthanc.title)
    assert answer.Status == 0


def by_stow(orthanc, web, parcels):
    web.store_instances([pydicom.dcmread(item.file) for item in parcels])


def found(web, parcels):
    """{UID: object} of all that QIDO finds of the study and WADO brings."""
    study = str(pydicom.dcmread(parcels[0].file).StudyInstanceUID)
    series_uid, sop_uid = "0020000E", "00080018"
    listed = web.search_for_instances(study, fields=[series_uid, sop_uid])
    return {
        each[sop_uid]["Value"][0]: web.retrieve_instance(
            # As it is stored.
            *(study, each[series_uid]["Value"][0], each[sop_uid]["Value"][0]),
            media_types=(("application/dicom", "*"),),
        )
        for each in listed
    }


@pytest.mark.parametrize("road", [by_dimse, by_stow])
def test_every_object_comes_back_as_it_was_sent(orthanc, web, result, road):
    parcels = [sample(), *objects_in(result)]
    assert len(parcels) == 6
    road(orthanc, web, parcels)
    back = found(web, parcels)
    assert set(back) == {item.sop_uid for item in parcels}
    for item in parcels:
        sent, got = pydicom.dcmread(item.file), back[item.sop_uid]
        assert got == sent, item.file.name
        for keyword in ("PixelData", "EncapsulatedDocument"):
            assert got.get(keyword) == sent.get(keyword)


def test_segments_and_references_of_what_comes_back_are_those_of_the_scan(orthanc, web, result, tmp_path):
    parcels = [sample(), *objects_in(result)]
    by_dimse(orthanc, web, parcels)
    back, scan = found(web, parcels), read_scan(SAMPLE)
    for name in ("anterior", "posterior"):
        (seg,) = (
            each for each in back.values() if each.get("SeriesDescription", "").startswith(f"Abnormal uptake, {name}")
        )
        seg.save_as(tmp_path / f"{name}.dcm", enforce_file_format=True)
        outline = maps_of(read(scan, tmp_path / f"{name}.dcm"), scan)[name] > 0
        ids = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(result / f"mask_{name}.nrrd")))[0]
        np.testing.assert_array_equal(outline, (ids if name == "anterior" else ids[:, ::-1]) > 0)
        assert {image.ReferencedSOPInstanceUID for image in seg.SourceImageSequence} <= set(back)
    report = next(each for each in back.values() if each.Modality == "SR")
    named = {
        str(image.ReferencedSOPInstanceUID)
        for study in report.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for image in series.ReferencedSOPSequence
    }
    assert len(named) == 3
    assert named <= set(back)


@pytest.fixture
def serve(orthanc, tmp_path):
    """Starts a receiver that Orthanc sends to and that sends to Orthanc; all are ended."""
    processes = []

    def start():
        command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "serve", str(tmp_path / "spool")]
        command += ["--output", str(tmp_path / "out"), "--accept", orthanc.title, "--port", str(orthanc.reader_port)]
        command += ["--send-to", f"{orthanc.title}@127.0.0.1:{orthanc.dicom}", "--wait", "1", *READING]
        log = (tmp_path / "log").open("ab")
        processes.append(subprocess.Popen(command, stderr=log))
        until(lambda: (tmp_path / "log").read_text().count("Listening on") == len(processes), 60)
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_receiver_reads_what_orthanc_sends_and_returns_the_results(orthanc, web, serve, tmp_path):
    by_stow(orthanc, web, [sample()])
    (study,) = orthanc.ask("/studies")
    process = serve()
    assert orthanc.ask("/modalities/reader/store", study)["FailedInstancesCount"] == 0
    until(lambda: len(orthanc.ask("/instances")) == 6, 300)
    until(lambda: '"over": true' in next((tmp_path / "spool" / "journal").glob("*.json")).read_text())
    (case,) = (tmp_path / "out").glob("study-*")
    parcels = objects_in(case)
    back = found(web, parcels)
    assert all(back[item.sop_uid] == pydicom.dcmread(item.file) for item in parcels)
    before = (case / "receipt.json").stat().st_mtime_ns

    # The archive sends everything it has, our own results among it, to a receiver that was killed meanwhile.
    process.kill()
    process.wait()
    process = serve()
    assert orthanc.ask("/modalities/reader/store", study)["FailedInstancesCount"] == 0
    until(lambda: (tmp_path / "log").read_text().count("1 kept") == 2)
    for kind in ("SEG", "SR", "DOC", "OT"):
        assert f"not kept: modality {kind}" in (tmp_path / "log").read_text()
    process.terminate()
    assert process.wait(30) == 0
    assert len(orthanc.ask("/instances")) == 6
    assert (case / "receipt.json").stat().st_mtime_ns == before
    printed = (tmp_path / "log").read_text()
    assert printed.count("sent 5 of 5 objects") == 1
    assert printed.count("complete with") == 1
    name = str(pydicom.dcmread(SAMPLE).PatientName)
    assert name
    assert name not in printed


def test_a_receiver_that_is_killed_while_it_reads_reads_the_study_after_a_restart(orthanc, web, serve, tmp_path):
    by_stow(orthanc, web, [sample()])
    (study,) = orthanc.ask("/studies")
    process = serve()
    orthanc.ask("/modalities/reader/store", study)
    until(lambda: "reading." in (tmp_path / "log").read_text())
    process.kill()
    process.wait()
    assert len(orthanc.ask("/instances")) == 1
    serve()
    until(lambda: len(orthanc.ask("/instances")) == 6, 300)
    assert len(list((tmp_path / "out").glob("study-*"))) == 1


def test_the_rule_that_the_documents_name_sends_scans_and_no_results(orthanc, web, serve, tmp_path):
    rule = (ROOT / "docs" / "departments.md").read_text(encoding="utf-8").split("```lua\n")[1].split("```")[0]
    serve()
    orthanc.ask("/tools/execute-script", rule)
    try:
        by_stow(orthanc, web, [sample()])
        until(lambda: len(orthanc.ask("/instances")) == 6, 300)
        until(lambda: "sent 5 of 5 objects" in (tmp_path / "log").read_text())
    finally:
        orthanc.ask("/tools/execute-script", "OnStoredInstance = nil")
    assert "not kept" not in (tmp_path / "log").read_text()
