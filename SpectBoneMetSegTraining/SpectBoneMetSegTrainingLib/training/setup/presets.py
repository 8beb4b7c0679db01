"""Plain choices for a training, turned into every option it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from SpectBoneMetSegLib.model.config import NetworkConfig

from .config import Method, TrainingConfig

Pace = Literal["quick", "standard", "thorough"]
Approach = Literal["semi", "strong"]

#: The paper reads the sum of both views and draws one outline.
PAPER_NETWORK = NetworkConfig(inputs=("aggregate",), outputs=("union",))
#: Peak learning rate of a network that starts from random weights, and of one that has learnt before.
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
#: A network that has learnt before needs fewer steps.
_FINE_TUNING_SHARE = 0.4


def preset(
    pace: Pace = "standard",
    approach: Approach = "strong",
    start: str | None = None,
    unlabelled: bool = True,
    seed: int = 0,
) -> TrainingConfig:
    """All options of a training from plain choices.

    Args:
        pace: how long it may take: minutes, about an hour or hours on an ordinary computer.
        approach: as in `--method`: "semi" trains as Lin et al. 2022 did (Eq. 6 to 8 corrected, sum of both views),
            "strong" with a mean teacher on both views.
        start: name or path of the model to fine-tune, which then decides on the shape of the network; None to begin
            from nothing.
        unlabelled: whether there are scans without labels; without any, both approaches learn from labels alone.
        seed: of everything that is drawn.
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
