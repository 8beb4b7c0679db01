"""Files without a patient and a study: only those of one study folder are related, and no scan is lost."""

import pytest
from SpectBoneMetSegLib.batch.manifest import find_cases
from SpectBoneMetSegLib.loading import group_files
from SpectBoneMetSegLib.loading.archive import find_scans

BOTH = ("anterior", "posterior")
#: Headers that lack the patient, the study or both.
UNIDENTIFIED = [
    {"PatientID": "", "StudyInstanceUID": ""},
    {"PatientID": "", "StudyInstanceUID": "1.2.3"},
    {"PatientID": "ANON", "StudyInstanceUID": ""},
]
IDENTIFIED = {"PatientID": "P", "StudyInstanceUID": "1.2.3"}
WITHOUT_STUDY = [header for header in UNIDENTIFIED if not header["StudyInstanceUID"]]


@pytest.fixture
def put(tmp_path, person, nm_file):
    """Writes a scan of both views, or of the numbered one, into the archive; header values as keywords."""

    def write(name, view=None, **header):
        frames, views = (list(person), BOTH) if view is None else ([person[view]], BOTH[view : view + 1])
        return nm_file(tmp_path / "in" / name, frames, views, **header)

    return write


def found(tmp_path):
    """The files of each scan, relative to the archive."""
    scans = find_scans(tmp_path / "in").scans
    return sorted([path.relative_to(tmp_path / "in").as_posix() for path in scan.files] for scan in scans)


@pytest.mark.parametrize("header", WITHOUT_STUDY)
def test_views_in_folders_of_two_patients_are_two_scans(put, tmp_path, header):
    front, behind = put("2023/patA/ant.dcm", 0, **header), put("2023/patB/post.dcm", 1, **header)
    assert found(tmp_path) == [["2023/patA/ant.dcm"], ["2023/patB/post.dcm"]]
    assert group_files([front, behind]) == [(front,), (behind,)]


@pytest.mark.parametrize("header", WITHOUT_STUDY)
def test_views_whose_sides_no_header_states_are_two_scans_in_two_folders_and_one_scan_in_one(put, tmp_path, header):
    unknown = {"DetectorInformationSequence": None, "SeriesDescription": "WB BONE"} | header
    put("2023/patA/1.dcm", 0, **unknown)
    put("2023/patB/2.dcm", 1, **unknown)
    assert found(tmp_path) == [["2023/patA/1.dcm"], ["2023/patB/2.dcm"]]
    put("2023/patC/3.dcm", 0, **unknown)
    put("2023/patC/4.dcm", 1, **unknown)
    assert found(tmp_path)[2:] == [["2023/patC/3.dcm", "2023/patC/4.dcm"]]


@pytest.mark.parametrize("header", UNIDENTIFIED)
@pytest.mark.parametrize(
    "names",
    [
        ("ant.dcm", "post.dcm"),
        ("ANT/1.dcm", "POST/1.dcm"),
        ("anterior view/1.dcm", "wb_posterior/1.dcm"),
        ("SE0001/IM1", "SE0002/IM1"),
        ("1.2.840.10008.1/1.2.3.4.5/1.dcm", "1.2.840.10008.1/1.2.3.4.6/1.dcm"),
    ],
)
def test_views_in_one_study_folder_are_one_scan(put, tmp_path, header, names):
    for patient in ("patA", "patB"):
        for view, name in enumerate(names):
            put(f"2023/{patient}/{name}", view, **header)
    assert found(tmp_path) == [[f"2023/{patient}/{name}" for name in names] for patient in ("patA", "patB")]


def test_views_in_folders_of_their_series_are_one_scan_if_patient_and_study_agree(put, tmp_path):
    put("2023/SE1/1", 0, **IDENTIFIED)
    put("2023/SE2/1", 1, **IDENTIFIED)
    assert found(tmp_path) == [["2023/SE1/1", "2023/SE2/1"]]


@pytest.mark.parametrize("header", WITHOUT_STUDY)
def test_folders_named_by_the_uids_of_two_studies_are_two_scans(put, tmp_path, header):
    put("2023/1.2.840.10008.1/1.dcm", 0, **header)
    put("2023/1.2.840.10008.2/1.dcm", 1, **header)
    assert found(tmp_path) == [["2023/1.2.840.10008.1/1.dcm"], ["2023/1.2.840.10008.2/1.dcm"]]


@pytest.mark.parametrize("names", [("S1/1", "S2/1"), ("1/IM1", "2/IM1"), ("1_WB_Anterior/1", "2_WB_Posterior/1")])
def test_views_of_one_study_uid_without_a_patient_are_one_scan_in_folders_of_any_name(put, tmp_path, names):
    for number, patient in enumerate(("patA", "patB")):
        for view, name in enumerate(names):
            put(f"2023/{patient}/{name}", view, PatientID="", StudyInstanceUID=f"1.2.{number}")
    assert found(tmp_path) == [[f"2023/{patient}/{name}" for name in names] for patient in ("patA", "patB")]


def test_two_patients_with_one_study_uid_and_no_patient_have_a_scan_each(put, tmp_path):
    for patient in ("patA", "patB"):
        for view, name in enumerate(("ant.dcm", "post.dcm")):
            put(f"2023/{patient}/{name}", view, PatientID="", StudyInstanceUID="1.2.3")
    assert found(tmp_path) == [
        [f"2023/{patient}/{name}" for name in ("ant.dcm", "post.dcm")] for patient in ("patA", "patB")
    ]


def test_without_a_study_scans_in_one_folder_are_never_taken_for_repeats(put, tmp_path):
    put("patA.dcm", StudyInstanceUID="", PatientID="ANON")
    put("patB.dcm", StudyInstanceUID="", PatientID="ANON", AcquisitionTime="102000")
    put("patC.dcm", StudyInstanceUID="", PatientID="ANON", ImageType=["DERIVED", "PRIMARY", "WHOLE BODY", "EMISSION"])
    assert found(tmp_path) == [["patA.dcm"], ["patB.dcm"], ["patC.dcm"]]


@pytest.mark.parametrize("header", UNIDENTIFIED)
def test_scans_in_folders_of_two_patients_are_never_taken_for_repeats(put, tmp_path, header):
    put("2023/patA/scan.dcm", **header)
    put("2023/patB/scan.dcm", **header)
    assert found(tmp_path) == [["2023/patA/scan.dcm"], ["2023/patB/scan.dcm"]]


def test_repeats_in_folders_of_their_series_are_repeats_if_patient_and_study_agree(put, tmp_path):
    put("2023/SE1/1", **IDENTIFIED)
    put("2023/SE2/1", AcquisitionTime="102000", **IDENTIFIED)
    assert found(tmp_path) == [["2023/SE2/1"]]


@pytest.mark.parametrize("header", UNIDENTIFIED)
def test_one_careless_uid_hides_no_other_content_and_equal_content_is_a_copy(put, tmp_path, header):
    first = put("2023/patA/scan.dcm", SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.5", **header)
    put("2023/patB/scan.dcm", SOPInstanceUID="1.2.3.4", SeriesInstanceUID="1.6", **header)
    copy = tmp_path / "in" / "2023" / "patC" / "scan.dcm"
    copy.parent.mkdir()
    copy.write_bytes(first.read_bytes())
    scans = find_scans(tmp_path / "in").scans
    assert found(tmp_path) == [["2023/patA/scan.dcm"], ["2023/patB/scan.dcm"]]
    assert [scan.copies for scan in scans if scan.copies] == [{first: (copy,)}]


def test_without_a_study_what_is_no_whole_body_image_of_the_same_folder_is_left_out(put, tmp_path):
    put("patA/scan.dcm", StudyInstanceUID="")
    put("patA/spot.dcm", 0, StudyInstanceUID="", ImageType=["ORIGINAL", "PRIMARY", "STATIC"], PixelSpacing=[1.0, 1.0])
    assert found(tmp_path) == [["patA/scan.dcm"]]


@pytest.fixture
def images(tmp_path):
    """Makes image files, of which only the names count here."""

    def make(*names):
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")

    return make


def test_images_in_folders_of_two_patients_are_two_scans(images, tmp_path):
    images("2023/patA/anterior.nrrd", "2023/patB/posterior.nrrd")
    assert found(tmp_path) == [["2023/patA/anterior.nrrd"], ["2023/patB/posterior.nrrd"]]


@pytest.mark.parametrize("names", [("anterior.nrrd", "posterior.nrrd"), ("ANT/ant.png", "POST/post.png")])
def test_images_of_nested_studies_are_one_case_a_study(images, tmp_path, names):
    wanted = [[f"2023/{patient}/{name}" for name in names] for patient in ("patA", "patB", "patC")]
    images(*(name for study in wanted for name in study))
    assert found(tmp_path) == wanted
    cases = find_cases(tmp_path / "in", tmp_path / "out").cases
    assert [case.name for case in cases] == ["patA", "patB", "patC"]


def test_too_many_images_in_one_folder_fail_and_hinder_no_other_study(images, tmp_path):
    images("2023/many/1.png", "2023/many/2.png", "2023/many/3.png", "2023/patA/anterior.png")
    assert found(tmp_path) == [["2023/patA/anterior.png"]]
    failed = [each for each in find_scans(tmp_path / "in").left_out if each.failed]
    assert [each.path.parent.name for each in failed] == ["many"] * 3
    assert {each.reason for each in failed} == {
        "one of 3 images in one folder; give each study a folder of its own",
    }


@pytest.mark.parametrize("header", [{"StudyInstanceUID": ""}, {}])
def test_images_in_a_folder_beside_several_dicom_studies_are_a_study_of_their_own(put, images, tmp_path, header):
    put("2023/patA/IM1", **header)
    put("2023/patB/IM1", **({"StudyInstanceUID": "1.2.4"} | header))
    images("2023/patC/anterior.png", "2023/patC/posterior.png")
    assert found(tmp_path)[2:] == [["2023/patC/anterior.png", "2023/patC/posterior.png"]]


def test_images_of_a_viewer_beside_several_dicom_studies_are_no_scan(put, images, tmp_path):
    put("p1/DICOM/ST1/1.dcm", StudyInstanceUID="1.2.3")
    put("p1/DICOM/ST2/1.dcm", StudyInstanceUID="1.2.4")
    images("p1/VIEWER/img/logo0.png", "p1/VIEWER/img/logo1.png", *(f"p1/JPEG/page{number}.png" for number in range(5)))
    archive = find_scans(tmp_path / "in")
    assert len(archive.scans) == 2
    assert {each.reason for each in archive.left_out} == {"an image next to DICOM files"}


def test_images_beside_above_and_below_the_files_of_one_dicom_study_are_no_scan(put, images, tmp_path):
    for patient in ("patA", "patB"):
        put(f"2023/{patient}/DICOM/IM1", StudyInstanceUID="1.2.3" if patient == "patA" else "1.2.4")
        images(*(f"2023/{patient}/{name}" for name in ("above.png", "DICOM/export/below.png", "VIEWER/beside.png")))
    assert found(tmp_path) == [["2023/patA/DICOM/IM1"], ["2023/patB/DICOM/IM1"]]
    reasons = [each.reason for each in find_scans(tmp_path / "in").left_out]
    assert reasons == ["an image next to DICOM files"] * 6
