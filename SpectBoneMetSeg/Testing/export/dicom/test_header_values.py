"""Header values that DICOM does not allow never prevent results: they are corrected or left empty."""

import dataclasses
import warnings
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.export.dicom.segmentation import segmentation
from SpectBoneMetSegLib.export.dicom.source import source_views
from SpectBoneMetSegLib.export.outputs import write_dicom
from SpectBoneMetSegLib.quantification.quantify import quantify


def with_value(reading, keyword, value):
    """The reading, of files whose headers have that value."""
    files = [Path(file) for file in reading.scan.source.files]
    for file in files:
        header = pydicom.dcmread(file)
        setattr(header, keyword, value)
        header.save_as(file)
    origin = dataclasses.replace(reading.scan.source, sha256=tuple(map(sha256_of, files)))
    return dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, source=origin))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("keyword", "stored", "repeated"),
    [
        ("StudyDate", "2024.01.31", "20240131"),
        ("StudyDate", "20241399", ""),
        ("StudyTime", "12:05:00", "120500"),
        ("StudyTime", "noon", ""),
        ("PatientBirthDate", "1950", ""),
        ("PatientSex", "W", ""),
        ("PatientSex", "F", "F"),
        ("PatientName", "Last\\First", "Last First"),
        ("PatientName", "Last^First", "Last^First"),
        ("SpecificCharacterSet", "NONSENSE", "ISO_IR 192"),
        ("SpecificCharacterSet", "ISO_IR 100\\ISO_IR 192", "ISO_IR 192"),
    ],
)
def test_an_odd_value_is_corrected_or_left_empty_in_the_results(dicom_reading, monkeypatch, keyword, stored, repeated):
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    changed = with_value(dicom_reading("two-frame"), keyword, stored)
    for name, source in source_views(changed).items():
        assert str(segmentation(changed, name, source, quantify(changed)).get(keyword) or "") == repeated


@pytest.mark.parametrize("de_identify", [False, True])
@pytest.mark.parametrize("variant", ["two-frame", "single-files"])
@pytest.mark.parametrize("name", ["Madonna", "Maria Muster", "Muster^Maria", ""])
def test_no_warning_prints_the_patients_name(dicom_reading, tmp_path, caplog, name, variant, de_identify):
    reading = with_value(dicom_reading(variant), "PatientName", name)
    with warnings.catch_warnings(record=True) as printed:
        warnings.simplefilter("always")
        files = write_dicom(reading, tmp_path, de_identify=de_identify)
    told = caplog.text + "".join(str(warning.message) for warning in printed)
    assert "person name" not in told
    assert not name or name not in told
    for file in files:
        written = str(pydicom.dcmread(file).PatientName)
        assert written.startswith("DE-IDENTIFIED^") if de_identify else written == name
