"""nnU-Net's trainer with a time limit. Runs in nnU-Net's interpreter, never in ours.

nnU-Net finds this file through its variable nnUNet_extTrainer. Differences from its default: epochs are short and end
with the time limit, the polynomial learning rate decays with the time used instead of the epochs, and there is a seed.
Predictions use its best checkpoint on the validation patients (EMA of its pseudo Dice).
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


class _TimeLimitError(Exception):
    """Raised at the time limit, to end the loop over epochs."""


class TimedTrainer(nnUNetTrainer):
    """Trainer for SPECTBONEMETSEG_SECONDS of computing time, in epochs of SPECTBONEMETSEG_ITERATIONS."""

    def __init__(
        self, plans: dict[str, Any], configuration: str, fold: int, dataset_json: dict[str, Any], device: torch.device
    ) -> None:
        # nnU-Net reads these names from the signature.
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
        """Train as the package does, until the time limit."""
        try:
            if self._used < self._seconds:
                super().run_training()
            else:
                self.on_train_end()
        except _TimeLimitError:
            self.on_train_end()

    def on_train_start(self) -> None:
        """Start the clock after the preparations."""
        super().on_train_start()
        self._started = time.monotonic()

    def on_train_epoch_start(self) -> None:
        """Set the learning rate by the time used."""
        super().on_train_epoch_start()
        rate = self.initial_lr * (1 - min(self._elapsed() / self._seconds, 0.999)) ** 0.9
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def on_epoch_end(self) -> None:
        """Write the time used, next to nnU-Net's own checkpoint."""
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
            raise _TimeLimitError

    def _elapsed(self) -> float:
        return float(self._used + time.monotonic() - self._started)
