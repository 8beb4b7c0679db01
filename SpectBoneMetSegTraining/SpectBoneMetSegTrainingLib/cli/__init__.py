"""Training commands of `spectbonemetseg`, one per file; listed here for the entry points."""

from __future__ import annotations

from .adapt import AdaptCommand
from .audit import AuditCommand
from .augment import AugmentCommand
from .calibrate import CalibrateCommand
from .evaluate import EvaluateCommand
from .experiment import ExperimentCommand
from .gather import GatherCommand
from .import_set import ImportCommand
from .jobs import JobsCommand
from .rank import RankCommand
from .simulate import SimulateCommand
from .train import TrainCommand
from .tune import TuneCommand

__all__ = [
    "AdaptCommand",
    "AuditCommand",
    "AugmentCommand",
    "CalibrateCommand",
    "EvaluateCommand",
    "ExperimentCommand",
    "GatherCommand",
    "ImportCommand",
    "JobsCommand",
    "RankCommand",
    "SimulateCommand",
    "TrainCommand",
    "TuneCommand",
]
