"""The training commands of `spectbonemetseg`, one file each; the entry points name them here."""

from __future__ import annotations

from .augment_command import AugmentCommand
from .calibrate_command import CalibrateCommand
from .evaluate_command import EvaluateCommand
from .experiment_command import ExperimentCommand
from .gather_command import GatherCommand
from .jobs_command import JobsCommand
from .rank_command import RankCommand
from .simulate_command import SimulateCommand
from .train_command import TrainCommand

__all__ = [
    "AugmentCommand",
    "CalibrateCommand",
    "EvaluateCommand",
    "ExperimentCommand",
    "GatherCommand",
    "JobsCommand",
    "RankCommand",
    "SimulateCommand",
    "TrainCommand",
]
