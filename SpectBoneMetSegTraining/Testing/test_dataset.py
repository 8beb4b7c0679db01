"""Data sets on disk: whole files, honest geometry, labels that follow the rule, folds by patient."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.results import ThoraxCrop
from SpectBoneMetSegTrainingLib import dataset
from SpectBoneMetSegTrainingLib.dataset import (
    BACKGROUND,
    IGNORE,
    LESION,
    Instance,
    cases_of,
    finish_dataset,
    label_map,
    load_case,
    merge_labels,
    read_image,
    read_json,
    split_by_patient,
    write_case,
    write_image,
    write_json,
)

SHAPE, SPACING = (40, 30), (2.5, 2.0)
#: Reaches two columns outside the field on the patient's right.
CROP = ThoraxCrop((6, 30), (-2, 22), 0.9)


def block(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def lesions():
    """1 is labelled in both views, 2 only behind and overlaps 1 in front, 3 lies outside the crop."""
    one = block(slice(10, 14), slice(5, 9))
    two = block(slice(12, 16), slice(7, 11))
    three = block(slice(34, 37), slice(24, 27))
    both, behind = {"anterior": True, "posterior": True}, {"anterior": False, "posterior": True}
    return [
        Instance(1, {"anterior": one, "posterior": one}, both, {"bone": "T5"}),
        Instance(2, {"anterior": two, "posterior": block(slice(20, 22), slice(3, 5))}, behind, {"bone": "T6"}),
        Instance(3, {"anterior": three, "posterior": three}, both, {"bone": "left femur"}),
    ]


def make_scan(case="a"):
    rng = np.random.default_rng(3)
    return WholeBodyScan(
        case,
        PlanarView(rng.poisson(9, SHAPE), SPACING, "anterior", (31.0, 0.0, 700.0)),
        PlanarView(rng.poisson(5, SHAPE), SPACING, "posterior", (31.0 - 29 * 2.0, 0.0, 700.0)),
    )


def write(folder, case="a", split="train", instances=None, **about):
    scan = make_scan(case)
    found = lesions() if instances is None else instances
    write_case(folder, split, scan, mirror(scan.posterior), CROP, found, {"patient": case, **about})
    return scan


@pytest.fixture
def folder(tmp_path):
    for case, split in (("a", "train"), ("b", "train"), ("c", "test"), ("d", "unlabelled")):
        write(tmp_path, case, split)
    finish_dataset(tmp_path, "Tiny", 5, "tiny")
    return tmp_path


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


def test_cases_are_found_by_split(folder):
    assert cases_of(folder, "train") == ["a", "b"]
    assert cases_of(folder, "test") == ["c"]
    assert cases_of(folder, "unlabelled") == ["d"]


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


def test_every_file_has_its_place_in_the_patient(folder):
    frame = make_scan().anterior
    label = sitk.ReadImage(str(folder / "labelsTr" / "a.nii.gz"))
    layers = sitk.ReadImage(str(folder / "instances" / "a_anterior.nii.gz"))
    behind = sitk.ReadImage(str(folder / "imagesTr" / "a_0001.nii.gz"))
    assert label.GetSpacing()[:2] == pytest.approx((2.0, 2.5))
    row, column = 12, 6
    there = (frame.ijk_to_ras @ np.array([column, row, 0, 1]))[:3]
    assert ras(label, (column + 2, row - 6, 0)) == pytest.approx(there, abs=1e-3)
    assert ras(behind, (column + 2, row - 6, 0)) == pytest.approx(there, abs=1e-3)
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


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.sampled_from("PQRSTUVWXYZ"), max_size=40),
    st.integers(0, 99),
)
def test_no_patient_stands_on_both_sides_of_a_fold(patients, seed):
    folds = split_by_patient(patients, seed)
    assert len(folds) == 5
    for fold in folds:
        train, val = ({patients[case] for case in fold[side]} for side in ("train", "val"))
        assert not train & val
        assert sorted([*fold["train"], *fold["val"]]) == sorted(patients)
    held = [case for fold in folds for case in fold["val"]]
    assert sorted(held) == sorted(patients)


def test_folds_follow_the_seed_and_are_about_equal():
    patients = {f"case{i}": f"patient{i // 2}" for i in range(60)}
    assert split_by_patient(patients, 1) == split_by_patient(patients, 1)
    assert split_by_patient(patients, 1) != split_by_patient(patients, 2)
    assert {len(fold["val"]) for fold in split_by_patient(patients, 1)} == {12}


def test_splits_are_never_rewritten_but_passed_on_to_nnunet(folder):
    mine = {"seed": 5, "folds": [{"train": ["b"], "val": ["a"]}]}
    write_json(folder / "splits.json", mine)
    finish_dataset(folder, "Tiny", 99, "again")
    assert read_json(folder / "splits.json") == mine
    assert read_json(folder / "splits_final.json") == mine["folds"]


def test_only_training_cases_are_split(folder):
    cases = {case for fold in read_json(folder / "splits.json")["folds"] for case in [*fold["train"], *fold["val"]]}
    assert cases == {"a", "b"}


def test_leftovers_of_a_killed_run_are_no_cases_and_are_cleared_away(folder):
    (folder / "instances" / ".123-e.json").write_text('{"case": "e", "spl')
    (folder / "imagesTr" / ".123-e_0000.nii.gz").write_bytes(b"half")
    assert cases_of(folder, "train") == ["a", "b"]
    finish_dataset(folder, "Tiny", 5, "tiny")
    assert [path for path in folder.rglob(".*")] == []


def test_the_same_case_gives_the_same_bytes(tmp_path):
    write(tmp_path / "1")
    write(tmp_path / "2")
    one, two = (
        {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "1", tmp_path / "2")
    )
    assert one == two
    assert len(one) == 6


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert files(tmp_path) == ["x.json"]


def test_a_write_that_breaks_off_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full_disk(image, name, **options):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("sitk::ERROR: a long story")

    monkeypatch.setattr(sitk, "WriteImage", full_disk)
    with pytest.raises(OSError, match=r"a_0000\.nii\.gz could not be written"):
        write(tmp_path)
    assert files(tmp_path) == []


def test_a_case_that_breaks_off_at_its_last_image_has_no_json(tmp_path, monkeypatch):
    real = sitk.WriteImage

    def breaks(image, name, **options):
        if "posterior" in name:
            raise RuntimeError("full")
        real(image, name, **options)

    monkeypatch.setattr(sitk, "WriteImage", breaks)
    with pytest.raises(OSError):
        write(tmp_path)
    assert not (tmp_path / "instances" / "a.json").exists()
    monkeypatch.undo()
    write(tmp_path)
    assert load_case(tmp_path, "a").case == "a"


def test_a_folder_that_is_no_data_set_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match="spectbonemetseg simulate"):
        cases_of(tmp_path, "train")


@pytest.mark.parametrize("name", ["imagesTr/a_0001.nii.gz", "instances/a_anterior.nii.gz", "instances/a.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_missing_and_damaged_files_are_named(folder, name, damage):
    path = folder / name
    path.unlink()
    if damage == "damaged":
        path.write_bytes(b"{ nothing of use")
    with pytest.raises(UserError, match=path.name) as caught:
        load_case(folder, "a")
    assert "\n" not in str(caught.value)


def test_an_image_keeps_its_type_and_layers(tmp_path):
    layers = np.arange(2 * 3 * 4, dtype=np.uint16).reshape(2, 3, 4)
    view = PlanarView(np.zeros((3, 4)), (2.0, 3.0), "anterior")
    write_image(tmp_path / "new" / "x.nii.gz", layers, view, view.origin)
    back = read_image(tmp_path / "new" / "x.nii.gz")
    assert back.dtype == np.uint16
    assert np.array_equal(back, layers)


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
