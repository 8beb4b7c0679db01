"""What is found in folders, which label belongs to which scan and reader, and what is left out and why."""

import json
import os
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.gathering.discovery.file_names import reader_in, side_in
from SpectBoneMetSegTrainingLib.gathering.discovery.studies import find
from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

LABELME = json.dumps({"shapes": [], "imageHeight": 64, "imageWidth": 16})


@pytest.fixture
def dicom():
    """Write a small DICOM scan of made-up counts; another number is another scan."""

    def write(path, number, variant="two-frame", patient=None):
        counts = np.random.default_rng(number).poisson(9, (64, 16)).astype(np.float32)
        views = [PlanarView(counts, (9.0, 9.0), name) for name in ("anterior", "posterior")]
        scan = WholeBodyScan(f"case{number}", *views)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nm_wholebody(
            path, scan, patient_id=patient or f"P{number}", uid_text=f"studies {number}", variant=variant
        )
        return path

    return write


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LABELME if path.suffix == ".json" else "label")
    return path


def write_picture(path, level):
    sitk.WriteImage(sitk.GetImageFromArray(np.full((64, 16), level, np.uint8)), str(path))


def readers_of(study, root):
    return {
        name: [(str(file.path.relative_to(root)), file.view) for file in files] for name, files in study.readers.items()
    }


def test_label_files_are_named_after_the_scan_next_to_them(tmp_path, dicom):
    for number in (1, 10):
        dicom(tmp_path / f"scan{number}.dcm", number)
    for name in ("scan1.seg.nrrd", "scan1_anna.nii.gz", "scan10-ben_posterior.json", "scan10_ben_ANT.json"):
        touch(tmp_path / name)
    one, ten = find([tmp_path]).labelled
    assert readers_of(one, tmp_path) == {"reader": [("scan1.seg.nrrd", None)], "anna": [("scan1_anna.nii.gz", None)]}
    assert readers_of(ten, tmp_path) == {
        "ben": [("scan10-ben_posterior.json", "posterior"), ("scan10_ben_ANT.json", "anterior")]
    }


def test_a_scan_in_a_folder_of_its_own_takes_every_label_in_it(tmp_path, dicom):
    dicom(tmp_path / "study", 1, "single-files")
    for name in ("mask_anterior.nrrd", "mask_posterior.nrrd", "ben/Segmentation.seg.nrrd", "ben/old/carl.seg.nrrd"):
        touch(tmp_path / "study" / name)
    (study,) = find([tmp_path]).labelled
    assert [path.name for path in study.scan.files] == ["ANT.dcm", "POST.dcm"]
    assert readers_of(study, tmp_path / "study") == {
        "reader": [("mask_anterior.nrrd", "anterior"), ("mask_posterior.nrrd", "posterior")],
        "ben": [("ben/Segmentation.seg.nrrd", None)],
        "carl": [("ben/old/carl.seg.nrrd", None)],
    }


def test_a_label_named_after_one_of_two_files_applies_to_its_view(tmp_path, dicom):
    dicom(tmp_path / "study", 1, "single-files")
    for name in ("ANT.json", "POST_anna.json"):
        touch(tmp_path / "study" / name)
    (study,) = find([tmp_path]).labelled
    assert readers_of(study, tmp_path / "study") == {
        "reader": [("ANT.json", "anterior")],
        "anna": [("POST_anna.json", "posterior")],
    }


def test_a_label_that_could_belong_to_several_scans_is_left_out_with_the_remedy(tmp_path, dicom):
    for number in (1, 2):
        dicom(tmp_path / f"scan{number}.dcm", number)
    touch(tmp_path / "anna.seg.nrrd")
    found = find([tmp_path])
    reasons = {item.path.name: item.reason for item in found.left_out}
    assert found.labelled == ()
    assert "any of the 2 scans" in reasons["anna.seg.nrrd"]
    assert "begin its name with the scan's" in reasons["anna.seg.nrrd"]
    assert "No label file belongs to it" in reasons["scan1.dcm"]


def test_a_label_without_a_scan_is_left_out(tmp_path):
    touch(tmp_path / "a.seg.nrrd")
    (left,) = find([tmp_path]).left_out
    assert left.reason == "There is no scan next to a.seg.nrrd; put the scan into its folder."


def test_picture_scans_are_distinguished_from_their_labels(tmp_path):
    for level, name in enumerate(("p1_ANT", "p1_POST", "p2"), start=1):
        write_picture(tmp_path / f"{name}.nii.gz", level)
    for name in ("p1_ANT_anna.nrrd", "p1_POST_mask.nii.gz", "p2_ben.nii.gz", "p3.png"):
        write_picture(tmp_path / name, 9)
    found = find([tmp_path])
    names = {tuple(path.name for path in study.scan.files): readers_of(study, tmp_path) for study in found.labelled}
    assert names == {
        ("p1_ANT.nii.gz", "p1_POST.nii.gz"): {
            "anna": [("p1_ANT_anna.nrrd", "anterior")],
            "reader": [("p1_POST_mask.nii.gz", "posterior")],
        },
        ("p2.nii.gz",): {"ben": [("p2_ben.nii.gz", None)]},
    }
    assert [item.path.name for item in found.left_out] == ["p3.png"]


def test_a_volume_or_picture_next_to_a_dicom_scan_is_no_scan(tmp_path, dicom):
    dicom(tmp_path / "scan.dcm", 1)
    for name in ("anything.nrrd", "screenshot.png"):
        write_picture(tmp_path / name, 9)
    found = find([tmp_path])
    (study,) = found.labelled
    assert readers_of(study, tmp_path) == {"anything": [("anything.nrrd", None)]}
    # It may be meant as a label: it is reported, but is not an error.
    assert [(item.path.name, item.failed) for item in found.left_out] == [("screenshot.png", False)]


def test_a_jpeg_mask_is_a_label_of_its_scan_and_no_scan(tmp_path):
    for level, name in enumerate(("p1_ANT.png", "p1_POST.png", "p2.jpg"), start=1):
        write_picture(tmp_path / name, level)
    for level, name in enumerate(("p1_ANT_mask.jpg", "p1_POST_mask.jpeg", "p2_mask_anna.jpg"), start=7):
        write_picture(tmp_path / name, level)
    found = find([tmp_path])
    assert {study.scan.files[0].name: readers_of(study, tmp_path) for study in found.labelled} == {
        "p1_ANT.png": {"reader": [("p1_ANT_mask.jpg", "anterior"), ("p1_POST_mask.jpeg", "posterior")]},
        "p2.jpg": {"anna": [("p2_mask_anna.jpg", None)]},
    }
    assert found.left_out == ()
    as_unlabelled = find((), [tmp_path])
    assert [scan.files[0].name for scan in as_unlabelled.unlabelled] == ["p1_ANT.png", "p2.jpg"]
    assert {(item.path.name, "is that of a label" in item.reason) for item in as_unlabelled.left_out} == {
        ("p1_ANT_mask.jpg", True),
        ("p1_POST_mask.jpeg", True),
        ("p2_mask_anna.jpg", True),
    }


def test_copies_count_once_and_labels_next_to_a_copy_count_too(tmp_path, dicom):
    dicom(tmp_path / "a" / "scan.dcm", 1)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    touch(tmp_path / "a" / "scan_anna.seg.nrrd")
    touch(tmp_path / "b" / "scan_ben.seg.nrrd")
    found = find([tmp_path])
    (study,) = found.labelled
    assert list(study.readers) == ["anna", "ben"]
    (copy,) = found.left_out
    assert copy.path == tmp_path / "b" / "scan.dcm"
    assert "copy of" in copy.reason
    assert not copy.failed


def test_two_patients_with_one_careless_uid_are_no_copies_and_the_second_is_a_failure(tmp_path, dicom):
    dicom(tmp_path / "a.dcm", 1, patient="A")
    dicom(tmp_path / "b.dcm", 1, patient="B")
    touch(tmp_path / "a.seg.nrrd")
    found = find([tmp_path])
    assert [study.scan.patient for study in found.labelled] == ["A"]
    (left,) = [each for each in found.left_out if each.path.suffix == ".dcm"]
    assert (left.path.name, left.failed) == ("b.dcm", True)
    assert "of another patient" in left.reason


def test_two_patients_without_ids_are_told_apart_by_their_names(tmp_path, dicom):
    for name in ("Anna^A", "Berta^B"):
        path = dicom(tmp_path / f"{name[0]}.dcm", 1)
        header = pydicom.dcmread(path)
        header.PatientID, header.PatientName = "", name
        header.save_as(path)
    found = find([], [tmp_path])
    assert [study.patient for study in found.unlabelled] == [""]
    (left,) = found.left_out
    assert left.failed
    assert "of another patient" in left.reason


def test_unlabelled_scans_are_found_in_any_depth_without_copies_and_labelled_ones(tmp_path, dicom):
    labelled, unlabelled = tmp_path / "labelled", tmp_path / "unlabelled"
    dicom(labelled / "one.dcm", 1)
    touch(labelled / "one.seg.nrrd")
    dicom(unlabelled / "again" / "one.dcm", 1)
    dicom(unlabelled / "x" / "y" / "two.dcm", 2)
    dicom(unlabelled / "z" / "two.dcm", 2)
    dicom(unlabelled / "pair", 3, "single-files")
    found = find([labelled], [unlabelled])
    assert [tuple(path.name for path in scan.files) for scan in found.unlabelled] == [
        ("ANT.dcm", "POST.dcm"),
        ("two.dcm",),
    ]
    assert {scan.patient for scan in found.unlabelled} == {"P2", "P3"}
    reasons = {str(item.path.relative_to(unlabelled)): item.reason for item in found.left_out}
    assert set(reasons) == {"again/one.dcm", "z/two.dcm"}
    assert "has labels" in reasons["again/one.dcm"]


def test_images_in_unlabelled_folders_are_scans_unless_they_are_labels_results_or_of_a_data_set(tmp_path, dicom):
    unlabelled = tmp_path / "unlabelled"
    names = ("deep/p1_ANT.png", "deep/p1_POST.png", "p2.jpg", "p3.nii.gz")
    others = (
        "p3_anna.nrrd",
        "p4_mask.png",
        "study/screen.png",
        "result/mask.nrrd",
        "result/overlay.png",
        "set/imagesTr/c_0000.nii.gz",
        "bare/imagesUnlabelled/c_0000.nii.gz",
    )
    for level, name in enumerate((*names, *others), start=1):
        (unlabelled / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(unlabelled / name, level)
    for name in ("result/receipt.json", "set/dataset.json"):
        touch(unlabelled / name)
    dicom(unlabelled / "study" / "scan.dcm", 1)
    found = find([], [unlabelled])
    assert {tuple(path.name for path in scan.files) for scan in found.unlabelled} == {
        ("p1_ANT.png", "p1_POST.png"),
        ("p2.jpg",),
        ("p3.nii.gz",),
        ("scan.dcm",),
    }
    assert {str(item.path.relative_to(unlabelled)): item.failed for item in found.left_out} == {
        "p3_anna.nrrd": False,
        "p4_mask.png": False,
        "study/screen.png": False,
        "result": False,
        "set": False,
        "bare": False,
    }


def test_an_image_with_labels_is_not_also_used_as_unlabelled(tmp_path):
    for folder in ("labelled", "unlabelled"):
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "p1.png", 7)
    write_picture(tmp_path / "labelled" / "p1_mask.png", 1)
    found = find([tmp_path / "labelled"], [tmp_path / "unlabelled"])
    assert len(found.labelled) == 1
    assert not found.unlabelled
    assert ["has labels" in item.reason for item in found.left_out] == [True]


def test_what_cannot_be_read_is_listed_and_not_fatal(tmp_path, dicom):
    dicom(tmp_path / "good.dcm", 1)
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / ".hidden.dcm").write_bytes(b"")
    found = find((), [tmp_path])
    assert [scan.files[0].name for scan in found.unlabelled] == ["good.dcm"]
    assert {item.path.name for item in found.left_out} == {"empty.dcm", "broken.dcm"}
    assert all(item.reason.endswith(".") and item.failed for item in found.left_out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_opened_is_listed(tmp_path, dicom):
    path = dicom(tmp_path / "locked", 1)
    path.chmod(0)
    (left,) = find((), [tmp_path]).left_out
    assert "cannot be opened" in left.reason


def test_a_sealed_test_is_not_gathered(tmp_path, dicom):
    dicom(tmp_path / "benchmark" / "dicom" / "one.dcm", 1)
    (tmp_path / "benchmark" / "seal.json").write_text("{}")
    found = find((), [tmp_path])
    assert found.unlabelled == ()
    assert [item.path.name for item in found.left_out] == ["benchmark"]


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere is no folder"):
        find([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("stem", "side", "reader"),
    [
        ("mask_anterior", "anterior", ""),
        ("Anna-POST", "posterior", "Anna"),
        ("lesions.dr_b", None, "dr_b"),
        ("ant_post", None, ""),
        ("postal", None, "postal"),
        ("", None, ""),
    ],
)
def test_names_state_side_and_reader(stem, side, reader):
    assert side_in(stem) == side
    assert reader_in(stem) == reader
