"""Folds and splits of a data set, by patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset.cases import (
    cases_of,
    finish_dataset,
    read_json,
    split_by_patient,
    write_json,
)


def test_cases_are_found_by_split(folder):
    assert cases_of(folder, "train") == ["a", "b"]
    assert cases_of(folder, "test") == ["c"]
    assert cases_of(folder, "unlabelled") == ["d"]


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


def test_a_folder_that_is_no_data_set_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match="spectbonemetseg simulate"):
        cases_of(tmp_path, "train")
