"""Header values that DICOM does not allow never prevent results: they are corrected or left empty."""

import dataclasses
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.export.dicom.segmentation import segmentation
from SpectBoneMetSegLib.export.dicom.source import source_views
from SpectBoneMetSegLib.quantification.quantify import quantify


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
    reading = dicom_reading("two-frame")
    file = Path(reading.scan.source.files[0])
    header = pydicom.dcmread(file)
    setattr(header, keyword, stored)
    header.save_as(file)
    origin = dataclasses.replace(reading.scan.source, sha256=(sha256_of(file),))
    changed = dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, source=origin))
    for name, source in source_views(changed).items():
        assert str(segmentation(changed, name, source, quantify(changed)).get(keyword) or "") == repeated
