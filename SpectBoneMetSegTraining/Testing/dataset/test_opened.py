"""An open data set reads every file once, gives what its folder gives, and keeps within its memory."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset import opened as module
from SpectBoneMetSegTrainingLib.dataset.budgets import patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import load_case, records_of, stored_region
from SpectBoneMetSegTrainingLib.dataset.opened import DataSet, opened


@pytest.fixture
def data(discs, tmp_path):
    return discs(tmp_path / "d", ["train"] * 3)


@pytest.fixture
def reads(monkeypatch):
    """{file name: how often it was read}."""
    counted: dict[str, int] = {}

    def read(real, path):
        counted[path.name] = counted.get(path.name, 0) + 1
        return real(path)

    for name in ("read_image", "read_json"):
        monkeypatch.setattr(module, name, partial(read, getattr(module, name)))
    return counted


def test_everything_in_an_open_data_set_is_read_once(data, reads):
    files = DataSet(data)
    for _ in range(2):
        names = [record["case"] for record in records_of(files)]
        patients_of(files)
        stored_region(files, names)
        for name in names:
            load_case(files, name)
    assert len(reads) > len(names)
    assert set(reads.values()) == {1}


def test_an_open_data_set_gives_what_its_folder_gives(data):
    files = DataSet(data)
    for _ in range(2):
        kept, own = load_case(files, "case1"), load_case(data, "case1")
        for name in ("counts", "labels", "instances"):
            for view, array in getattr(own, name).items():
                np.testing.assert_array_equal(getattr(kept, name)[view], array)
        assert kept.lesions == own.lesions


def test_a_folder_is_read_again_by_every_call(data, reads):
    load_case(data, "case0")
    load_case(data, "case0")
    assert set(reads.values()) == {2}


def test_images_beyond_the_memory_that_is_given_are_read_again(data, reads):
    files = DataSet(data, image_bytes=0)
    first, second = (files.image("imagesTr", "case0_0000.nii.gz") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert reads == {"case0_0000.nii.gz": 2}


def test_nobody_changes_what_others_will_read(data):
    with pytest.raises(ValueError, match="read-only"):
        DataSet(data).image("imagesTr", "case0_0000.nii.gz")[:] = 0


def test_an_open_data_set_stays_the_same_one_and_names_what_is_missing(data):
    files = opened(data)
    assert opened(files) is files
    with pytest.raises(UserError, match=r"nobody\.json"):
        load_case(files, "nobody")
