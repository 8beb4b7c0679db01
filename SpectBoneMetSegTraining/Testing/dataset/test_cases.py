"""Data sets on disk: whole files, honest geometry, labels that follow the rule, folds by patient."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, mirror
from SpectBoneMetSegTrainingLib.dataset import cases as dataset
from SpectBoneMetSegTrainingLib.dataset.cases import (
    BACKGROUND,
    IGNORE,
    LESION,
    Instance,
    finish_dataset,
    label_map,
    load_background,
    load_case,
    merge_labels,
    read_json,
    write_case,
    write_json,
)
from SpectBoneMetSegTrainingLib.dataset.files import read_image
from support.datasets import CROP, ODD_SPACING, SHAPE, block, lesions, make_scan, write


def test_the_layout_is_that_of_nnunet(folder):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in names if "instances" not in name} == {
        "dataset.json",
        "splits.json",
        "splits_final.json",
        "labelsTr/a.nii.gz",
        "labelsTr/b.nii.gz",
        "labelsTs/c.nii.gz",
        *(
            f"{place}_{channel}.nii.gz"
            for place in ("imagesTr/a", "imagesTr/b", "imagesTs/c")
            for channel in ("0000", "0001")
        ),
        "imagesUnlabelled/d_0000.nii.gz",
        "imagesUnlabelled/d_0001.nii.gz",
    }
    about = read_json(folder / "dataset.json")
    assert about["numTraining"] == 2
    assert about["labels"] == {"background": 0, "lesion": 1, "ignore": 2}
    assert list(about["channel_names"]) == ["0", "1"]
    assert {"lesions"} & set(read_json(folder / "instances" / "d.json")) == set()


def test_a_case_is_read_back_with_labels_that_line_up_with_its_lesions(folder):
    crop, scan = load_case(folder, "a"), make_scan()
    assert crop.counts["anterior"].shape == (24, 24)
    assert np.array_equal(crop.counts["anterior"][:, 2:], scan.anterior.counts[6:30, :22])
    assert not crop.counts["anterior"][:, :2].any()
    assert np.array_equal(crop.counts["posterior"][:, 2:], scan.posterior.counts[6:30, ::-1][:, :22])
    # Lesion 1 covers rows 10-13 and columns 5-8 of the field: rows 4-7 and columns 7-10 of the crop.
    assert (crop.labels["anterior"][4:8, 7:11] == LESION).all()
    assert (crop.instances["anterior"][:, 4:8, 7:11] == 1).any(0).all()
    assert (crop.instances["anterior"] == 2).any(0).sum() == 16
    assert crop.instances["anterior"].shape[0] == 2
    assert not (crop.instances["anterior"] == 3).any()
    # In front lesion 2 is "ignore" where lesion 1 does not lie on it; behind it is a label elsewhere.
    assert (crop.labels["anterior"] == IGNORE).sum() == 16 - 4
    assert (crop.labels["posterior"] == LESION).sum() == 16 + 4
    assert [lesion["id"] for lesion in crop.lesions] == [1, 2, 3]
    union = read_image(folder / "labelsTr" / "a.nii.gz")[0]
    assert np.array_equal(union, merge_labels(crop.labels.values()))


def test_an_unlabelled_case_has_counts_only(folder):
    crop = load_case(folder, "d")
    assert set(crop.counts) == {"anterior", "posterior"}
    assert (crop.labels, crop.instances, crop.lesions) == ({}, {}, [])


def ras(image, index):
    place = image.TransformIndexToPhysicalPoint([int(value) for value in index])
    return np.array([-place[0], -place[1], place[2]])


def test_every_file_has_its_position_in_the_patient(tmp_path):
    frame = write(tmp_path, make_scan(spacing=ODD_SPACING), exact=lesions()).anterior
    label = sitk.ReadImage(str(tmp_path / "labelsTr" / "a.nii.gz"))
    behind = sitk.ReadImage(str(tmp_path / "imagesTr" / "a_0001.nii.gz"))
    assert label.GetSpacing()[:2] == pytest.approx((2.0, 2.5))
    crop = read_json(tmp_path / "instances" / "a.json")["crop"]
    row, column = 12, 6
    there = (frame.ijk_to_ras @ np.array([column, row, 0, 1]))[:3]
    for image in (label, behind):
        index = (column - crop["columns"][0], row - crop["rows"][0], 0)
        assert ras(image, index) == pytest.approx(there, abs=1e-3)
    for place in ("instances", "exact"):
        layers = sitk.ReadImage(str(tmp_path / place / "a_anterior.nii.gz"))
        assert ras(layers, (column, row, 0)) == pytest.approx(there, abs=1e-3)
    # Columns run to the patient's left, rows to the feet.
    assert ras(label, (9, 0, 0))[0] < ras(label, (0, 0, 0))[0]
    assert ras(label, (0, 9, 0))[2] < ras(label, (0, 0, 0))[2]


def test_lesion_beats_ignore_beats_background_in_one_view():
    one, two, _ = lesions()
    for order in ([one, two], [two, one]):
        result = label_map(order, "anterior", SHAPE)
        assert (result[one.masks["anterior"]] == LESION).all()
        assert (result[two.masks["anterior"] & ~one.masks["anterior"]] == IGNORE).all()
    assert (label_map([], "anterior", SHAPE) == BACKGROUND).all()
    assert set(np.unique(label_map([one, two], "posterior", SHAPE))) == {BACKGROUND, LESION}


@given(hnp.arrays(np.uint8, (2, 5, 5), elements=st.integers(0, 2)))
def test_ignore_never_overrides_a_lesion_of_the_other_view(maps):
    union = merge_labels(maps)
    lesion = (maps == LESION).any(0)
    assert (union[lesion] == LESION).all()
    assert (union[~lesion & (maps == IGNORE).any(0)] == IGNORE).all()
    assert (union[(maps == BACKGROUND).all(0)] == BACKGROUND).all()


def test_a_lesion_free_case_has_empty_labels(tmp_path):
    write(tmp_path, instances=[])
    crop = load_case(tmp_path, "a")
    assert not any(label.any() for label in crop.labels.values())
    assert crop.instances["anterior"].shape == (1, 24, 24)
    assert json.loads((tmp_path / "instances" / "a.json").read_text())["lesions"] == []


def test_layers_are_only_as_many_as_overlaps_need():
    disjoint = [
        Instance(i, {"anterior": block(slice(2 * i, 2 * i + 1), slice(0, 5))}, {"anterior": True}, {})
        for i in (1, 2, 3)
    ]
    assert len(dataset._layers(disjoint, "anterior", SHAPE)) == 1
    same = [Instance(i, {"anterior": block(slice(0, 2), slice(0, 2))}, {"anterior": True}, {}) for i in (1, 2, 3)]
    packed = dataset._layers(same, "anterior", SHAPE)
    assert packed[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("there", "gone"), [VIEW_NAMES, VIEW_NAMES[::-1]])
def test_a_view_that_was_not_acquired_is_a_dark_channel_without_labels(tmp_path, there, gone):
    both, one = tmp_path / "both", tmp_path / "one"
    write(both)
    write(one, make_scan(views=(there,)))
    channel = VIEW_NAMES.index(gone)
    assert not read_image(one / "imagesTr" / f"a_000{channel}.nii.gz").any()
    assert read_json(one / "instances" / "a.json")["views"] == [there]
    assert not (one / "instances" / f"a_{gone}.nii.gz").exists()
    crop, whole = load_case(one, "a"), load_case(both, "a")
    assert set(crop.counts) == set(crop.labels) == set(crop.instances) == {there}
    assert np.array_equal(crop.counts[there], whole.counts[there])
    assert np.array_equal(crop.labels[there], whole.labels[there])
    assert np.array_equal(read_image(one / "labelsTr" / "a.nii.gz")[0], whole.labels[there])


def test_the_exact_truth_is_read_only_where_it_is_requested(tmp_path):
    wider = [Instance(9, {"anterior": block(slice(8, 20), slice(4, 12))}, {"anterior": True}, {"bone": "T5"})]
    write(tmp_path, make_scan(views=("anterior",)), exact=wider)
    agreed, exact = load_case(tmp_path, "a"), load_case(tmp_path, "a", truth="exact")
    assert {lesion["id"] for lesion in agreed.lesions} == {1, 2, 3}
    assert [lesion["id"] for lesion in exact.lesions] == [9]
    assert (exact.labels["anterior"] == LESION).sum() == 12 * 8
    assert np.array_equal(agreed.counts["anterior"], exact.counts["anterior"])
    for path in (tmp_path / "exact").iterdir():
        path.unlink()
    assert load_case(tmp_path, "a").lesions == agreed.lesions
    with pytest.raises(UserError, match=r"a\.json"):
        load_case(tmp_path, "a", truth="exact")


def test_a_case_may_be_written_without_its_truth(tmp_path):
    scan = make_scan()
    write_case(tmp_path, "test", scan, CROP, None, {"patient": "a"})
    crop = load_case(tmp_path, "a")
    assert (crop.labels, crop.instances, crop.lesions) == ({}, {}, [])
    assert not (tmp_path / "labelsTs").exists()


def test_the_background_lies_where_the_counts_lie(tmp_path):
    scan = make_scan(spacing=ODD_SPACING)
    whole = {"anterior": scan.anterior.counts + 0.25, "posterior": mirror(scan.posterior).counts + 0.25}
    write(tmp_path, scan, background=whole)
    background, counts = load_background(tmp_path, "a"), load_case(tmp_path, "a").counts
    # A quarter of a count in every own pixel is 0.25 / 5 mm2.
    extra = 0.25 * 2.26**2 / (2.5 * 2.0)
    for view in VIEW_NAMES:
        assert (background[view] - counts[view])[4:-4, 4:-4] == pytest.approx(extra, abs=1e-3)


def test_flags_are_read_back_and_flagged_cases_are_trained_on_and_held_out_like_others(tmp_path):
    for number in range(8):
        flags = ["superscan"] if number == 2 else ["cold lesions"] if number == 3 else []
        write(tmp_path, make_scan(f"c{number}"), flags=flags)
    finish_dataset(tmp_path, "Tiny", 5, "tiny")
    assert load_case(tmp_path, "c2").flags == ("superscan",)
    assert load_case(tmp_path, "c0").flags == ()
    folds = read_json(tmp_path / "splits_final.json")
    for case in ("c2", "c3"):
        assert sum(case in fold["val"] for fold in folds) == 1
        assert sum(case in fold["train"] for fold in folds) == len(folds) - 1


def test_a_record_without_the_position_of_its_crop_is_refused_with_the_remedy(folder):
    path = folder / "instances" / "a.json"
    record = read_json(path)
    del record["reference_crop"]
    write_json(path, record)
    with pytest.raises(UserError, match=r"a\.json.*make the data set again"):
        load_case(folder, "a")
