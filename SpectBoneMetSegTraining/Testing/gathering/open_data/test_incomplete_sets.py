"""An incomplete or damaged copy of a public set is noticed: nobody counts as healthy because a file is missing."""

from __future__ import annotations

import shutil

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets

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
