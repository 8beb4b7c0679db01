import csv
import dataclasses
import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import slicerio
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import replace_folder
from SpectBoneMetSegLib.common.jsonable import to_jsonable
from SpectBoneMetSegLib.export import result_folder
from SpectBoneMetSegLib.export.markups import along_outline
from SpectBoneMetSegLib.export.result_folder import OutputNotWritableError, save_reading
from SpectBoneMetSegLib.export.table import COLUMNS, lesion_row
from SpectBoneMetSegLib.lesions.naming import lesion_color, lesion_ids

FILES = {
    "segmentation.seg.nrrd",
    "mask.nrrd",
    "mask_anterior.nrrd",
    "mask_posterior.nrrd",
    "probability.nrrd",
    "contours.mrk.json",
    "lesions.csv",
    "quantification.json",
    "quantification.csv",
    "receipt.json",
    "overview.png",
}


@pytest.fixture(scope="module")
def a_folder(a_reading, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "not yet" / "case ä"
    save_reading(a_reading, str(folder))
    return folder


def shoelace(points):
    x, y = np.asarray(points)[:, 0], np.asarray(points)[:, 2]
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def table_of(folder):
    with open(folder / "lesions.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_there_and_nothing_else(a_folder):
    assert set(os.listdir(a_folder)) == FILES
    assert os.listdir(a_folder.parent) == [a_folder.name]


def test_every_file_is_on_the_disk_before_the_folder_appears(a_reading, tmp_path, monkeypatch):
    flushed, flushed_before = set(), set()
    fsync = os.fsync

    def noted_fsync(handle):
        fsync(handle)
        flushed.add(os.fstat(handle).st_ino)

    def noted_replace(unfinished, target):
        flushed_before.update(flushed)
        replace_folder(unfinished, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(result_folder, "replace_folder", noted_replace)
    save_reading(a_reading, str(tmp_path / "case"))
    assert {path.stat().st_ino for path in (tmp_path / "case").iterdir()} <= flushed_before


def test_a_file_that_cannot_be_flushed_leaves_no_results(a_reading, tmp_path, monkeypatch):
    def fail(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputNotWritableError, match="free some space there, or choose another output folder"):
        save_reading(a_reading, str(tmp_path / "case"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "kind"), [("mask", "8-bit unsigned integer"), ("probability", "32-bit float")], ids=["mask", "probability"]
)
def test_frame_volumes_hold_the_arrays_in_the_anterior_frame(a_folder, a_reading, name, kind):
    image = SimpleITK.ReadImage(str(a_folder / f"{name}.nrrd"))
    assert image.GetPixelIDTypeAsString() == kind
    stored = SimpleITK.GetArrayFromImage(image)
    assert stored.shape == (1, *a_reading.scan.frame.shape)
    np.testing.assert_array_equal(stored[0], getattr(a_reading, name))


@pytest.mark.parametrize("name", ["anterior", "posterior"])
def test_view_masks_hold_the_ids_on_their_own_grid(a_folder, a_reading, name):
    image = SimpleITK.ReadImage(str(a_folder / f"mask_{name}.nrrd"))
    view = a_reading.scan.views[name]
    assert image.GetPixelIDTypeAsString() == "16-bit unsigned integer"
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image)[0], a_reading.view_masks[name])
    for index in ((0, 0, 0), (5, 7, 0), (view.shape[1] - 1, view.shape[0] - 1, 0)):
        right, anterior, superior, _ = view.ijk_to_ras @ np.array([*index, 1.0])
        np.testing.assert_allclose(image.TransformIndexToPhysicalPoint(index), (-right, -anterior, superior), atol=1e-6)


def test_one_lesion_is_at_one_position_of_the_patient_in_both_view_masks(a_folder, a_reading):
    both = next(lesion for lesion in a_reading.lesions if lesion.seen_in == "both")
    places = []
    for name in ("anterior", "posterior"):
        image = SimpleITK.ReadImage(str(a_folder / f"mask_{name}.nrrd"))
        shape = SimpleITK.LabelShapeStatisticsImageFilter()
        shape.Execute(image)
        places.append(shape.GetCentroid(both.id))
    np.testing.assert_allclose(places[0], places[1], atol=1e-6)
    right, anterior, superior = both.centroid
    np.testing.assert_allclose(places[0], (-right, -anterior, superior), atol=1e-6)


def test_only_existing_views_get_a_mask(reading_factory, tmp_path):
    reading = reading_factory(views=("posterior",))
    save_reading(reading, str(tmp_path / "case"))
    assert set(os.listdir(tmp_path / "case")) == FILES - {"mask_anterior.nrrd"}
    image = SimpleITK.ReadImage(str(tmp_path / "case" / "mask.nrrd"))
    # The frame runs from the patient's right to left, though the only view was taken from behind.
    assert image.GetDirection()[0] == 1
    assert image.GetOrigin()[0] < 0


def test_segmentation_has_a_named_coded_segment_per_lesion_for_slicerio(a_folder, a_reading):
    segmentation = slicerio.read_segmentation(str(a_folder / "segmentation.seg.nrrd"))
    segments = segmentation["segments"]
    assert [segment["name"] for segment in segments] == [f"Abnormal uptake {i}" for i in (1, 2, 3)]
    assert [segment["labelValue"] for segment in segments] == [1, 2, 3]
    assert {segment["layer"] for segment in segments} == {0}
    assert len({tuple(segment["color"]) for segment in segments}) == 3
    coded = ["SCT", "49755003", "Morphologically Altered Structure"]
    assert all(segment["terminology"]["category"] == coded for segment in segments)
    np.testing.assert_array_equal(segmentation["voxels"][:, :, 0].T, lesion_ids(a_reading))
    lps = np.diag([-1, -1, 1, 1]) @ a_reading.scan.frame.ijk_to_ras
    np.testing.assert_allclose(segmentation["ijkToLPS"], lps, atol=1e-6)


def test_neighbouring_lesions_have_distinct_colors():
    colors = np.array([lesion_color(number) for number in range(1, 41)])
    apart = np.linalg.norm(colors[:, np.newaxis] - colors, axis=2)
    assert min(apart[i, j] for i in range(40) for j in range(i + 1, min(40, i + 4))) > 0.3
    assert len({tuple(color) for color in colors.tolist()}) == 40


def test_contours_enclose_exactly_each_lesion_and_state_lps(a_folder, a_reading):
    document = json.loads((a_folder / "contours.mrk.json").read_text(encoding="utf-8"))
    assert [markup["name"] for markup in document["markups"]] == [f"Abnormal uptake {i}" for i in (1, 2, 3)]
    for markup, lesion in zip(document["markups"], a_reading.lesions, strict=True):
        assert (markup["type"], markup["coordinateSystem"]) == ("ClosedCurve", "LPS")
        points = np.array([point["position"] for point in markup["controlPoints"]])
        assert shoelace(points) == pytest.approx(lesion.area_mm2, rel=1e-4)
        ras = points * [-1, -1, 1]
        np.testing.assert_allclose(ras.min(axis=0), lesion.curve.min(axis=0), atol=1e-5)
        np.testing.assert_allclose(ras.max(axis=0), lesion.curve.max(axis=0), atol=1e-5)


def test_points_along_an_outline_keep_its_corners():
    square = np.array([[0.0, 0, 0], [4, 0, 0], [4, 0, 4], [0, 0, 4]])
    points = along_outline(square, 1.0)
    assert len(points) == 16
    assert {tuple(corner) for corner in square} <= {tuple(point) for point in points}
    np.testing.assert_allclose(np.linalg.norm(np.diff(points, axis=0), axis=1), 1)


def test_table_has_a_row_per_lesion_in_the_units_of_its_headers(a_folder, a_reading):
    rows = table_of(a_folder)
    assert tuple(rows[0]) == COLUMNS
    assert [row["ID"] for row in rows] == ["1", "2", "3"]
    for row, lesion in zip(rows, a_reading.lesions, strict=True):
        assert row["seen_in"] == lesion.seen_in
        assert float(row["area_cm2"]) == pytest.approx(lesion.area_mm2 / 100, rel=1e-5)
        assert float(row["centroid_R_mm"]) == pytest.approx(lesion.centroid[0], rel=1e-5)
        assert float(row["centroid_S_mm"]) == pytest.approx(lesion.centroid[2], rel=1e-5)


def test_table_gives_the_geometric_mean_only_where_both_views_see_the_lesion(a_folder, a_reading):
    for row, lesion in zip(table_of(a_folder), a_reading.lesions, strict=True):
        for view in ("anterior", "posterior"):
            assert bool(row[f"{view}_counts"]) == (view in lesion.views)
        if lesion.seen_in == "both":
            product = lesion.views["anterior"].counts * lesion.views["posterior"].counts
            assert float(row["geometric_mean_counts"]) == pytest.approx(math.sqrt(product), rel=1e-5)
        else:
            assert row["geometric_mean_counts"] == ""


def test_an_undefined_contrast_is_left_empty(a_reading):
    lesion = a_reading.lesions[0]
    measured = dataclasses.replace(lesion.views["anterior"], contrast=math.nan)
    row = lesion_row(dataclasses.replace(lesion, views={"anterior": measured}))
    assert "anterior_contrast" not in row
    assert "anterior_counts" in row


def test_receipt_is_the_readings_own(a_folder):
    receipt = json.loads((a_folder / "receipt.json").read_text(encoding="utf-8"))
    assert receipt == {"model": {"name": "made-up", "version": "1"}, "device": "CPU", "seed": 3}


def test_receipt_turns_numpy_and_undefined_numbers_into_plain_json(tmp_path):
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": (1, np.nan), 4: tmp_path, "d": None, "e": np.True_}
    assert to_jsonable(value) == {"a": 0.5, "b": [0, 1], "c": [1, None], "4": str(tmp_path), "d": None, "e": True}
    with pytest.raises(TypeError):
        to_jsonable({"a": object()})


def test_a_reading_without_lesions_is_saved_whole(reading_factory, tmp_path):
    reading = reading_factory(spots=())
    save_reading(reading, str(tmp_path / "case"))
    assert set(os.listdir(tmp_path / "case")) == FILES
    assert table_of(tmp_path / "case") == []
    assert json.loads((tmp_path / "case" / "contours.mrk.json").read_text())["markups"] == []
    assert slicerio.read_segmentation(str(tmp_path / "case" / "segmentation.seg.nrrd"))["segments"] == []


def test_an_earlier_reading_is_replaced_whole(a_reading, reading_factory, tmp_path):
    target = tmp_path / "case"
    save_reading(a_reading, str(target))
    save_reading(reading_factory(spots=()), str(target))
    assert set(os.listdir(target)) == FILES
    assert table_of(target) == []
    assert os.listdir(tmp_path) == ["case"]


def test_a_link_is_replaced_and_leaves_nothing_behind(a_reading, reading_factory, tmp_path):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "results" / "case"
    save_reading(a_reading, str(elsewhere))
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    save_reading(reading_factory(), str(link))
    assert os.listdir(link.parent) == ["case"]
    assert not link.is_symlink()
    assert (elsewhere / "receipt.json").is_file()


def test_a_users_own_file_next_to_an_earlier_reading_is_never_deleted(a_reading, tmp_path):
    target = tmp_path / "case"
    save_reading(a_reading, str(target))
    (target / "corrected.seg.nrrd").write_text("work of an afternoon")
    with pytest.raises(UserError, match=r"also holds corrected\.seg\.nrrd"):
        save_reading(a_reading, str(target))
    assert (target / "corrected.seg.nrrd").read_text() == "work of an afternoon"
    assert set(os.listdir(target)) == FILES | {"corrected.seg.nrrd"}


REVIEWED = (
    {"review": [{"lesion": 1, "decision": "accepted", "classification": "", "edited": False}]},
    {"review": [{"lesion": 1, "decision": "open", "classification": "benign", "edited": False}]},
    {"review": [{"lesion": 1, "decision": "open", "classification": "", "edited": True}]},
    {"review": [], "erased": 1},
    {"review": [], "edited": True},
)


@pytest.mark.parametrize("review", REVIEWED)
def test_a_physicians_review_is_kept_when_its_scan_is_read_again(a_reading, tmp_path, review):
    target = tmp_path / "case"
    save_reading(dataclasses.replace(a_reading, receipt={**a_reading.receipt, **review}), str(target))
    before = (target / "receipt.json").read_bytes()
    with pytest.raises(UserError, match=r"case holds a physician's review.*: move it or choose another folder\.$"):
        save_reading(a_reading, str(target))
    assert (target / "receipt.json").read_bytes() == before
    assert os.listdir(tmp_path) == ["case"]


@pytest.mark.parametrize("review", REVIEWED)
def test_a_physicians_review_is_replaced_by_a_later_one(a_reading, tmp_path, review):
    target = tmp_path / "case"
    save_reading(dataclasses.replace(a_reading, receipt={**a_reading.receipt, **review}), str(target))
    changed = {"review": [{"lesion": 1, "decision": "open", "classification": "", "edited": False}], "erased": 0}
    save_reading(dataclasses.replace(a_reading, receipt=changed), str(target))
    assert json.loads((target / "receipt.json").read_text())["review"] == changed["review"]


def test_a_reading_saved_without_any_decision_is_replaced_by_a_new_one(a_reading, tmp_path):
    target = tmp_path / "case"
    untouched = {"review": [{"lesion": 1, "decision": "open", "classification": "", "edited": False}], "erased": 0}
    save_reading(dataclasses.replace(a_reading, receipt=untouched), str(target))
    save_reading(a_reading, str(target))
    assert "review" not in json.loads((target / "receipt.json").read_text())


def test_an_earlier_reading_stays_when_the_new_one_fails(a_reading, tmp_path):
    target = tmp_path / "case"
    save_reading(a_reading, str(target))
    unwritable = dataclasses.replace(a_reading, receipt={"odd": object()})
    with pytest.raises(TypeError):
        save_reading(unwritable, str(target))
    assert set(os.listdir(target)) == FILES
    assert os.listdir(tmp_path) == ["case"]


def test_an_earlier_reading_is_restored_when_the_new_one_cannot_replace_it(a_reading, tmp_path, monkeypatch):
    target = tmp_path / "case"
    save_reading(a_reading, str(target))
    (target / "lesions.csv").write_text("earlier")
    rename = Path.rename

    def refuse_new_folders(source, destination):
        if Path(destination) == target and (source / "lesions.csv").read_text() != "earlier":
            raise PermissionError(13, "in use")
        return rename(source, destination)

    monkeypatch.setattr(Path, "rename", refuse_new_folders)
    with pytest.raises(UserError, match="in use"):
        save_reading(a_reading, str(target))
    assert set(os.listdir(target)) == FILES
    assert (target / "lesions.csv").read_text() == "earlier"
    assert os.listdir(tmp_path) == ["case"]


def test_a_folder_of_other_files_is_never_replaced(a_reading, tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match="not an earlier reading"):
        save_reading(a_reading, str(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_an_output_that_cannot_be_written_is_one_sentence(a_reading, tmp_path):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "case"):
        with pytest.raises(UserError, match="choose another output folder") as caught:
            save_reading(a_reading, str(target))
        assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["file"]


def test_a_mask_that_does_not_fit_the_lesions_is_refused(a_reading):
    with pytest.raises(ValueError, match="3"):
        lesion_ids(dataclasses.replace(a_reading, mask=np.zeros_like(a_reading.mask)))
