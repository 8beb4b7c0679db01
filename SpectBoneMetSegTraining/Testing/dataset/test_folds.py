"""Folds and splits of a data set, by patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.dataset import budgets
from SpectBoneMetSegTrainingLib.dataset.budgets import draw_budget, labelled_patients
from SpectBoneMetSegTrainingLib.dataset.cases import (
    cases_of,
    finish_dataset,
    read_json,
    records_of,
    write_json,
)
from SpectBoneMetSegTrainingLib.dataset.folds import extend_split, split_by_patient


def test_cases_are_found_by_split(folder):
    assert cases_of(folder, "train") == ["a", "b"]
    assert cases_of(folder, "test") == ["c"]
    assert cases_of(folder, "unlabelled") == ["d"]


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=4), st.sampled_from("PQRSTUVWXYZ"), max_size=40),
    st.integers(0, 99),
)
def test_no_patient_is_on_both_sides_of_a_fold(patients, seed):
    folds = split_by_patient(patients, seed)
    assert len(folds) == 5
    for fold in folds:
        train, val = ({patients[case] for case in fold[side]} for side in ("train", "val"))
        assert not train & val
        assert sorted([*fold["train"], *fold["val"]]) == sorted(patients)
    held = [case for fold in folds for case in fold["val"]]
    assert sorted(held) == sorted(patients)


@given(st.integers(1, 30), st.data())
def test_no_fold_that_can_hold_a_lesion_is_without(count, data):
    patients = {f"c{i}": f"p{i}" for i in range(count)}
    marked = data.draw(st.sets(st.sampled_from(sorted(patients.values()))))
    folds = split_by_patient(patients, data.draw(st.integers(0, 9)), with_lesions=marked)
    held = [len(marked & {patients[case] for case in fold["val"]}) for fold in folds]
    assert sum(held) == len(marked)
    assert sum(number > 0 for number in held) == min(len(marked), 5)
    if len(marked) > 1:
        # The fold that validates comes first.
        assert held[0] > 0
    if len(marked) == 1:
        assert held[0] == 0
    assert sorted(case for fold in folds for case in fold["val"]) == sorted(patients)


def test_a_draw_that_has_lesions_everywhere_stays_as_it_was():
    patients = {f"c{i}": f"p{i}" for i in range(40)}
    marked = {f"p{i}" for i in range(0, 40, 2)}
    assert split_by_patient(patients, 3, with_lesions=marked) == split_by_patient(patients, 3)


def test_new_patients_with_lesions_join_the_folds_that_have_none():
    patients = {f"c{i}": f"p{i}" for i in range(10)}
    folds = split_by_patient(patients, 0)
    more = {**patients, **{f"n{i}": f"q{i}" for i in range(5)}}
    _, joined = extend_split(folds, more, 0, with_lesions={f"q{i}" for i in range(5)})
    assert sorted(joined.values()) == [0, 1, 2, 3, 4]
    one, joined = extend_split(folds, {**patients, "n0": "q0"}, 0, with_lesions={"q0"})
    assert joined["q0"] != 0
    assert extend_split(one, {**patients, "n0": "q0", "n1": "q1"}, 0, with_lesions={"q0", "q1"})[1] == {"q1": 0}


def test_a_budget_has_a_lesion_to_validate_on_where_two_patients_have_some():
    patients = {f"c{i}": f"p{i}" for i in range(10)}
    for seed in range(20):
        plain = draw_budget(patients, 10, "patient", seed)
        labelled, validation, rest = draw_budget(patients, 10, "patient", seed, with_lesions={"p3", "p7"})
        assert {"c3", "c7"} & set(validation)
        assert {"c3", "c7"} & set(labelled) or set(plain[1]) == {"c3", "c7"}
        assert sorted([*labelled, *validation, *rest]) == sorted(patients)
        assert len(validation) == 2


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
    with pytest.raises(UserError, match="make one"):
        cases_of(tmp_path, "train")


def test_known_patients_stay_and_new_ones_even_the_folds_out():
    patients = {f"c{i}": f"p{i // 2}" for i in range(14)}
    folds = split_by_patient(patients, 3)
    more = {**patients, **{f"n{i}": f"q{i}" for i in range(6)}, "again": "p0"}
    extended, joined = extend_split(folds, more, 3)
    assert set(joined) == {f"q{i}" for i in range(6)}
    for old, new in zip(folds, extended, strict=True):
        assert set(old["val"]) <= set(new["val"])
        assert set(old["train"]) <= set(new["train"])
        assert set(new["val"]) | set(new["train"]) == set(more)
        assert not {more[case] for case in new["val"]} & {more[case] for case in new["train"]}
        assert ("again" in new["val"]) == ("c0" in new["val"])
    held = [len({more[case] for case in fold["val"]}) for fold in extended]
    assert max(held) - min(held) <= 1
    assert extend_split(extended, more, 3) == (extended, {})


def test_half_of_the_labelled_patients_of_a_benchmark_have_lesions(discs, tmp_path, monkeypatch):
    data = discs(tmp_path / "d", ["train"] * 8)
    patients = sorted({record["patient"] for record in records_of(data)})
    rare = set(patients[:3])
    monkeypatch.setattr(budgets, "patients_with_lesions", lambda _data, _records: rare)
    for seed in range(5):
        chosen = labelled_patients(data, 5, seed)
        assert len(set(chosen)) == 5
        assert rare <= set(chosen), "three of eight have lesions, and three of five are needed"
    assert labelled_patients(data, 5, 4) == chosen, "the same for the same seed"
