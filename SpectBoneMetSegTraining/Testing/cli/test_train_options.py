"""The options of a training are defined once: the dataclass makes the command line, the checks and the card."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import get_args

import pytest
from SpectBoneMetSegLib.cli.common import UsageError
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegTrainingLib.cli.train_options import add_options, training_config
from SpectBoneMetSegTrainingLib.dataset.budgets import BudgetBy
from SpectBoneMetSegTrainingLib.evaluation.predictions import OperatingPoint
from SpectBoneMetSegTrainingLib.training.setup.config import Method, Precision, TrainingConfig
from SpectBoneMetSegTrainingLib.training.setup.options import options_of


def requested(*words: str) -> TrainingConfig:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return training_config(parser.parse_args(words))


def test_nothing_requested_is_the_default():
    assert requested() == TrainingConfig()


def test_every_field_is_an_option_but_those_that_others_fill_in():
    reported = {item.name for item, _ in options_of(TrainingConfig)}
    assert {item.name for item in fields(TrainingConfig)} - reported == {"network", "validation_folds", "start_sha256"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("method", get_args(Method)),
        ("precision", get_args(Precision)),
        ("budget_by", get_args(BudgetBy)),
        ("region", get_args(Region)),
        ("operating_point", get_args(OperatingPoint)),
    ],
)
def test_the_choices_are_those_of_the_library(name, words):
    (choices,) = (about.choices for item, about in options_of(TrainingConfig) if item.name == name)
    assert set(choices) == set(words)


def test_options_reach_the_training(tmp_path):
    words = "--steps 5 --labels-by sample --labels 4 --no-augment --by-instance --region whole-body --average 0.5"
    wanted = replace(
        TrainingConfig(),
        **{"steps": 5, "budget_by": "sample", "labels": 4, "augment": False, "by_instance": True},
        **{"region": "whole-body", "average": 0.5, "store": str(tmp_path.resolve())},
    )
    assert requested(*words.split(), "--store", str(tmp_path)) == wanted


@pytest.mark.parametrize(
    "words",
    [
        *("--steps 0", "--batch 0", "--patch -8", "--learning-rate 0", "--learning-rate 1", "--weight-decay 1"),
        *("--average -0.1", "--average 1", "--seed -1", "--validate-every -1", "--patience -1", "--store-share 0"),
        *("--store-share 1.1", "--labels 0", "--patch 100", "--method semi --batch 3"),
    ],
)
def test_what_lies_outside_is_refused_with_its_name(words):
    option, _ = words.split()[-2:]
    with pytest.raises(UsageError) as refused:
        requested(*words.split())
    assert refused.value.fields == (option[2:].replace("-", "_"),)


@pytest.mark.parametrize("wrong", [{"method": "magic"}, {"budget_by": "view"}, {"region": "head"}, {"seed": -1}])
def test_a_script_is_refused_as_the_command_line_is(wrong):
    with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
        TrainingConfig(**wrong).check()


def test_the_card_records_the_requested_options():
    reported = TrainingConfig(steps=7, patch=64, augment=False).to_card()
    assert (reported["steps"], reported["patch_pixels"], reported["augmented_while_training"]) == (7, 64, False)
    assert set(reported) == {
        *("method", "steps", "batch", "patch_pixels", "augmented_while_training", "lesions_by_instance"),
        *("precision", "learning_rate", "seed"),
    }
