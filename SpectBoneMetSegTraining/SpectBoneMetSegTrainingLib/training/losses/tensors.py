"""Helpers of the losses for every Keras backend."""

from __future__ import annotations

from typing import Any

#: A tensor of the Keras backend, or a value that it converts to one.
Tensor = Any


def divide_or_zero(x: Tensor, y: Tensor) -> Tensor:
    """Return x / y, 0 where y is 0; its gradient is 0 there, too, not NaN as with a choice after the division."""
    from keras import ops

    empty = ops.equal(y, 0)
    return ops.where(empty, 0.0, x / ops.where(empty, 1.0, y))
