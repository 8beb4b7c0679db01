"""A resumed import gives what an import from the beginning gives, also after files of the download were repaired."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.description import read_description
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets


def imported(name, folder, data, **options):
    return import_set(ImportRequest(find_set(name), folder, accepted=True, **options), data)


def contents(data):
    """{path: bytes} of a data set, compressed images without the time of their writing."""
    return {
        path.relative_to(data).as_posix(): path.read_bytes()[10:] if path.suffix == ".gz" else path.read_bytes()
        for path in data.rglob("*")
        if path.is_file()
    }


def records(data):
    return {path.stem: read_json(path) for path in (data / "instances").glob("*.json")}


@pytest.fixture
def bs80k(tmp_path):
    folder = open_sets.write_bs80k(tmp_path / "bs80k", (1, 2, 10))
    for path in folder.rglob("wholeBody*.txt"):
        path.unlink()
    return folder


def test_after_a_repair_of_the_download_labels_and_pixel_sizes_are_those_of_a_new_import(bs80k, tmp_path):
    boxes = bs80k / "temp" / "wholeBodyPOST" / "post" / "2.xml"
    for view, gain in open_sets.GAINS.items():
        # A body shorter by a tenth: with it the estimated pixel size is another.
        counts = open_sets.sample_counts()[view]
        short = np.delete(counts, np.arange(0, len(counts), 10), 0)
        counts = np.pad(short, ((0, len(counts) - len(short)), (0, 0)))
        open_sets.write_jpeg(bs80k / "temp" / f"wholeBody{view}" / "10.jpg", open_sets.grey(counts, gain))
        (bs80k / "temp" / f"wholeBody{view}" / "1.jpg").unlink()
    scan = bs80k / "temp" / "wholeBodyANT" / "10.jpg"
    whole = boxes.read_text()
    boxes.unlink()
    picture = scan.read_bytes()
    scan.write_bytes(picture[: len(picture) // 2])
    before = imported("bs80k", bs80k, tmp_path / "d")
    assert list(before.left_out) == ["10"]
    sizes = {record["frame"]["spacing_mm"][0] for record in records(tmp_path / "d").values()}
    boxes.write_text(whole)
    scan.write_bytes(picture)
    assert imported("bs80k", bs80k, tmp_path / "d").left_out == {}
    imported("bs80k", bs80k, tmp_path / "new")
    after = records(tmp_path / "d")
    assert {"posterior": True} in [each["labelled"] for each in after["bs80k_2"]["lesions"]]
    [size] = {record["frame"]["spacing_mm"][0] for record in after.values()}
    assert {size} != sizes
    assert size == read_json(tmp_path / "d" / "dataset.json")["pixel_size_mm"]
    assert contents(tmp_path / "d") == contents(tmp_path / "new")


def test_without_a_change_no_case_is_imported_again(bs80k, tmp_path):
    imported("bs80k", bs80k, tmp_path / "d")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d" / "instances").iterdir()}
    # A copy elsewhere has other paths and times.
    imported("bs80k", shutil.copytree(bs80k, tmp_path / "copy", copy_function=shutil.copyfile), tmp_path / "d")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "d" / "instances").iterdir()}


def test_only_the_case_of_a_changed_file_is_imported_again(bs80k, tmp_path):
    imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "d" / "instances").glob("*.json")}
    (bs80k / "temp" / "wholeBodyANT" / "ant" / "2.xml").unlink()
    imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "d" / "instances").glob("*.json")}
    assert [name for name, time in before.items() if after[name] != time] == ["bs80k_2.json"]


def test_a_file_that_was_damaged_since_takes_its_case_out_of_the_data_set(bs80k, tmp_path):
    imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    scan = bs80k / "temp" / "wholeBodyANT" / "10.jpg"
    scan.write_bytes(scan.read_bytes()[:5000])
    result = imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    assert list(result.left_out) == ["10"]
    assert sum(result.cases.values()) == 2
    assert not [path for path in (tmp_path / "d").rglob("*bs80k_10*") if path.is_file()]


def test_bones_that_are_no_longer_there_leave_no_regions_behind(bs80k, tmp_path):
    masks = open_sets.write_skeleton(tmp_path / "masks", (1, 10), (512, 128))
    imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k, pixel_size_mm=2.26)
    (masks / "dataset" / "masks" / "anterior" / "10.png").unlink()
    imported("bs80k-skeleton", masks, tmp_path / "d", scans=bs80k, pixel_size_mm=2.26)
    kept = [path.name for path in (tmp_path / "d" / "regions" / "bs80k-skeleton_10").iterdir()]
    assert kept == ["regions_posterior.nrrd"]


def test_changed_outlines_are_drawn_again(bs80k, tmp_path):
    masks = open_sets.write_coco(tmp_path / "masks", (1, 10))
    imported("bs80k-anatomy", masks, tmp_path / "d", scans=bs80k, pixel_size_mm=2.26)
    path = masks / "labels_val.json"
    content = json.loads(path.read_text())
    content["annotations"] = [each for each in content["annotations"] if each["category_id"] != 1]
    path.write_text(json.dumps(content))
    imported("bs80k-anatomy", masks, tmp_path / "d", scans=bs80k, pixel_size_mm=2.26)
    imported("bs80k-anatomy", masks, tmp_path / "new", scans=bs80k, pixel_size_mm=2.26)
    assert contents(tmp_path / "d") == contents(tmp_path / "new")


def test_a_list_of_labels_that_was_added_counts_for_cases_imported_before(bs80k, tmp_path):
    (bs80k / "temp" / "wholeBodyANT" / "ant" / "2.xml").unlink()
    assert imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26).left_out == {}
    (bs80k / "temp" / "wholeBodyANT" / "wholeBodyANT.txt").write_text("2.jpg\t1\n")
    assert list(imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26).left_out) == ["2"]


def test_a_description_whose_values_mean_something_else_now_is_followed(tmp_path):
    folder = open_sets.write_pairs(tmp_path / "set", ("a", "b"))
    path = tmp_path / "mine.json"
    told = {"name": "mine", "title": "Mine", "home": "here", "citation": "me", "licence": "CC0", "truth": "by me"}
    told |= {"files": [{"role": "scan", "pattern": "Image/(?P<patient>.+)\\.mhd", "view": "anterior"},
                       {"role": "lesions", "pattern": "Tumor/(?P<patient>.+)\\.mhd", "view": "anterior"}]}  # fmt: skip
    found = []
    for word in ("lesion", "benign"):
        path.write_text(json.dumps({**told, "lesions": {"1": word}}))
        import_set(ImportRequest(read_description(path), folder), tmp_path / "d")
        found.append([len(record["lesions"]) for record in records(tmp_path / "d").values()])
    assert found == [[1, 1], [0, 0]]


def test_a_folder_without_the_scans_of_earlier_cases_is_refused_and_the_cases_stay(bs80k, tmp_path):
    imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    before = contents(tmp_path / "d")
    for view in ("ANT", "POST"):
        (bs80k / "temp" / f"wholeBody{view}" / "10.jpg").unlink()
    with pytest.raises(UserError, match=r"holds 1 case whose scans .*bs80k does not hold, the first is bs80k_10; give"):
        imported("bs80k", bs80k, tmp_path / "d", pixel_size_mm=2.26)
    assert contents(tmp_path / "d") == before
    assert len(cases_of(tmp_path / "d", "train")) + len(cases_of(tmp_path / "d", "test")) == 3
