"""Schedules: learning rate (warm-up, cosine decay), EMA decay, ramp-up of the consistency loss."""

from __future__ import annotations

import math

#: Steps of the linear warm-up of the learning rate.
WARMUP_STEPS = 50
#: Learning rate at the end, as a share of its peak.
FINAL_SHARE = 0.02
#: Share of the training over which the consistency loss ramps up.
RAMP_SHARE = 0.25
#: Weight of the consistency loss after the ramp-up.
CONSISTENCY_WEIGHT = 1.0


def learning_rate(peak: float, step: int, steps: int) -> float:
    """Return the learning rate: linear warm-up, cosine decay to FINAL_SHARE of `peak` (Loshchilov & Hutter 2017)."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return peak * warm * (FINAL_SHARE + (1 - FINAL_SHARE) / 2 * (1 + math.cos(math.pi * step / steps)))


def average_decay(limit: float, step: int) -> float:
    """Return the EMA decay of a step; lower in early steps, so that the random initial weights fade."""
    return min(limit, (1 + step) / (10 + step))


def consistency_weight(step: int, steps: int) -> float:
    """Return the weight of the consistency loss: ramp-up exp(-5 (1 - x)^2) of Tarvainen & Valpola 2017."""
    x = min(1.0, step / max(1.0, RAMP_SHARE * steps))
    return CONSISTENCY_WEIGHT * math.exp(-5 * (1 - x) ** 2)
