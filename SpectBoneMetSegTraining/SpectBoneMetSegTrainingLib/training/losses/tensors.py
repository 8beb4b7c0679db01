"""What the losses share on every backend of Keras."""

from __future__ import annotations

from typing import Any

#: A tensor of the backend that Keras computes with, or what it makes one of.
Tensor = Any


def divide_or_zero(x: Tensor, y: Tensor) -> Tensor:
    """x / y, 0 where y is 0; its gradient is 0 there too, where choosing after the division would give NaN."""
    from keras import ops

    empty = ops.equal(y, 0)
    return ops.where(empty, 0.0, x / ops.where(empty, 1.0, y))
