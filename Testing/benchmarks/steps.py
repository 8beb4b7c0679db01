"""Seconds per gradient step of the reader network, by precision. `python Testing/benchmarks/steps.py`."""

from __future__ import annotations

import argparse
import time

import numpy as np


def main() -> None:
    """Print a line for each precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=8, help="number of timed steps, after two warm-up steps")
    args = parser.parse_args()
    for precision in ("float32", "bfloat16"):
        print(f"{precision}: {seconds(precision, args.batch, args.patch, args.steps):.2f} s per step (median)")


def seconds(precision: str, batch: int, patch: int, steps: int) -> float:
    """Return the median time (s) of a step on random patches of whole bodies."""
    from SpectBoneMetSegLib.model.backend import use_backend
    from SpectBoneMetSegLib.model.config import NetworkConfig
    from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
    from SpectBoneMetSegTrainingLib.training.state import TrainingState

    use_backend()
    channels = (16, 32, 64, 96, 128)
    network = NetworkConfig(architecture="reader", channels=channels, dilations=((1, 1),) * len(channels), regions=True)
    state = TrainingState(TrainingConfig(network=network, batch=batch, patch=patch, precision=precision))  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    shape = (batch, patch, patch, 2)
    inputs = rng.normal(1, 0.3, shape).astype(np.float32)
    patches = {
        "inputs": inputs,
        "image": inputs,
        "label": (rng.random(shape) > 0.97).astype(np.float32),
        "weight": np.ones(shape, np.float32),
        "regions": rng.integers(0, 20, (batch, patch // 2, patch // 2, 2)).astype(np.uint8),
    }
    times = []
    for step in range(steps + 2):
        started = time.monotonic()
        state.step(step, patches)
        times.append(time.monotonic() - started)
    return float(np.median(times[2:]))


if __name__ == "__main__":
    main()
