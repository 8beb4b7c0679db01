"""The split of an import is called published only where it is the published one."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.dataset.files import read_json
from SpectBoneMetSegTrainingLib.gathering.open_data.catalogue import find_set
from SpectBoneMetSegTrainingLib.gathering.open_data.folds import sides_of
from SpectBoneMetSegTrainingLib.gathering.open_data.import_set import ImportRequest, import_set
from support import open_sets

IDS = tuple(range(1, 2926))
#: As the published code shuffles them.
SHUFFLED = sorted(f"{number:04d}" for number in IDS)
np.random.default_rng(42).shuffle(SHUFFLED)
TRAIN, VALIDATION, TEST = (int(SHUFFLED[index]) for index in (0, 2340, 2632))
BS80K = find_set("bs80k")
PATIENTS = [str(number) for number in range(1, 3248)]


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
    place = open_sets.write_regions(bs80k, IDS[:-1])
    result = imported("bs80k", bs80k, tmp_path / "d")
    assert result.cases == {"train": 3, "test": 0, "unlabelled": 0}
    about = read_json(tmp_path / "d" / "dataset.json")["split_source"]
    assert f"({place} has 2924): folds of our own, seed 42, not the published split." in about
    assert about in result.notes


def test_a_set_of_other_patients_does_not_speak_of_the_published_split(tmp_path):
    imported("iics-una", open_sets.write_iics(tmp_path / "set", ill=1, well=2), tmp_path / "d")
    assert read_json(tmp_path / "d" / "dataset.json")["split_source"] == "folds of our own, seed 42"


def test_the_published_split_has_the_published_sizes(tmp_path):
    open_sets.write_regions(tmp_path, IDS)
    # Twins would move each other.
    sides = sides_of(replace(BS80K, twins=()), PATIENTS, tmp_path)[0]
    assert Counter(sides[str(number)] for number in IDS) == {"train": 2340, "validation": 292, "test": 293}
    assert {sides[patient] for patient in PATIENTS[2925:]} == {"train"}


@pytest.mark.parametrize("other", ["HeadANT", "elbowRPOST", "vertbraPOST"])
def test_another_whole_folder_serves_where_one_is_not_whole(other, tmp_path):
    open_sets.write_regions(tmp_path, IDS[10:])
    open_sets.write_regions(tmp_path, IDS, other)
    sides, about = sides_of(BS80K, PATIENTS, tmp_path)
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
    sides, about = sides_of(BS80K, PATIENTS, tmp_path)
    assert set(sides.values()) == {"train"}
    assert why in about
    assert "folds of our own, seed 42, not the published split." in about
