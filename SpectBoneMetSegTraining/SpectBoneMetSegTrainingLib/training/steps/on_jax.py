"""Gradient step in JAX: one compiled, stateless function on JAX's first device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from ..setup.config import TrainingConfig
from .base import GradientStep

#: Values of the variables of `JaxStep._variables`, group by group.
State = list[list[Any]]


class JaxStep(GradientStep):
    """See `base.GradientStep`."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__(config)
        self._compiled = jax.jit(self._next)

    def __call__(
        self, batch: Mapping[str, NDArray[np.float32]], rate: float, decay: float, consistency: float
    ) -> dict[str, float]:
        """See `base.GradientStep`."""
        self.optimizer.learning_rate.assign(rate)
        variables = self._variables()
        state = [[variable.value for variable in group] for group in variables]
        state, parts = self._compiled(state, dict(batch), np.float32(decay), np.float32(consistency))
        for group, values in zip(variables, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return {name: float(value) for name, value in parts.items()}

    def _variables(self) -> list[list[Any]]:
        """Return all variables that a step changes, in groups."""
        network, average = self.network, self.average
        return [
            network.trainable_variables,
            network.non_trainable_variables,
            self.optimizer.variables,
            average.trainable_variables,
            average.non_trainable_variables,
        ]

    def _next(self, state: State, batch: dict[str, Any], decay: Any, consistency: Any) -> tuple[State, dict[str, Any]]:
        """Return all values after a step, and the terms of the loss."""
        weights, statistics, moments, average, average_statistics = state
        if "weak" in batch:
            teacher, _ = self.average.stateless_call(average, average_statistics, batch["weak"], training=False)
            batch = {**batch, "teacher": self._teacher(teacher)}

        def total(weights: list[Any]) -> tuple[Any, Any]:
            outputs, after = self.network.stateless_call(weights, statistics, batch["inputs"], training=True)
            parts = self._losses(self._with_outputs(batch, outputs), consistency)
            return sum(parts.values()), (parts, after)

        (loss, (parts, statistics)), gradients = jax.value_and_grad(total, has_aux=True)(weights)
        weights, moments = self.optimizer.stateless_apply(moments, gradients, weights)

        def ema(old: list[Any], new: list[Any]) -> list[Any]:
            return [decay * one + (1 - decay) * other for one, other in zip(old, new, strict=True)]

        state = [weights, statistics, moments, ema(average, weights), ema(average_statistics, statistics)]
        return state, {"loss": loss, **parts}
