"""Split cases into training, validation and test sets by patient, so that no scan or copy of a patient leaks.

Lin et al. 2022, Sec. 3.3: subset 1# without labels, subset 2# with labels, in each 70 % to train and 30 % to test;
images of one patient, augmented ones included, stay together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError

from .cases import patients_with_lesions, records_of
from .files import read_json
from .opened import Data, opened

#: Share of the labelled patients (or samples) used for validation. They count towards the budget, whatever the method.
VALIDATION_SHARE = 0.2

#: Share of each of the paper's subsets used for training (Sec. 3.3).
TRAINING_SHARE = 0.7
#: Form of a file that names labelled cases.
CASES_FORM = '{"labelled": ["case", ...]}'
BudgetBy = Literal["patient", "sample"]


@dataclass(frozen=True)
class PaperSubsets:
    """Cases of subset 1# (unlabelled) and subset 2# (labelled), each 70/30.

    Attributes:
        unlabelled_train: 70 % of subset 1#.
        unlabelled_test: 30 % of subset 1#.
        labelled_train: 70 % of subset 2#.
        labelled_test: 30 % of subset 2#.
    """

    unlabelled_train: list[str]
    unlabelled_test: list[str]
    labelled_train: list[str]
    labelled_test: list[str]


def read_labelled_cases(path: Path) -> tuple[str, ...]:
    """Read the names under "labelled" in a JSON file such as a benchmark's train/d1.json.

    Raises:
        UserError: the file is missing, damaged or names no case.
    """
    content = read_json(path, remedy=f"name a JSON file with {CASES_FORM}")
    names = content.get("labelled") if isinstance(content, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} names no cases; it must hold {CASES_FORM}.")
    return tuple(sorted(set(names)))


def patients_of(data: Data) -> dict[str, str]:
    """Return {case: patient} of a data set; a case without a patient's name is a patient of its own."""
    records = opened(data).records().values()
    return {record["case"]: record.get("patient", record["case"]) for record in records if "case" in record}


def draw_budget(
    patients: Mapping[str, str], labels: int, by: BudgetBy, seed: int, with_lesions: Collection[str] = ()
) -> tuple[list[str], list[str], list[str]]:
    """Draw a label budget; patients come in one seeded order, so that budgets are nested.

    The first VALIDATION_SHARE of the budget, at least one patient, is the validation set; a budget of at most one
    patient or sample has none. If the validation set would have no lesion, its last patient is exchanged for the first
    of the budget who has one, provided that a training patient with lesions remains. By sample, the remaining samples
    of a patient cut by the budget are not used at all.

    Args:
        patients: {case: patient} with a label.
        labels: number of patients or samples (`by`), validation included.
        by: unit of the budget.
        seed: seed of the order.
        with_lesions: patients with a labelled lesion in their scans.

    Returns:
        Names of the labelled, validation and remaining cases.

    Raises:
        UserError: fewer patients or samples than `labels`.
    """
    order = _shuffled(patients, seed)
    units = [(name, [case]) for name, cases in order for case in cases] if by == "sample" else order
    if labels > len(units):
        raise UserError(f"Only {len(units)} {by}s have labels, not {labels}; use fewer.", "labels")
    chosen = units[:labels]
    wanted = max(1, round(VALIDATION_SHARE * labels)) if labels > 1 else 0
    validation_names = set(_with_a_lesion([name for name, _ in chosen], wanted, set(with_lesions)))
    if validation_names >= {name for name, _ in chosen}:
        # All samples of the budget belong to one patient, who is needed for training.
        validation_names = set()
    validation = [case for name, cases in chosen if name in validation_names for case in cases]
    labelled = [case for name, cases in chosen if name not in validation_names for case in cases]
    used = {name for name, _ in chosen}
    return labelled, validation, [case for name, cases in order if name not in used for case in cases]


def _with_a_lesion(names: list[str], wanted: int, with_lesions: set[str]) -> list[str]:
    """Return the first `wanted` names, the last one exchanged if the validation set would have no lesion."""
    first = names[:wanted]
    others = [name for name in dict.fromkeys(names[wanted:]) if name in with_lesions and name not in first]
    if not first or with_lesions & set(first) or len(others) < 2:
        return first
    return [name for name in first if name != first[-1]] + others[:1]


def labelled_patients(data: Data, count: int, seed: int) -> list[str]:
    """Draw `count` training patients for a benchmark, first those with lesions, who are at least half of them."""
    records = [record for record in records_of(data) if record["split"] == "train"]
    patients = sorted({record["patient"] for record in records})
    order = [patients[index] for index in np.random.default_rng(seed).permutation(len(patients))]
    with_lesions = patients_with_lesions(data, records)
    first = [name for name in order if name in with_lesions][: -(-count // 2)]
    return first + [name for name in order if name not in first][: count - len(first)]


def draw_subsets(patients: Mapping[str, str], labelled_share: float, seed: int) -> PaperSubsets:
    """Draw subsets 1# and 2# of the paper, with TRAINING_SHARE of the patients of each for training.

    Args:
        patients: {case: patient}; an augmented copy has its source's patient.
        labelled_share: share of the patients in subset 2#, 0 to 1 (not stated in the paper).
        seed: seed of the draw.
    """
    order = _shuffled(patients, seed)
    cut = round(labelled_share * len(order))
    labelled, unlabelled = order[:cut], order[cut:]
    parts = [
        sorted(case for _, cases in part for case in cases)
        for group in (unlabelled, labelled)
        for part in (group[: round(TRAINING_SHARE * len(group))], group[round(TRAINING_SHARE * len(group)) :])
    ]
    return PaperSubsets(*parts)


def _shuffled(patients: Mapping[str, str], seed: int) -> list[tuple[str, list[str]]]:
    cases: dict[str, list[str]] = {}
    for case, patient in sorted(patients.items()):
        cases.setdefault(patient, []).append(case)
    names = sorted(cases)
    return [(names[i], cases[names[i]]) for i in np.random.default_rng(seed).permutation(len(names))]
