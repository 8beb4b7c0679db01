"""What an experiment consists of: trainings, identified by a hash of all that changes their result, and table rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from SpectBoneMetSegLib.model.config import NetworkConfig

from ..training.setup.config import TrainingConfig

SetName = Literal["D1", "D2", "D3", "D4"]
Measured = Literal["views", "union"]


@dataclass(frozen=True)
class Training:
    """One training with this program's trainer.

    Attributes:
        name: readable name for folders and tables.
        data: the paper's data set.
        apart: whether every view is a sample of its own.
        labels: number of patients with labels, validation included.
        config: all other options, and the seed.
    """

    name: str
    data: SetName
    apart: bool
    labels: int
    config: TrainingConfig

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return self.config.seed

    def record(self) -> dict[str, Any]:
        """Return everything that changes the result, as JSON; without defaults, so that new options change no key."""
        default = TrainingConfig().to_dict()
        network = NetworkConfig().to_dict()
        config = {name: value for name, value in self.config.to_dict().items() if value != default[name]}
        config["network"] = {k: v for k, v in self.config.network.to_dict().items() if v != network[k]}
        return {"data": self.data, "apart": self.apart, "labels": self.labels, "config": config}


@dataclass(frozen=True)
class NnunetTraining:
    """One training of nnU-Net.

    Attributes:
        name: as in `Training`.
        labels: as in `Training`.
        seed: as in `Training`.
        as_long_as: key of the training whose time it gets; empty for `seconds`.
        seconds: time of the training.
    """

    name: str
    labels: int
    seed: int
    as_long_as: str
    seconds: float

    def record(self) -> dict[str, Any]:
        """Return everything that changes the result, as JSON."""
        time = {"as_long_as": self.as_long_as} if self.as_long_as else {"seconds": self.seconds}
        return {"nnunet": True, "labels": self.labels, "seed": self.seed, **time}


AnyTraining = Training | NnunetTraining


def key_of(training: AnyTraining) -> str:
    """Return the file and folder name of a training: its name, seed and hash."""
    text = json.dumps(training.record(), sort_keys=True)
    return f"{training.name}-seed{training.seed}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class TableRow:
    """One row of a table: its label, and the training of every seed.

    Attributes:
        label: its text.
        make: seed -> training.
        measured: evaluated per view ("views") or on the union of the views ("union").
        paper: the known metrics of the paper.
        x: position on the plot's x axis; None for a bar.
        series: line of the plot that the row belongs to.
    """

    label: str
    make: Callable[[int], AnyTraining]
    measured: Measured = "views"
    paper: tuple[tuple[str, float], ...] = ()
    x: float | None = None
    series: str = ""


@dataclass(frozen=True)
class Experiment:
    """One of the paper's tables or figures.

    Attributes:
        name: name in the command.
        title: heading on the page.
        about: explanation on the page.
        rows: its rows.
        axis: x axis of the plot.
        columns: further columns of the table.
    """

    name: str
    title: str
    about: str
    rows: tuple[TableRow, ...]
    axis: str = ""
    columns: tuple[str, ...] = ()
