"""What changes from step to step: learning rate, decay of the average, weight of the consistency loss."""

from __future__ import annotations

import math

WARMUP_STEPS = 50
#: Share of the peak that the learning rate keeps at the end.
FINAL_SHARE = 0.02
#: Share of the training during which the consistency loss grows to its full weight.
RAMP_SHARE = 0.25
CONSISTENCY_WEIGHT = 1.0


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Linear warm-up times half a cosine from `peak` to FINAL_SHARE of it (Loshchilov & Hutter 2017)."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return peak * warm * (FINAL_SHARE + (1 - FINAL_SHARE) / 2 * (1 + math.cos(math.pi * step / steps)))


def average_decay(limit: float, step: int) -> float:
    """Share of the average that stays; lower early on, so that the random start does not linger in it."""
    return min(limit, (1 + step) / (10 + step))


def consistency_weight(step: int, steps: int) -> float:
    """Sigmoid-shaped ramp exp(-5 (1 - x)^2) of Tarvainen & Valpola 2017 over RAMP_SHARE of the training."""
    x = min(1.0, step / max(1.0, RAMP_SHARE * steps))
    return CONSISTENCY_WEIGHT * math.exp(-5 * (1 - x) ** 2)
