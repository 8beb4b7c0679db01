import dataclasses
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.export.dicom.segmentation import lesions_in, segmentation
from SpectBoneMetSegLib.export.dicom.source import source_views
from SpectBoneMetSegLib.export.dicom.uids import content_of, tracking_uids
from SpectBoneMetSegLib.quantification.quantify import quantify
from support.labels import read

VARIANTS = ["two-frame", "reversed", "detectors-swapped", "two-windows", "single-files", "side-by-side", "rle"]


def written(reading, folder):
    """{view: file} of the segmentations of a reading."""
    files = {}
    for name, source in source_views(reading).items():
        seg = segmentation(reading, name, source, quantify(reading))
        if seg is not None:
            files[name] = folder / f"seg_{name}.dcm"
            seg.save_as(files[name])
    return files


@pytest.mark.parametrize("variant", [*VARIANTS, "anterior-only", "posterior-only", "captures"])
def test_a_segmentation_comes_back_as_labels_exact_to_the_pixel(dicom_reading, tmp_path, variant):
    reading = dicom_reading(variant)
    for name, file in written(reading, tmp_path).items():
        labels = read(reading.scan, file)
        assert labels.covers == {name}
        ids = reading.view_masks[name] if name == "anterior" else reading.view_masks[name][:, ::-1]
        marked = np.zeros_like(ids)
        for mark, lesion in zip(labels.marks, lesions_in(reading, name), strict=True):
            assert mark.view == name
            marked[mark.mask] = lesion.id
        np.testing.assert_array_equal(marked, ids)


@pytest.mark.parametrize("variant", ["two-frame", "single-files", "side-by-side"])
def test_the_validator_of_the_standard_finds_no_error(dicom_reading, tmp_path, variant, validate):
    for file in written(dicom_reading(variant), tmp_path).values():
        assert validate(file) == []


@pytest.mark.parametrize("variant", ["two-frame", "reversed", "side-by-side", "two-windows"])
def test_every_pixel_is_one_of_the_frame_that_is_named(dicom_reading, tmp_path, variant):
    reading = dicom_reading(variant)
    stored = pydicom.dcmread(reading.scan.source.files[0])
    pictures = np.atleast_3d(stored.pixel_array.reshape(-1, stored.Rows, stored.Columns))
    for name, file in written(reading, tmp_path).items():
        seg = highdicom.seg.segread(file)
        source = seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == stored.SOPInstanceUID
        assert source.ReferencedSOPClassUID == stored.SOPClassUID
        picture = pictures[int(source.get("ReferencedFrameNumber", 1)) - 1]
        assert (seg.Rows, seg.Columns) == picture.shape
        for lesion, mask in zip(lesions_in(reading, name), seg.pixel_array.reshape(-1, *picture.shape), strict=True):
            assert picture[mask > 0].sum() == pytest.approx(lesion.views[name].counts)


def test_dcmqi_opens_it_where_the_reader_puts_the_view(dicom_reading, tmp_path, dcmqi):
    reading = dicom_reading()
    for name, file in written(reading, tmp_path).items():
        target = tmp_path / name
        target.mkdir()
        dcmqi("segimage2itkimage", "--inputDICOM", str(file), "--outputDirectory", str(target), "--outputType", "nrrd")
        lesions, view = lesions_in(reading, name), reading.scan.views[name]
        for number, lesion in enumerate(lesions, start=1):
            image = SimpleITK.ReadImage(str(target / f"{number}.nrrd"))
            # dcmqi turns nothing: rows and columns are those of the view as acquired.
            np.testing.assert_array_equal(
                SimpleITK.GetArrayFromImage(image)[0] > 0, reading.view_masks[name] == lesion.id
            )
            for index in ((0, 0, 0), (5, 7, 0)):
                right, front, up, _ = view.ijk_to_ras @ np.array([*index, 1.0])
                np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), (-right, -front, up), atol=1e-4)


def test_segments_bear_name_code_tracking_and_the_model(dicom_reading, tmp_path):
    reading = dicom_reading()
    decided = dataclasses.replace(reading.lesions[1], decision="accepted", classification="malignant")
    drawn = dataclasses.replace(reading.lesions[2], edited=True)
    reading = dataclasses.replace(reading, lesions=(reading.lesions[0], decided, drawn))
    uids = tracking_uids(reading)
    source = source_views(reading)["posterior"]
    seg = segmentation(reading, "posterior", source, quantify(reading))
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["Abnormal uptake 2", "Abnormal uptake 3"]
    assert [item.TrackingUID for item in seg.SegmentSequence] == [uids[2], uids[3]]
    kinds = [item.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for item in seg.SegmentSequence]
    assert kinds == ["Metastasis", "Morphologically Abnormal Structure"]
    assert [item.SegmentAlgorithmType for item in seg.SegmentSequence] == ["AUTOMATIC", "SEMIAUTOMATIC"]
    assert [item.SegmentDescription for item in seg.SegmentSequence] == [
        "Physician: accepted, classified as malignant.",
        "Physician: no decision, outline drawn or edited.",
    ]
    (predicted, *_) = segmentation(
        reading, "anterior", source_views(reading)["anterior"], quantify(reading)
    ).SegmentSequence
    assert predicted.SegmentDescription == "Model: predicted area, no decision of a physician."
    model = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert (model.AlgorithmName, model.AlgorithmVersion) == ("SpectBoneMetSeg made-up", "7")
    assert "ab" * 32 in model.AlgorithmParameters
    sites = [item.AnatomicRegionSequence[0] for item in seg.SegmentSequence]
    assert [site.CodeMeaning for site in sites] == ["Rib", "Pelvis"]
    assert [site.AnatomicRegionModifierSequence[0].CodeMeaning for site in sites] == ["Left", "Right"]
    assert seg.StudyInstanceUID == source.header.StudyInstanceUID
    assert "Research use only" in seg.SeriesDescription


def test_what_a_report_names_has_other_uids(dicom_reading):
    reading = dicom_reading()
    renamed = dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, case="another"))
    elsewhere = dataclasses.replace(reading, receipt={**reading.receipt, "device": "GPU"})
    assert len({content_of(each) for each in (reading, renamed, elsewhere)}) == 3


def test_the_same_reading_has_the_same_uids_and_another_has_others(dicom_reading):
    reading = dicom_reading()
    source = source_views(reading)["anterior"]

    def uids(of):
        seg = segmentation(of, "anterior", source, quantify(of))
        return {
            seg.SOPInstanceUID,
            seg.SeriesInstanceUID,
            seg.DimensionOrganizationSequence[0].DimensionOrganizationUID,
        }

    assert uids(reading) == uids(reading)
    moved = dataclasses.replace(reading, receipt={**reading.receipt, "inputs": [{"file": "elsewhere", "sha256": "1"}]})
    assert uids(moved).isdisjoint(uids(reading))
    other = dataclasses.replace(reading, receipt={**reading.receipt, "model": {"name": "another", "version": "1"}})
    assert uids(other).isdisjoint(uids(reading))
    assert tracking_uids(other) == tracking_uids(reading)


def test_a_position_that_the_file_states_is_not_contradicted(dicom_reading):
    source = source_views(dicom_reading())["anterior"]
    assert source.frame_of_reference == source.header.FrameOfReferenceUID
    source.header.DetectorInformationSequence[0].ImagePositionPatient = [1, 2, 3]
    assert source.frame_of_reference != source.header.FrameOfReferenceUID
    del source.header.FrameOfReferenceUID
    assert source.frame_of_reference


def test_a_scan_that_is_no_dicom_and_one_that_was_changed_are_refused_in_one_sentence(a_reading, dicom_reading):
    with pytest.raises(UserError, match=r"^case one was not read from DICOM, .*\.$"):
        source_views(a_reading)
    reading = dicom_reading()
    Path(reading.scan.source.files[0]).write_bytes(b"other")
    with pytest.raises(UserError, match=r"^scan\.dcm is missing or was changed .*\.$"):
        source_views(reading)
