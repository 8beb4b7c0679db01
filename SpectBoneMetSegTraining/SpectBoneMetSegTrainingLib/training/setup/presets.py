"""Presets: training options from a few plain choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from SpectBoneMetSegLib.model.config import NetworkConfig

from .config import Method, TrainingConfig

Pace = Literal["quick", "standard", "thorough"]
Approach = Literal["semi", "strong"]

#: The paper's network reads the sum of both views and predicts one outline.
PAPER_NETWORK = NetworkConfig(inputs=("aggregate",), outputs=("union",))
#: Peak learning rate from random weights, and for fine-tuning.
RATE_FROM_NOTHING, RATE_FINE_TUNING = 2e-3, 5e-4


@dataclass(frozen=True)
class _Pace:
    steps: int
    patch: int
    validate_every: int


_PACES: dict[Pace, _Pace] = {
    "quick": _Pace(400, 96, 50),
    "standard": _Pace(3500, 128, 250),
    "thorough": _Pace(10000, 128, 500),
}
#: Fine-tuning needs fewer steps than training from random weights.
_FINE_TUNING_SHARE = 0.4


def preset(
    pace: Pace = "standard",
    approach: Approach = "strong",
    start: str | None = None,
    seed: int = 0,
    *,
    unlabelled: bool = True,
) -> TrainingConfig:
    """Return training options from plain choices.

    Args:
        pace: training time: minutes, about an hour, or hours on an ordinary computer.
        approach: as in `--method`: "semi" is the semi-supervised method of Lin et al. 2022 (Eq. 6 to 8 corrected, sum
            of both views), "strong" a mean teacher with strong augmentation on both views.
        start: name or path of the parent model for fine-tuning, which also sets the network; None for random weights.
        seed: seed of all random numbers.
        unlabelled: whether there are unlabelled scans; without any, both approaches are supervised.
    """
    chosen = _PACES[pace]
    method: Method = "supervised" if not unlabelled else approach
    share = _FINE_TUNING_SHARE if start else 1.0
    return TrainingConfig(
        steps=round(chosen.steps * share),
        patch=chosen.patch,
        learning_rate=RATE_FINE_TUNING if start else RATE_FROM_NOTHING,
        seed=seed,
        network=PAPER_NETWORK if approach == "semi" and not start else NetworkConfig(),
        method=method,
        validate_every=max(25, round(chosen.validate_every * share)),
        start=start,
    )
