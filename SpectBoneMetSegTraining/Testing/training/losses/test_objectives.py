"""Every training method runs, resumes to the same weights, and keeps patients apart."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.budgets import draw_budget, draw_subsets
from SpectBoneMetSegTrainingLib.dataset.cases import load_case
from SpectBoneMetSegTrainingLib.evaluation.metrics import Counts
from SpectBoneMetSegTrainingLib.evaluation.predictions import predict_cases
from SpectBoneMetSegTrainingLib.training import trainer
from SpectBoneMetSegTrainingLib.training.losses.objectives import strong_losses
from SpectBoneMetSegTrainingLib.training.setup.cases import training_cases
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.trainer import train
from support.leaks import shared_patients

pytestmark = pytest.mark.usefixtures("eager")

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=1, stem_channels=6)


def config(**changes) -> TrainingConfig:
    return TrainingConfig(**{"steps": 4, "batch": 4, "patch": 32, "seed": 3, "network": NETWORK, **changes})


@pytest.fixture(scope="module")
def mixed(discs, tmp_path_factory):
    """Six labelled and three unlabelled patients."""
    return discs(tmp_path_factory.mktemp("mixed"), ["train"] * 6 + ["unlabelled"] * 3)


METHODS = {
    "supervised": {"method": "supervised"},
    "unsupervised": {"method": "unsupervised", "labels": 2},
    "semi as published": {"method": "semi", "labels": 4, "published": True, "convex": True},
    "strong": {"method": "strong", "labels": 4},
}
#: The quick tests resume the method with all components: two kinds of scans, mean teacher, pasted lesions.
RESUMED = [pytest.param(name, marks=[] if name == "strong" else pytest.mark.slow) for name in METHODS]


@pytest.mark.parametrize("name", RESUMED)
def test_an_interrupted_and_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    name, mixed, tmp_path, monkeypatch
):
    monkeypatch.setattr(trainer, "CHECKPOINT_EVERY", 2)
    options = config(**METHODS[name])
    whole = train(mixed, tmp_path / "whole", options)

    def interrupt(step, *_):
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(mixed, tmp_path / "cut", options, interrupt)
    resumed = train(mixed, tmp_path / "cut", options)
    for one, two in zip(whole.variables, resumed.variables, strict=True):
        assert np.array_equal(one.numpy(), two.numpy()), one.path
    first, second = ((tmp_path / run / "log.csv").read_text().splitlines() for run in ("whole", "cut"))
    assert len(first) == len(second) == 5


def strong_parts(probability, teacher, pasted=0.0, weight=1.0):
    """Terms of the loss of "strong" for an unlabelled patch with constant values."""
    shape = (2, 4, 4, 1)
    both = {"probability": (0.5, probability), "label": (0.0, pasted), "weight": (1.0, weight)}
    batch = {name: np.stack([np.full(shape[1:], v, np.float32) for v in pair]) for name, pair in both.items()}
    batch["teacher"] = np.full((1, *shape[1:]), teacher, np.float32)
    return {name: float(value) for name, value in strong_losses(batch, 1.0).items()}


@pytest.mark.parametrize("teacher", [0.02, 0.3, 0.5, 0.8])
def test_unlabelled_pixels_approach_the_pseudo_label_and_do_not_exceed_it(teacher):
    grid = np.round(np.arange(0.01, 1, 0.01), 2)
    costs = [strong_parts(p, teacher)["consistency"] for p in grid]
    assert grid[int(np.argmin(costs))] == teacher
    assert len({strong_parts(p, teacher)["supervised"] for p in (0.1, 0.9)}) == 1


def test_a_pasted_lesion_overrides_the_teacher_and_pixels_outside_the_field_have_no_loss():
    costs = [strong_parts(p, 0.1, pasted=1.0)["consistency"] for p in (0.2, 0.5, 0.99)]
    assert costs == sorted(costs, reverse=True)
    assert strong_parts(0.2, 0.9, weight=0.0)["consistency"] == 0


@pytest.mark.slow
def test_a_tiny_network_overfits_four_images(discs, tmp_path):
    data = discs(tmp_path / "data", ["train"] * 4)
    folds = json.loads((data / "splits.json").read_text())
    training = sorted({case for fold in folds["folds"] for case in fold["train"]})
    folds["folds"] = [{"train": training, "val": []} for _ in folds["folds"]]
    (data / "splits.json").write_text(json.dumps(folds))
    losses = []
    options = config(steps=140, patch=64, learning_rate=1e-2, augment=False)
    network = train(data, tmp_path / "run", options, lambda _s, _n, loss, _t: losses.append(loss))
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:4])
    assert (tmp_path / "run" / "curves.png").stat().st_size > 5000

    def predict(inputs):
        # The crops are larger than the discs; the network's grid divides both.
        return np.asarray(network(inputs[None], training=False))[0]

    total = Counts()
    for crop, probabilities in predict_cases(data, training, predict, NETWORK):
        for view, probability in probabilities.items():
            truth, mask = crop.labels[view] == 1, probability >= 0.5
            total += Counts(int((truth & mask).sum()), int((mask & ~truth).sum()), int((truth & ~mask).sum()))
    assert total.dice > 0.9


def test_labels_beyond_the_budget_are_not_used(mixed):
    cases = training_cases(mixed, config(method="semi", labels=3))
    assert len(cases.labelled) + len(cases.validation) == 3
    assert len(cases.unlabelled) == 6
    assert not {*cases.labelled, *cases.validation} & set(cases.unlabelled)
    for name in cases.unlabelled:
        load_case(mixed, name)


def test_more_labels_than_available_are_refused(mixed):
    with pytest.raises(UserError, match="use fewer"):
        training_cases(mixed, config(method="semi", labels=99))


@given(
    st.lists(st.integers(0, 12), min_size=3, max_size=40),
    st.integers(1, 40),
    st.sampled_from(["patient", "sample"]),
    st.integers(0, 5),
)
def test_no_patient_is_in_two_groups(owners, labels, by, seed):
    patients = {f"case{i}": f"patient{owner}" for i, owner in enumerate(owners)}
    units = len(set(owners)) if by == "patient" else len(owners)
    groups = draw_budget(patients, min(labels, units), by, seed)
    assert not shared_patients(patients, *groups)
    subsets = draw_subsets(patients, 0.4, seed)
    parts = (
        subsets.unlabelled_train,
        subsets.unlabelled_test,
        subsets.labelled_train,
        subsets.labelled_test,
    )
    assert not shared_patients(patients, *parts)
    assert sorted(case for part in parts for case in part) == sorted(patients)


def test_a_leak_is_detected():
    patients = {"a": "p", "copy of a": "p", "b": "q"}
    assert shared_patients(patients, ["a"], ["copy of a", "b"]) == {"p"}
