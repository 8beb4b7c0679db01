import dataclasses
import json

import highdicom
import pytest
from SpectBoneMetSegLib.export.dicom.measurements import measurement_report
from SpectBoneMetSegLib.export.dicom.segmentation import lesions_in, segmentation
from SpectBoneMetSegLib.export.dicom.source import source_views
from SpectBoneMetSegLib.export.dicom.uids import tracking_uids
from SpectBoneMetSegLib.quantification.quantify import quantify


def report_of(reading, known=None):
    sources, known = source_views(reading), known or quantify(reading)
    segs = {name: segmentation(reading, name, source, known) for name, source in sources.items()}
    segs = {name: seg for name, seg in segs.items() if seg is not None}
    return measurement_report(reading, sources, segs, known), segs


@pytest.fixture(scope="module")
def a_report(dicom_reading, tmp_path_factory):
    reading = dicom_reading()
    rejected = dataclasses.replace(reading.lesions[0], id=4, decision="rejected")
    decided = dataclasses.replace(reading.lesions[1], decision="accepted", classification="equivocal")
    lesions = (reading.lesions[0], decided, dataclasses.replace(reading.lesions[2], edited=True))
    reading = dataclasses.replace(reading, lesions=lesions, rejected=(rejected,))
    report, segs = report_of(reading)
    file = tmp_path_factory.mktemp("sr") / "measurements_sr.dcm"
    report.save_as(file)
    return reading, segs, file


def names_and_values(group):
    return {
        (item.name.meaning, item.derivation.meaning if item.derivation else ""): item.value
        for item in group.get_measurements()
    }


def test_a_lesion_has_a_group_for_every_view_that_shows_it(a_report):
    reading, segs, file = a_report
    groups = highdicom.sr.srread(file).content.get_volumetric_roi_measurement_groups()
    uids = tracking_uids(reading)
    expected = [(lesion, name) for name in segs for lesion in lesions_in(reading, name)]
    assert [group.tracking_uid for group in groups] == [uids[lesion.id] for lesion, _ in expected]
    for group, (lesion, name) in zip(groups, expected, strict=True):
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == segs[name].SOPInstanceUID
        (number,) = segment.referenced_segment_numbers
        assert segs[name].SegmentSequence[number - 1].TrackingUID == group.tracking_uid
        reported, measured = names_and_values(group), lesion.views[name]
        assert reported["Area", ""] == pytest.approx(measured.area_mm2 / 100, rel=1e-5)
        assert reported["Counts", ""] == pytest.approx(measured.counts, rel=1e-5)
        assert reported["Counts per pixel", "Maximum"] == pytest.approx(measured.max_counts, rel=1e-5)
        assert reported["Counts per pixel", "Mean"] == pytest.approx(measured.mean_counts, rel=1e-5)
        assert reported["Certainty of Finding", ""] == pytest.approx(100 * lesion.confidence, rel=1e-5)


def test_every_lesion_names_its_bone_and_side(a_report):
    reading, segs, file = a_report
    groups = highdicom.sr.srread(file).content.get_volumetric_roi_measurement_groups()
    known = quantify(reading)
    expected = [known.lesion(lesion.id).region for name in segs for lesion in lesions_in(reading, name)]
    assert {region.title for region in expected} == {"right ribs", "left ribs", "right pelvis"}
    for group, region in zip(groups, expected, strict=True):
        site = group.finding_sites[0]
        assert site.value.value == region.code.value
        assert site.laterality.meaning == region.side.capitalize()


def test_decisions_and_who_made_them_are_in_every_group(a_report):
    groups = highdicom.sr.srread(a_report[2]).content.get_volumetric_roi_measurement_groups()
    reported = {
        group.tracking_identifier: {
            item.name.meaning: item.value.meaning for item in group.get_qualitative_evaluations()
        }
        for group in groups
    }
    accepted, drawn, open_ = (reported[f"Abnormal uptake {number}"] for number in (2, 3, 1))
    assert accepted["Decision on the area"] == "Accepted"
    assert accepted["Classification of the area"] == "Equivocal"
    assert accepted["Source of the outline and the decision"] == "Physician"
    assert drawn["Source of the outline and the decision"] == "Physician (outline drawn or edited)"
    assert open_["Source of the outline and the decision"] == "Model"
    assert "Classification of the area" not in open_


def test_a_last_group_describes_the_whole_scan(a_report):
    (group,) = highdicom.sr.srread(a_report[2]).content.get_image_measurement_groups()
    reported = {name: value for (name, _), value in names_and_values(group).items()}
    assert reported["Areas of abnormal uptake"] == 3
    assert reported["Areas that a physician rejected"] == 1
    assert reported["Certainty of Finding"] == pytest.approx(90)
    known = quantify(a_report[0])
    assert reported["Areas included in the tumour burden"] == known.burden.lesions
    # Two made-up regions are no skeleton: no number replaces what cannot be computed.
    assert known.index.percent is None
    assert "Planar bone scan index" not in reported
    evaluated = {item.name.meaning: item.value.meaning for item in group.get_qualitative_evaluations()}
    assert evaluated["Planar bone scan index"] == "Not computable"
    assert evaluated["State of the review"] == "Partly reviewed by a physician"
    assert comment(group) == f"Planar bone scan index not computable: {known.index.reason} {known.index.remedy}"


def comment(group):
    (text,) = [item.TextValue for item in group[0].ContentSequence if item.ValueType == "TEXT"
               and item.ConceptNameCodeSequence[0].CodeMeaning == "Comment"]  # fmt: skip
    return text


def test_a_scan_that_nobody_reviewed_says_so_and_an_index_names_its_weights(dicom_reading, tmp_path):
    reading = dicom_reading()
    known = quantify(reading)
    table = known.index.table
    index = dataclasses.replace(known.index, percent=1.25, reason="", remedy="")
    report, _ = report_of(reading, dataclasses.replace(known, index=index))
    report.save_as(tmp_path / "sr.dcm")
    (group,) = highdicom.sr.srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert names_and_values(group)["Planar bone scan index", ""] == 1.25
    evaluated = {item.name.meaning: item.value.meaning for item in group.get_qualitative_evaluations()}
    assert evaluated["State of the review"] == "Not reviewed: every area is predicted by the model"
    assert "Planar bone scan index" not in evaluated
    assert comment(group) == f"Planar bone scan index: weights of {table.name}, version {table.version}."


def test_the_validator_of_the_standard_finds_no_error(a_report, dicom_reading, tmp_path, validate):
    assert validate(a_report[2]) == []
    report, _ = report_of(dicom_reading("single-files"))
    report.save_as(tmp_path / "sr.dcm")
    assert validate(tmp_path / "sr.dcm") == []


def test_dcmqi_reads_tracking_segments_and_numbers(a_report, tmp_path, dcmqi):
    reading, segs, file = a_report
    reported = tmp_path / "sr.json"
    dcmqi("tid1500reader", "--inputDICOM", str(file), "--outputMetadata", str(reported))
    groups = [group for group in json.loads(reported.read_text())["Measurements"] if "ReferencedSegment" in group]
    expected = [(lesion, name) for name in segs for lesion in lesions_in(reading, name)]
    uids = tracking_uids(reading)
    assert [group["TrackingUniqueIdentifier"] for group in groups] == [uids[lesion.id] for lesion, _ in expected]
    for group, (lesion, name) in zip(groups, expected, strict=True):
        assert group["segmentationSOPInstanceUID"] == segs[name].SOPInstanceUID
        areas = [item["value"] for item in group["measurementItems"] if item["quantity"]["CodeMeaning"] == "Area"]
        assert float(areas[0]) == pytest.approx(lesion.views[name].area_mm2 / 100, rel=1e-5)
        assert group["measurementAlgorithmIdentification"]["AlgorithmName"] == "SpectBoneMetSeg made-up"


def test_a_scan_without_any_lesion_is_reported_as_such(dicom_reading, tmp_path, validate):
    reading = dicom_reading()
    masks = {name: ids * 0 for name, ids in reading.view_masks.items()}
    none = dataclasses.replace(reading, lesions=(), view_masks=masks, mask=reading.mask * 0)
    report, segs = report_of(none)
    assert segs == {}
    report.save_as(tmp_path / "sr.dcm")
    content = highdicom.sr.srread(tmp_path / "sr.dcm").content
    assert content.get_volumetric_roi_measurement_groups() == []
    (group,) = content.get_image_measurement_groups()
    assert names_and_values(group)["Areas of abnormal uptake", ""] == 0
    assert validate(tmp_path / "sr.dcm") == []


def test_our_own_codes_are_declared(a_report):
    (scheme,) = highdicom.sr.srread(a_report[2]).CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99SBMS"
