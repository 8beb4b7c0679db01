"""The split of an import is called published only where it is the published one."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.folds import sides_of
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from SpectBoneMetSegTrainingLib.gathering.open_data.listing import Listing
from support import open_sets

IDS = tuple(range(1, 2926))
#: As the published code shuffles them.
SHUFFLED = sorted(f"{number:04d}" for number in IDS)
np.random.default_rng(42).shuffle(SHUFFLED)
TRAIN, VALIDATION, TEST = (int(SHUFFLED[index]) for index in (0, 2340, 2632))
BS80K = find_set("bs80k")
PATIENTS = [str(number) for number in range(1, 3248)]
WHOLE = Listing({"scan": {(patient, "anterior"): Path(f"{patient}.jpg") for patient in PATIENTS}})


def imported(name, folder, data, **options):
    return import_set(ImportRequest(find_set(name), folder, accepted=True, pixel_size_mm=2.26, **options), data)


def sides_in(data):
    return {path.stem.split("_")[1]: read_json(path)["side"] for path in (data / "instances").glob("*.json")}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return open_sets.write_bs80k(tmp_path_factory.mktemp("bs80k"), (TRAIN, VALIDATION, TEST))


@pytest.fixture
def bs80k(written, tmp_path):
    return shutil.copytree(written, tmp_path / "bs80k")


@pytest.mark.parametrize("suffix", [".jpg", ".JPG"])
def test_a_whole_folder_of_regions_gives_the_published_split_however_its_files_are_spelt(suffix, bs80k, tmp_path):
    open_sets.write_regions(bs80k, IDS, suffix=suffix)
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert sides_in(tmp_path / "d") == {str(TRAIN): "train", str(VALIDATION): "validation", str(TEST): "test"}
    about = read_json(tmp_path / "d" / "dataset.json")["split_source"]
    assert about == "The published split, formed from the 2925 pictures of a region."
    assert about in result.notes


def test_a_folder_of_regions_that_is_not_whole_gives_folds_of_our_own_and_says_so(bs80k, tmp_path):
    open_sets.write_regions(bs80k, IDS[:-1])
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert result.cases == {"train": 3, "test": 0, "unlabelled": 0}
    about = read_json(tmp_path / "d" / "dataset.json")["split_source"]
    # The data set is passed on: it does not hold paths of this machine.
    assert "(chestRANT has 2924): folds of our own, seed 42, not the published split." in about
    assert about in result.notes


def test_a_set_of_other_patients_does_not_speak_of_the_published_split(tmp_path):
    imported("iics-una", open_sets.write_iics(tmp_path / "set", ill=1, well=2), tmp_path / "d")
    assert read_json(tmp_path / "d" / "dataset.json")["split_source"] == "folds of our own, seed 42"


def test_the_published_split_has_the_published_sizes(tmp_path):
    open_sets.write_regions(tmp_path, IDS)
    # Twins would move each other.
    sides = sides_of(replace(BS80K, twins=()), WHOLE, tmp_path)[0]
    assert Counter(sides[str(number)] for number in IDS) == {"train": 2340, "validation": 292, "test": 293}
    assert {sides[patient] for patient in PATIENTS[2925:]} == {"train"}


@pytest.mark.parametrize("other", ["HeadANT", "elbowRPOST", "vertbraPOST"])
def test_another_whole_folder_serves_where_one_is_not_whole(other, tmp_path):
    open_sets.write_regions(tmp_path, IDS[10:])
    open_sets.write_regions(tmp_path, IDS, other)
    sides, about = sides_of(BS80K, WHOLE, tmp_path)
    assert (sides[str(VALIDATION)], sides[str(TEST)]) == ("validation", "test")
    assert about.startswith("The published split")


@pytest.mark.parametrize(
    ("folders", "why"),
    [
        ({"chestRANT": [*IDS, 3000]}, "chestRANT has 2926"),
        ({"chestRANT": IDS, "headANT": [*IDS[1:], 3000]}, "show different patients"),
        ({"wholeBodyANT": IDS}, "are not there"),
        ({}, "are not there"),
    ],
)
def test_pictures_of_other_patients_than_the_published_ones_give_no_published_split(folders, why, tmp_path):
    for name, ids in folders.items():
        open_sets.write_regions(tmp_path, ids, name)
    sides, about = sides_of(BS80K, WHOLE, tmp_path)
    assert set(sides.values()) == {"train"}
    assert why in about
    assert "folds of our own, seed 42, not the published split." in about


def test_the_split_that_the_manifest_states_goes_before_one_formed_from_pictures(bs80k, tmp_path):
    open_sets.write_regions(bs80k, IDS)
    masks = open_sets.write_hotspots(tmp_path / "masks", (TRAIN, VALIDATION, TEST), ("test", "unused", "validation"))
    for path in bs80k.rglob("wholeBody*.txt"):
        path.unlink()
    result = imported("bs80k-hotspots", masks, tmp_path / "d", scans=bs80k)
    assert sides_in(tmp_path / "d") == {str(TRAIN): "test", str(VALIDATION): "train", str(TEST): "validation"}
    assert "The published split, as manifest.csv states it." in result.notes


@pytest.mark.parametrize(
    ("sides", "expected", "about"),
    [
        ({"2": {"test"}, "3": {"val"}}, ["train", "test", "validation"], r"^The published split, as manifest.csv states"
         r" it. It does not name 1 patient of the scans. BS-80K's .*: folds of our own"),
        ({"2": {"test", "train"}}, ["train"] * 3, r"puts patient 2 into the split 'test and train', so its splits were "
         r"not used. BS-80K's .*: folds of our own"),
        ({"2": {"test"}, "3": {"odd"}}, ["train"] * 3, "puts patient 3 into the split 'odd', so"),
    ],
)  # fmt: skip
def test_a_manifest_that_is_not_whole_or_unclear_is_not_taken_for_the_published_split(sides, expected, about, tmp_path):
    listing = Listing({"scan": {(patient, "anterior"): Path("a.jpg") for patient in "123"}}, sides=sides)
    found, told = sides_of(find_set("bs80k-hotspots"), listing, tmp_path)
    assert [found[patient] for patient in "123"] == expected
    assert re.search(about, told)


def test_patients_that_the_manifest_does_not_name_are_where_the_pictures_of_regions_put_them(tmp_path):
    open_sets.write_regions(tmp_path, IDS)
    whole = replace(WHOLE, sides={str(TRAIN): {"test"}})
    sides, about = sides_of(find_set("bs80k-hotspots"), whole, tmp_path)
    assert [sides[str(number)] for number in (TRAIN, VALIDATION, TEST)] == ["test", "validation", "test"]
    assert "does not name 3246 patients of the scans. The published split, formed from" in about
