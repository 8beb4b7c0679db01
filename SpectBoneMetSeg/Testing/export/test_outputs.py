"""DICOM objects and report next to the result files: complete or not at all, without forbidden names."""

import dataclasses
import json
import os
import re
import zlib
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.export import outputs as module
from SpectBoneMetSegLib.export.outputs import (
    Outputs,
    _without_files,
    check_packages,
    write_dicom,
    write_outputs,
    write_report,
)
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.export.savable_reading import SavableReading
from SpectBoneMetSegLib.scan.planar import ScanSource

DICOM = {"seg_anterior.dcm", "seg_posterior.dcm", "measurements_sr.dcm", "report.dcm", "overview_sc.dcm"}
REPORT = {"report.html", "report.pdf"}


def text_in(path: Path) -> bytes:
    """All bytes of a file, and of the streams that a PDF packs."""
    data = path.read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.S)
    unpacked = []
    for stream in streams:
        try:
            unpacked.append(zlib.decompress(stream.strip(b"\r\n")))
        except zlib.error:
            continue
    return b"\n".join([data, *unpacked])


def names_found(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """{file: names in it}, words of PDF pages included."""
    import pypdfium2

    found = {}
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = text_in(path)
        if path.suffix == ".pdf":
            document = pypdfium2.PdfDocument(path)
            data += "".join(document[i].get_textpage().get_text_range() for i in range(len(document))).encode()
        hits = [name for name in names if name.encode() in data or name in path.name]
        if hits:
            found[path.name] = hits
    return found


@pytest.fixture(scope="module")
def a_reading_of_dicom(dicom_reading):
    return dicom_reading()


@pytest.fixture
def identity(patient_names):
    """What could identify the patient; names in both orders."""
    parts = [part for value in patient_names.values() for part in value.split("^")]
    return [*parts, "Gisela Geheim"]


def test_everything_requested_appears_with_the_result(a_reading_of_dicom, tmp_path):
    notes = save_reading(a_reading_of_dicom, str(tmp_path / "case"), Outputs(dicom=True, report=True))
    assert notes == []
    assert set(os.listdir(tmp_path / "case" / "dicom")) == DICOM
    assert set(os.listdir(tmp_path / "case")) >= REPORT | {"receipt.json", "overview.png"}
    assert '"outputs": [\n    "dicom",\n    "report"\n  ]' in (tmp_path / "case" / "receipt.json").read_text()
    save_reading(a_reading_of_dicom, str(tmp_path / "case"))
    assert not (REPORT | {"dicom"}) & set(os.listdir(tmp_path / "case"))


def test_a_users_own_file_among_the_dicom_objects_is_not_changed(a_reading_of_dicom, tmp_path):
    save_reading(a_reading_of_dicom, str(tmp_path / "case"), Outputs(dicom=True))
    (tmp_path / "case" / "dicom" / "mine.dcm").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"dicom/mine\.dcm"):
        save_reading(a_reading_of_dicom, str(tmp_path / "case"), Outputs(dicom=True))
    assert (tmp_path / "case" / "dicom" / "mine.dcm").read_bytes() == b"mine"


def test_a_scan_that_is_no_dicom_has_its_other_files_and_one_sentence(a_reading, tmp_path):
    (note,) = save_reading(a_reading, str(tmp_path / "case"), Outputs(dicom=True, report=True))
    assert note.startswith("No DICOM results: case one was not read from DICOM")
    assert not (tmp_path / "case" / "dicom").exists()
    assert (tmp_path / "case" / "report.pdf").is_file()
    assert note in (tmp_path / "case" / "receipt.json").read_text(encoding="utf-8")


def test_all_objects_lie_in_the_scans_study_and_are_valid(a_reading_of_dicom, tmp_path, validate):
    files = write_dicom(a_reading_of_dicom, tmp_path / "dicom")
    assert {file.name for file in files} == DICOM
    source = pydicom.dcmread(a_reading_of_dicom.scan.source.files[0])
    objects = [pydicom.dcmread(file) for file in files]
    for made in objects:
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"):
            assert made[keyword].value == source[keyword].value
    assert len({made.SeriesInstanceUID for made in objects}) == len(objects)
    for file in files:
        assert validate(file) == []


def test_the_report_in_dicom_is_the_pdf(a_reading_of_dicom, tmp_path):
    write_dicom(a_reading_of_dicom, tmp_path)
    write_report(a_reading_of_dicom, tmp_path / "report.pdf")
    made = pydicom.dcmread(tmp_path / "report.dcm")
    pdf = made.EncapsulatedDocument[: made.EncapsulatedDocumentLength]
    assert pdf == (tmp_path / "report.pdf").read_bytes()
    assert made.MIMETypeOfEncapsulatedDocument == "application/pdf"


def test_objects_of_an_earlier_reading_do_not_stay_beside_those_of_a_newer_one(a_reading_of_dicom, tmp_path):
    write_dicom(a_reading_of_dicom, tmp_path)
    earlier = {name: pydicom.dcmread(tmp_path / name).SOPInstanceUID for name in DICOM}
    (tmp_path / "of the user.dcm").touch()
    none = {name: 0 * mask for name, mask in a_reading_of_dicom.view_masks.items()}
    mask = 0 * a_reading_of_dicom.mask
    files = write_dicom(dataclasses.replace(a_reading_of_dicom, lesions=(), mask=mask, view_masks=none), tmp_path)
    assert {file.name for file in files} == {"measurements_sr.dcm", "report.dcm", "overview_sc.dcm"}
    assert set(tmp_path.iterdir()) == {*files, tmp_path / "of the user.dcm"}
    # Another content is another instance.
    assert not {pydicom.dcmread(file).SOPInstanceUID for file in files} & set(earlier.values())


def test_a_second_run_writes_the_same_instances(a_reading_of_dicom, tmp_path):
    def uids(folder):
        return {file.name: pydicom.dcmread(file).SOPInstanceUID for file in write_dicom(a_reading_of_dicom, folder)}

    assert uids(tmp_path / "one") == uids(tmp_path / "two")


def test_only_dicom_objects_that_are_filed_under_the_patient_name_him(a_reading_of_dicom, tmp_path, identity):
    save_reading(a_reading_of_dicom, str(tmp_path / "case"), Outputs(dicom=True, report=True))
    found = names_found(tmp_path / "case", identity)
    assert set(found) == DICOM
    # The images name who acquired them; our objects do not repeat it.
    assert all("Bediener" not in hits for hits in found.values())


def test_nobody_is_named_in_de_identified_results(a_reading_of_dicom, tmp_path, identity, validate):
    scan = dataclasses.replace(a_reading_of_dicom.scan, case="Geheim_Gisela")
    reading = dataclasses.replace(a_reading_of_dicom, scan=scan)
    assert write_outputs(reading, tmp_path, Outputs(dicom=True, report=True, de_identify=True)) == []
    assert names_found(tmp_path, [*identity, "Geheim_Gisela", *scan.source.sop_instance_uids]) == {}
    study = pydicom.dcmread(scan.source.files[0]).StudyInstanceUID
    objects = {file.name: pydicom.dcmread(file) for file in (tmp_path / "dicom").iterdir()}
    assert set(objects) == DICOM
    assert {made.PatientIdentityRemoved for made in objects.values()} == {"YES"}
    assert len({made.StudyInstanceUID for made in objects.values()} | {study}) == 2
    for name in DICOM:
        assert validate(tmp_path / "dicom" / name) == []


def test_de_identified_objects_still_refer_to_each_other(a_reading_of_dicom, tmp_path):
    write_dicom(a_reading_of_dicom, tmp_path, de_identify=True)
    seg, report = (pydicom.dcmread(tmp_path / name) for name in ("seg_anterior.dcm", "measurements_sr.dcm"))
    referred, tracked = set(), set()

    def look(_, element):
        if element.keyword == "ReferencedSOPInstanceUID":
            referred.add(str(element.value))
        if element.keyword == "UID":
            tracked.add(str(element.value))

    report.walk(look)
    assert str(seg.SOPInstanceUID) in referred
    assert {str(item.TrackingUID) for item in seg.SegmentSequence} <= tracked
    assert str(seg.file_meta.MediaStorageSOPInstanceUID) == str(seg.SOPInstanceUID)


def test_a_report_names_the_patient_on_request(a_reading_of_dicom, tmp_path, patient_names):
    write_outputs(a_reading_of_dicom, tmp_path, Outputs(dicom=True, report=True, name_patient=True))
    assert patient_names["PatientName"] in (tmp_path / "report.html").read_text(encoding="utf-8")
    # What goes into the archive is named by its header alone.
    made = pydicom.dcmread(tmp_path / "dicom" / "report.dcm")
    (tmp_path / "inside.pdf").write_bytes(made.EncapsulatedDocument)
    assert "inside.pdf" not in names_found(tmp_path, ["Geheim"])


def test_a_reading_writes_dicom_and_report_by_itself(a_reading_of_dicom, tmp_path):
    parts = {item.name: getattr(a_reading_of_dicom, item.name) for item in dataclasses.fields(a_reading_of_dicom)}
    reading = SavableReading(**parts)
    assert {file.name for file in reading.to_dicom(tmp_path / "out")} == DICOM
    reading.report(tmp_path / "page.html")
    reading.report(str(tmp_path / "page.pdf"))
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UserError, match=r"page\.doc is not a report"):
        reading.report(tmp_path / "page.doc")


def test_missing_packages_and_contradictions_are_reported_before_any_work(monkeypatch):
    with pytest.raises(UserError, match="both named and removed"):
        check_packages(Outputs(report=True, de_identify=True, name_patient=True))
    monkeypatch.setattr(module, "is_installed", lambda name: name != "highdicom")
    check_packages(Outputs(report=True))
    with pytest.raises(UserError, match=r"need highdicom: pip install 'spectbonemetseg\[results\]'"):
        check_packages(Outputs(dicom=True))


def test_a_short_name_is_taken_out_where_it_stands_alone(a_reading_of_dicom):
    source = dataclasses.replace(a_reading_of_dicom.scan.source, files=("/archive/1.dcm",))
    scan = dataclasses.replace(a_reading_of_dicom.scan, case="1", source=source)
    reading = dataclasses.replace(a_reading_of_dicom, scan=scan)
    note = "1.dcm of 1 has 10 areas at 2.16 mm; /archive/1.dcm is view 1."
    assert _without_files(note, reading) == "the file of the scan has 10 areas at 2.16 mm; the file is view the scan."


@pytest.mark.parametrize("given", ["Doe/x.dcm", "../Doe/x.dcm", "/home/me/../Doe/x.dcm", "x.dcm", "Roe/x.dcm"])
def test_a_file_is_taken_out_with_the_folders_by_which_the_user_named_it(a_reading_of_dicom, given):
    files = ("/home/me/../Doe/x.dcm", "/home/me/../Roe/x.dcm")
    scan = dataclasses.replace(a_reading_of_dicom.scan, source=ScanSource(files))
    reading = dataclasses.replace(a_reading_of_dicom, scan=scan)
    assert _without_files(f"Left out: {given}.", reading) == "Left out: the file."


@pytest.mark.filterwarnings("ignore")
def test_one_sentence_names_the_header_values_that_dicom_results_lack_and_not_the_values(
    dicom_reading, monkeypatch, tmp_path
):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    reading = dicom_reading("two-frame")
    file = Path(reading.scan.source.files[0])
    header = pydicom.dcmread(file)
    header.PatientBirthDate, header.StudyTime, header.StudyDate = "around 1950", "noon", "2024.01.31"
    header.save_as(file)
    origin = dataclasses.replace(reading.scan.source, sha256=(sha256_of(file),))
    changed = dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, source=origin))
    (note,) = save_reading(changed, str(tmp_path / "case"), Outputs(dicom=True))
    assert note.startswith("The DICOM results have no value for Study Time, Patient's Birth Date, because")
    assert "1950" not in note
    assert note in json.loads((tmp_path / "case" / "receipt.json").read_text(encoding="utf-8"))["warnings"]
