"""Data sets on disk: whole files, honest geometry, labels that follow the rule, folds by patient."""

import json

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset import cases as dataset
from SpectBoneMetSegTrainingLib.dataset.cases import (
    BACKGROUND,
    IGNORE,
    LESION,
    Instance,
    cases_of,
    finish_dataset,
    label_map,
    load_background,
    load_case,
    merge_labels,
    read_image,
    read_json,
    split_by_patient,
    write_case,
    write_image,
    write_json,
)
from SpectBoneMetSegTrainingLib.dataset.reference_grid import place_crop

#: Pixels of the reference grid, so that nothing is regridded; and pixels that are none of it, nor square.
SHAPE, SPACING, ODD_SPACING = (40, 30), (2.26, 2.26), (2.5, 2.0)
#: On the reference grid; reaches two columns outside the field on the patient's right.
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


def make_scan(case="a", spacing=SPACING, views=VIEW_NAMES):
    rng = np.random.default_rng(3)
    front = PlanarView(rng.poisson(9, SHAPE), spacing, "anterior", (31.0, 0.0, 700.0))
    behind = PlanarView(rng.poisson(5, SHAPE), spacing, "posterior", (31.0 - 29 * spacing[1], 0.0, 700.0))
    return WholeBodyScan(case, front if "anterior" in views else None, behind if "posterior" in views else None)


def write(folder, scan=None, split="train", instances=None, crop=CROP, exact=None, background=None, **about):
    scan = scan or make_scan()
    found = lesions() if instances is None else instances
    mirrored = None if scan.posterior is None else mirror(scan.posterior)
    about = {"patient": scan.case, **about}
    write_case(folder, split, scan, mirrored, crop, found, about, exact=exact, background=background)
    return scan


@pytest.fixture
def folder(tmp_path):
    for case, split in (("a", "train"), ("b", "train"), ("c", "test"), ("d", "unlabelled")):
        write(tmp_path, make_scan(case), split)
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


def test_every_file_has_its_place_in_the_patient(tmp_path):
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


def test_an_image_cut_short_is_named_instead_of_filled_up_with_zeros(folder):
    path = next(folder.glob("labelsTr/*.nii.gz"))
    content = path.read_bytes()
    path.write_bytes(content[:-12])
    try:
        with pytest.raises(UserError, match=path.name):
            read_image(path)
    finally:
        path.write_bytes(content)


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


def test_a_crop_in_other_pixels_is_read_as_the_reading_pipeline_would_cut_it(tmp_path):
    scan = write(tmp_path, make_scan(spacing=ODD_SPACING))
    crop = load_case(tmp_path, "a")
    for name, view in (("anterior", scan.anterior), ("posterior", mirror(scan.posterior))):
        wanted = cut(regrid(view).counts, CROP.rows, CROP.columns)
        assert crop.counts[name].shape == wanted.shape == (24, 24)
        assert crop.counts[name] == pytest.approx(wanted, rel=1e-5, abs=1e-5)
    stored = sitk.ReadImage(str(tmp_path / "imagesTr" / "a_0000.nii.gz"))
    # The box's 54.24 mm are 21.7 rows of 2.5 mm and 27.1 columns of 2 mm: what they touch is stored.
    assert (stored.GetSize()[1], stored.GetSize()[0]) == (22, 28)


@given(
    st.tuples(st.integers(20, 60), st.integers(20, 60)),
    st.tuples(st.floats(1.5, 5.0), st.floats(1.5, 5.0)),
    st.integers(0, 99),
)
def test_regridding_a_crop_that_covers_the_field_keeps_all_counts(shape, spacing, seed):
    frame = PlanarView(np.random.default_rng(seed).poisson(20, shape).astype(np.float32), spacing, "anterior")
    rows, columns = regrid(frame).shape
    place = place_crop(frame, ((0, rows), (0, columns)))
    assert place.own[0][0] <= 0
    assert place.own[0][1] >= shape[0]
    assert place.counts(cut(frame.counts, *place.own)).sum() == pytest.approx(frame.counts.sum(), rel=1e-5)


@given(st.tuples(st.floats(1.5, 5.0), st.floats(1.5, 5.0)), st.integers(2, 20), st.integers(4, 12), st.integers(-3, 8))
def test_a_reference_pixel_belongs_to_the_lesion_that_covers_more_than_half_of_it(spacing, first, size, left):
    frame = PlanarView(np.zeros((40, 30), np.float32), spacing, "anterior")
    mask = np.zeros(frame.shape, bool)
    mask[first : first + size, 5 : 5 + size] = True
    place = place_crop(frame, ((3, 35), (left, left + 16)))
    found = place.layers(mask[None].astype(np.uint16) * 7, [7])[0]
    work = regrid(frame.with_counts(mask.astype(np.float32)))
    share = spacing[0] * spacing[1] / (work.spacing[0] * work.spacing[1])
    covered = cut(work.counts * share, *place.reference)
    unclear = np.abs(covered - 0.5) < 1e-4
    assert np.array_equal((found == 7)[~unclear], (covered > 0.5)[~unclear])


def test_a_lesion_keeps_its_area_on_the_reference_grid_and_its_pixels_in_the_label_file(tmp_path):
    for number, spacing in enumerate((2.0, 2.4, 2.8)):
        shape = (round(180 / spacing), round(120 / spacing))
        frame = PlanarView(np.ones(shape), (spacing, spacing), "anterior")
        rows, columns = np.indices(shape)
        # Off the middle, where the rim would fall alike on all sides.
        middle = (np.array(shape) - 1) / 2 + (0.3, 1.2)
        disc = np.hypot(rows - middle[0], columns - middle[1]) * spacing < 20
        case = f"c{number}"
        scan = WholeBodyScan(case, frame, None)
        found = [Instance(1, {"anterior": disc}, {"anterior": True}, {})]
        write(tmp_path, scan, instances=found, crop=ThoraxCrop((10, 70), (0, 50), 1.0))
        label = load_case(tmp_path, case).labels["anterior"] == LESION
        assert label.sum() * 2.26**2 == pytest.approx(disc.sum() * spacing**2, rel=0.04)
        union = read_image(tmp_path / "labelsTr" / f"{case}.nii.gz")[0]
        assert (union == LESION).sum() == disc.sum()


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


def test_the_exact_truth_is_read_only_where_it_is_asked_for(tmp_path):
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
    write_case(tmp_path, "test", scan, mirror(scan.posterior), CROP, None, {"patient": "a"})
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


def test_flags_are_read_back_and_superscans_are_not_trained_on(tmp_path):
    for number in range(8):
        flags = ["superscan"] if number == 2 else ["cold lesions"] if number == 3 else []
        write(tmp_path, make_scan(f"c{number}"), flags=flags)
    finish_dataset(tmp_path, "Tiny", 5, "tiny")
    assert load_case(tmp_path, "c2").flags == ("superscan",)
    assert load_case(tmp_path, "c0").flags == ()
    folds = read_json(tmp_path / "splits_final.json")
    assert not any("c2" in fold["train"] for fold in folds)
    assert sum("c2" in fold["val"] for fold in folds) == 1
    assert sum("c3" in fold["train"] for fold in folds) == len(folds) - 1


def test_a_record_without_the_place_of_its_crop_is_refused_with_the_remedy(folder):
    path = folder / "instances" / "a.json"
    record = read_json(path)
    del record["reference_crop"]
    write_json(path, record)
    with pytest.raises(UserError, match=r"a\.json.*make the data set again"):
        load_case(folder, "a")
