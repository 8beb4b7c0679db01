"""Who is trained on, who validates, who is tested: always whole patients, so that no scan or copy of one leaks.

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

from .files import read_json
from .opened import Data, opened

#: Share of the labelled patients (or samples) that validate. They count inside the budget, the same for every method.
VALIDATION_SHARE = 0.2

#: Share of each of the paper's subsets that trains.
TRAINING_SHARE = 0.7
BudgetBy = Literal["patient", "sample"]


@dataclass(frozen=True)
class PaperSubsets:
    """Cases of subset 1# (unlabelled) and subset 2# (labelled), each 70/30."""

    unlabelled_train: list[str]
    unlabelled_test: list[str]
    labelled_train: list[str]
    labelled_test: list[str]


def read_labelled_cases(path: Path) -> tuple[str, ...]:
    """The names under "labelled" in a JSON file such as a benchmark's train/d1.json.

    Raises:
        UserError: it is missing, damaged or names none.
    """
    content = read_json(path)
    names = content.get("labelled") if isinstance(content, dict) else None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f'{path} names no cases; it must hold {{"labelled": ["case", ...]}}.')
    return tuple(sorted(set(names)))


def patients_of(data: Data) -> dict[str, str]:
    """{case: patient} of a whole data set; a case that names no patient is its own."""
    records = opened(data).records().values()
    return {record["case"]: record.get("patient", record["case"]) for record in records if "case" in record}


def draw_budget(
    patients: Mapping[str, str], labels: int, by: BudgetBy, seed: int, with_lesions: Collection[str] = ()
) -> tuple[list[str], list[str], list[str]]:
    """(labelled, validation, rest) of a label budget; patients come in one seeded order, so that budgets nest.

    The first VALIDATION_SHARE of the budget, at least one patient, validates; of a budget of one patient or sample, or
    of none, nobody does. Where they would have no lesion, one of them changes places with the budget's first who has
    one, if somebody with lesions is then left to learn from. By sample, what is left of a patient cut by the
    budget is not used at all.

    Args:
        patients: {case: patient} with a label.
        labels: how many `by` names, validation included.
        with_lesions: patients in whose scans a lesion is labelled.

    Raises:
        UserError: fewer patients or samples than `labels`.
    """
    order = _shuffled(patients, seed)
    units = [(name, [case]) for name, cases in order for case in cases] if by == "sample" else order
    if labels > len(units):
        raise UserError(f"There are labels of {len(units)} {by}s, not of {labels}; ask for fewer.", "labels")
    chosen = units[:labels]
    wanted = max(1, round(VALIDATION_SHARE * labels)) if labels > 1 else 0
    validators = set(_with_a_lesion([name for name, _ in chosen], wanted, set(with_lesions)))
    if validators >= {name for name, _ in chosen}:
        # All samples of the budget belong to one patient: somebody has to be learnt from.
        validators = set()
    validation = [case for name, cases in chosen if name in validators for case in cases]
    labelled = [case for name, cases in chosen if name not in validators for case in cases]
    used = {name for name, _ in chosen}
    return labelled, validation, [case for name, cases in order if name not in used for case in cases]


def _with_a_lesion(names: list[str], wanted: int, with_lesions: set[str]) -> list[str]:
    """The first `wanted` names, the last of them exchanged where they would have no lesion to validate on."""
    first = names[:wanted]
    others = [name for name in dict.fromkeys(names[wanted:]) if name in with_lesions and name not in first]
    if not first or with_lesions & set(first) or len(others) < 2:
        return first
    return [name for name in first if name != first[-1]] + others[:1]


def draw_subsets(patients: Mapping[str, str], labelled_share: float, seed: int) -> PaperSubsets:
    """Subsets 1# and 2# of the paper, and in each TRAINING_SHARE of the patients to train.

    Args:
        patients: {case: patient}; an augmented copy has its source's patient.
        labelled_share: share of the patients in subset 2#, 0 to 1 (the paper does not say).
        seed: of the draw.
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
