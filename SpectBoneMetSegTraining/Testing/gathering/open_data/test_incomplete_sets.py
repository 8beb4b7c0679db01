"""An incomplete or damaged copy of a public set is noticed: nobody counts as healthy because a file is missing."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unicodedata

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets

# Spelled as they may be, with and without metastases.
WITH = ("Metástasis", "Metástasis óseas", "Con metástasis", "With bone metastases", "METASTASIS", "Abnormal")
WITHOUT = (
    "Sanos",
    "Healthy",
    "NoMetastasis",
    "NO METASTASIS",
    "Control",
    "Sin metástasis",
    "non-metastatic",
    "Libre de metástasis",
)
PATIENTS = (1, 2, 10)


def imported(name, folder, data, **options):
    return import_set(ImportRequest(find_set(name), folder, accepted=True, pixel_size_mm=2.26, **options), data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return open_sets.write_bs80k(tmp_path_factory.mktemp("bs80k"), PATIENTS, healthy=(2,))


@pytest.fixture
def bs80k(written, tmp_path):
    return shutil.copytree(written, tmp_path / "bs80k")


def boxes_of(folder, view):
    return folder / "temp" / f"wholeBody{view}" / view.lower()


@pytest.mark.parametrize("views", [("ANT", "POST"), ("POST",)])
def test_without_the_boxes_of_a_view_nobody_is_taken_as_healthy(views, bs80k, tmp_path):
    for view in views:
        shutil.rmtree(boxes_of(bs80k, view))
    with pytest.raises(UserError, match=r"holds no boxes of the \w+ view, so that its lesions are unknown"):
        imported("bs80k", bs80k, tmp_path / "d")
    masks = open_sets.write_skeleton(tmp_path / "masks", (1, 10), (512, 128))
    with pytest.raises(UserError, match="bs80k holds no boxes"):
        imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k)
    assert not (tmp_path / "d").exists()


def test_without_boxes_a_set_whose_lists_call_every_picture_normal_is_imported(tmp_path):
    folder = open_sets.write_bs80k(tmp_path / "set", (1, 2), healthy=(1, 2))
    result = imported("bs80k", folder, tmp_path / "d")
    assert result.left_out == {}
    assert result.cases["unlabelled"] == 0


def test_a_picture_listed_as_abnormal_without_boxes_leaves_its_patient_out(bs80k, tmp_path):
    (boxes_of(bs80k, "POST") / "10.xml").unlink()
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert list(result.left_out) == ["10"]
    assert "Its posterior view is listed as abnormal, but nothing is marked" in result.left_out["10"]
    assert "boxes posterior: 1 found, 2555 published." in result.notes


def test_pictures_that_no_list_names_are_counted_if_they_have_no_boxes(bs80k, tmp_path):
    (boxes_of(bs80k, "ANT").parent / "wholeBodyANT.txt").unlink()
    result = imported("bs80k", bs80k, tmp_path / "d")
    [note] = [note for note in result.notes if "lists of labels" in note]
    assert note.startswith("1 picture without marks, taken as without lesions")


def test_a_set_of_masks_for_scans_also_counts_the_boxes_that_it_is_read_with(bs80k, tmp_path):
    masks = open_sets.write_skeleton(tmp_path / "masks", (1, 10), (512, 128))
    notes = imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k).notes
    assert "boxes anterior: 2 found, 2924 published." in notes


def test_kinds_of_files_that_are_missing_altogether_are_counted(bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", PATIENTS[2:])
    shutil.rmtree(masks / "skeleton_masks")
    notes = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k).notes
    assert "bones: 0 found, 6494 published." in notes


def test_a_view_listed_as_abnormal_without_a_mask_of_hot_spots_leaves_its_patient_out(bs80k, tmp_path):
    # The masks of the first patient of these show nothing in the posterior view, and those of patient 1 are missing.
    masks = open_sets.write_hotspots(tmp_path / "masks", (10, 2))
    result = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)
    assert set(result.left_out) == {"1", "10"}
    assert "Its posterior view" in result.left_out["10"]


def listed_as_normal(folder, view, patient):
    labels = boxes_of(folder, view).parent / f"wholeBody{view}.txt"
    labels.write_text(labels.read_text().replace(f"{patient}.jpg\t1", f"{patient}.jpg\t0", 1))


@pytest.mark.parametrize("listed_in", ["manifest.csv", "SHA256SUMS.txt"])
def test_a_listed_mask_that_is_missing_leaves_its_patient_out_by_the_name_of_the_file(listed_in, bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1, 10))
    listed_as_normal(bs80k, "POST", 1)
    # The list of labels does not tell that this view has lesions; only the missing file does.
    listed_as_normal(bs80k, "ANT", 10)
    name = "hotspot_masks/patient_00010/study_00001/anterior.png"
    if listed_in == "SHA256SUMS.txt":
        (masks / "manifest.csv").unlink()
        digest = hashlib.sha256((masks / name).read_bytes()).hexdigest()
        (masks / listed_in).write_text(f"{digest}  {name}\n")
    (masks / name).unlink()
    (masks / "skeleton_masks/patient_00001/study_00001/anterior.png").unlink()
    result = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)
    assert list(result.left_out) == ["10"]
    assert result.left_out["10"].startswith(f"{name} is listed")
    # Without the bones of a view its lesions are known all the same.
    of_bones = [note for note in result.notes if note.startswith("1 listed file of the kind bones not there")]
    assert len(of_bones) == (listed_in == "manifest.csv")


@pytest.fixture
def deep(tmp_path):
    """Masks with their manifest some folders below the one that is given."""
    open_sets.write_hotspots(tmp_path / "outer" / "record" / "unpacked", (1, 10))
    return tmp_path / "outer"


def mask_in(folder, name="patient_00010/study_00001/anterior.png"):
    return next(folder.rglob("hotspot_masks")) / name


def test_a_mask_that_is_not_the_published_file_is_refused_wherever_its_list_lies(deep, bs80k, tmp_path):
    open_sets.write_png(mask_in(deep), np.zeros((1024, 256), np.uint8))
    with pytest.raises(UserError, match=r"anterior.png is not the published file"):
        imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)
    # The list and the masks lie in different folders.
    shutil.move(next(deep.rglob("manifest.csv")), deep / "Manifest.csv")
    with pytest.raises(UserError, match=r"anterior.png is not the published file"):
        imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)


def test_a_listed_mask_that_is_missing_leaves_its_patient_out_wherever_its_list_lies(deep, bs80k, tmp_path):
    listed_as_normal(bs80k, "POST", 1)
    listed_as_normal(bs80k, "ANT", 10)
    mask_in(deep).unlink()
    result = imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)
    assert list(result.left_out) == ["10"]
    assert "is listed as part of the set but is not there" in result.left_out["10"]


def test_several_manifests_are_refused_by_their_paths(deep, bs80k, tmp_path):
    shutil.copy(next(deep.rglob("manifest.csv")), deep)
    with pytest.raises(UserError, match=r"several manifests, .*manifest.csv and .*unpacked.manifest.csv; give"):
        imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)


def test_every_list_of_sums_is_compared_with_the_files_beside_it(deep, bs80k, tmp_path):
    next(deep.rglob("manifest.csv")).unlink()
    for path in (mask_in(deep), mask_in(deep, "patient_00001/study_00001/anterior.png")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        (path.parent / "SHA256SUMS.txt").write_text(f"{digest}  {path.name}\n")
    listed_as_normal(bs80k, "POST", 1)
    imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)
    open_sets.write_png(mask_in(deep), np.zeros((1024, 256), np.uint8))
    with pytest.raises(UserError, match=r"00010/study_00001/anterior.png is not the published file"):
        imported("bs80k-hotspots", deep, tmp_path / "d", scans=bs80k)


def test_a_view_without_a_mask_is_not_labelled_where_masks_are_not_said_to_be_missing_for_normal_views(tmp_path):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b", "c"))
    (folder / "Tumor_P" / "b.mhd").unlink()
    for place in ("Tumor", "Tumor_P"):
        (folder / place / "c.mhd").unlink()
    result = imported("pairs", folder, tmp_path / "d")
    assert result.cases == {"train": 2, "test": 0, "unlabelled": 1}
    assert "3 views without a mask of lesions, taken as not labelled." in result.notes
    whole, other = (read_json(tmp_path / "d" / "instances" / f"pairs_{name}.json") for name in "ab")
    assert [each["labelled"] for each in whole["lesions"]] == [{"anterior": True}, {"posterior": True}]
    # The view is left out of training, as one that nobody examined.
    assert {"posterior": False} in [each["labelled"] for each in other["lesions"]]


@pytest.mark.parametrize("kind", ["hotspot_masks", "skeleton_masks"])
def test_masks_of_one_kind_that_are_still_packed_are_named(kind, bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1, 10))
    shutil.rmtree(masks / kind)
    (masks / f"{kind}.zip").write_bytes(b"PK")
    with pytest.raises(UserError, match=f"{kind}.zip still packed; unpack it there"):
        imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)


def test_a_labelled_set_that_gives_no_labelled_patient_says_why(tmp_path):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b"))
    for name in ("Tumor", "Tumor_P"):
        shutil.rmtree(folder / name)
    result = imported("pairs", folder, tmp_path / "d")
    assert result.cases == {"train": 0, "test": 0, "unlabelled": 2}
    assert "none of the scans has a mask of lesions" in result.unlabelled
    assert result.unlabelled in (tmp_path / "d" / "import.txt").read_text()


@pytest.mark.parametrize(("groups", "diseased"), [(WITH, True), (WITHOUT, False), (("Grupo 1", "Patients"), None)])
def test_the_names_of_groups_are_understood_in_english_and_spanish(groups, diseased):
    for group in groups:
        for spelled in (group, unicodedata.normalize("NFD", group)):
            assert find_set("iics-una").has_lesions(spelled) is diseased, group


def test_folders_that_do_not_say_who_has_lesions_are_named_and_a_set_of_only_such_is_refused(tmp_path):
    folder = open_sets.write_iics(tmp_path / "set", ill=1, well=2)
    (folder / "images" / "With bone metastases").rename(folder / "images" / "Grupo 1")
    result = imported("iics-una", folder, tmp_path / "d")
    assert result.cases == {"train": 2, "test": 0, "unlabelled": 1}
    [note] = [note for note in result.notes if "'Grupo 1'" in note]
    assert "stay unlabelled" in note
    (folder / "images" / "Without metastases").rename(folder / "images" / "Grupo 2")
    with pytest.raises(UserError, match="'Grupo 1', 'Grupo 2', which do not say who has lesions; rename the folders"):
        imported("iics-una", folder, tmp_path / "e")


def test_a_scan_or_a_mask_cut_short_leaves_its_patient_out_by_the_name_of_the_file(bs80k, tmp_path):
    masks = open_sets.write_skeleton(tmp_path / "masks", PATIENTS, (512, 128))
    scan, mask = bs80k / "temp" / "wholeBodyANT" / "1.jpg", masks / "dataset" / "masks" / "anterior" / "10.png"
    scan.write_bytes(scan.read_bytes()[:5000])
    mask.write_bytes(mask.read_bytes()[:100])
    result = imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k)
    assert result.left_out == {
        "1": f"{scan} is cut short or damaged; download it again.",
        "10": f"{mask} is cut short or damaged; download it again.",
    }


JUNK = b"\xff\xfe\x00junk"


@pytest.mark.parametrize(
    ("name", "content"), [("manifest.csv", JUNK), ("SHA256SUMS.txt", JUNK), ("manifest.csv", b"x" * 200_000)]
)
def test_a_damaged_list_of_files_is_refused_in_a_sentence_with_its_remedy(name, content, bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", (1, 10))
    (masks / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name} .*download it again"):
        imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)


@pytest.mark.parametrize("name", ["manifest.csv", "SHA256SUMS.txt"])
def test_a_list_that_names_no_files_is_reported(name, bs80k, tmp_path):
    masks = open_sets.write_hotspots(tmp_path / "masks", PATIENTS)
    (masks / name).write_text("something else\n")
    notes = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k).notes
    assert f"{name} lists no files: nothing was compared with it." in notes


def test_a_damaged_list_of_labels_is_refused_in_a_sentence_with_its_remedy(bs80k, tmp_path):
    for content in (JUNK, b"no labels\n"):
        (boxes_of(bs80k, "ANT").parent / "wholeBodyANT.txt").write_bytes(content)
        with pytest.raises(UserError, match=r"wholeBodyANT.txt .*download it again"):
            imported("bs80k", bs80k, tmp_path / "d")


def test_damaged_anatomy_is_refused_and_a_damaged_outline_leaves_its_patient_out(bs80k, tmp_path):
    masks = open_sets.write_coco(tmp_path / "masks", PATIENTS)
    path = masks / "labels_val.json"
    whole = json.loads(path.read_text())
    whole["annotations"][0]["segmentation"] = {"size": [1024], "counts": "no runs"}
    path.write_text(json.dumps(whole))
    result = imported("bs80k-anatomy", masks, tmp_path / "d", scans=bs80k)
    assert "An outline of its anterior view is damaged" in result.left_out["10"]
    for content in (JUNK, b"[]", b'{"images": [1]}', b'{"images": [], "categories": [], "annotations": [{}]}'):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"labels_val.json .*download it again"):
            imported("bs80k-anatomy", masks, tmp_path / "e", scans=bs80k)


@pytest.mark.parametrize(
    "content",
    [JUNK, b'<?xml version="1.0" encoding="none"?><a/>', open_sets.box_xml(("Normal", 1, 2, 3, 4)).replace("4", "inf")],
)
def test_damaged_boxes_leave_their_patient_out(content, bs80k, tmp_path):
    path = boxes_of(bs80k, "ANT") / "10.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert list(result.left_out) == ["10"]
    assert re.search(r"10.xml is damaged .*download it again", result.left_out["10"])


def test_patients_with_one_view_are_counted_and_named(tmp_path):
    folder = open_sets.write_libs(tmp_path / "set")
    (folder / "wholePOST" / "Normal" / "1.jpg").unlink()
    notes = imported("libs160k", folder, tmp_path / "d").notes
    assert "1 patient without the posterior view, read from the other one: 1." in notes
    assert "scan anterior: 3 found, 6738 published." in notes
