"""nnU-Net's own trainer with an end after so many seconds. Runs in nnU-Net's interpreter, never in ours.

nnU-Net finds this file through its variable nnUNet_extTrainer. Different from its default: epochs are short and end
when the time is up, its polynomial learning rate falls with the time used instead of the epochs, and it has a seed. The
checkpoint to predict with is its best on the validation patients (EMA of its pseudo Dice).
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class _TimeIsUpError(Exception):
    """Ends the loop over epochs."""


class TimedTrainer(nnUNetTrainer):
    """Trains for SPECTBONEMETSEG_SECONDS in epochs of SPECTBONEMETSEG_ITERATIONS, pauses left out."""

    def __init__(
        self, plans: dict[str, Any], configuration: str, fold: int, dataset_json: dict[str, Any], device: torch.device
    ) -> None:
        # nnU-Net reads these very names from the signature.
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_iterations_per_epoch = int(os.environ["SPECTBONEMETSEG_ITERATIONS"])
        self.num_val_iterations_per_epoch = max(1, self.num_iterations_per_epoch // 5)
        self.save_every = 1
        self._seconds = float(os.environ["SPECTBONEMETSEG_SECONDS"])
        self._clock = Path(self.output_folder) / "seconds.json"
        self._used = json.loads(self._clock.read_text())["seconds"] if self._clock.exists() else 0.0
        self._started = time.monotonic()
        seed = int(os.environ["SPECTBONEMETSEG_SEED"])
        torch.manual_seed(seed)
        np.random.seed(seed)

    def run_training(self) -> None:
        """As the package has it, until the time is up."""
        try:
            if self._used < self._seconds:
                super().run_training()
            else:
                self.on_train_end()
        except _TimeIsUpError:
            self.on_train_end()

    def on_train_start(self) -> None:
        """Preparations do not count."""
        super().on_train_start()
        self._started = time.monotonic()

    def on_train_epoch_start(self) -> None:
        """The learning rate of the time used."""
        super().on_train_epoch_start()
        rate = self.initial_lr * (1 - min(self._elapsed() / self._seconds, 0.999)) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def on_epoch_end(self) -> None:
        """Note the time, beside nnU-Net's own checkpoint."""
        super().on_epoch_end()
        used = self._elapsed()
        record = {
            "seconds": used,
            "iterations": self.current_epoch * self.num_iterations_per_epoch,
            "best_ema_pseudo_dice": float(self._best_ema),
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "torch": torch.__version__,
        }
        self._clock.write_text(json.dumps(record))
        if used >= self._seconds:
            raise _TimeIsUpError

    def _elapsed(self) -> float:
        return float(self._used + time.monotonic() - self._started)
