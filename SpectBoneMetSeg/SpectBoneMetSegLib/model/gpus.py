"""What the graphics driver says, asked without loading an engine, which takes seconds."""

from __future__ import annotations

import ctypes
import sys
from typing import NamedTuple

from ..common.packages import is_there

__all__ = ["Nvidia", "nvidia", "tensorflow_may_use_gpu"]

#: Numbers of CUDA's driver interface: the attributes of a card that tell its generation.
MAJOR, MINOR = 75, 76


class Nvidia(NamedTuple):
    """The first NVIDIA card that programs may use.

    Attributes:
        cuda: newest CUDA that the driver runs, such as (13, 0).
        generation: what NVIDIA calls compute capability, such as (8, 6).
    """

    cuda: tuple[int, int]
    generation: tuple[int, int]


def nvidia() -> Nvidia | None:
    """What the driver says of the first card; None without a card, without a driver, or where cards are hidden."""
    names = {"win32": "nvcuda.dll", "linux": "libcuda.so.1"}
    try:
        driver = ctypes.CDLL(names[sys.platform])
        count, version, major, minor = (ctypes.c_int() for _ in range(4))
        asked = (
            driver.cuInit(0),
            driver.cuDeviceGetCount(ctypes.byref(count)),
            driver.cuDriverGetVersion(ctypes.byref(version)),
            driver.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, 0),
            driver.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, 0),
        )
    except (KeyError, OSError, AttributeError):
        return None
    if any(asked) or count.value < 1:
        return None
    return Nvidia((version.value // 1000, version.value % 1000 // 10), (major.value, minor.value))


def tensorflow_may_use_gpu() -> bool:
    """Whether it is worth loading TensorFlow to look for a GPU."""
    if sys.platform == "darwin":
        # Apple's plugin for TensorFlow.
        return is_there("tensorflow-plugins")
    # On Windows itself TensorFlow has had no GPU since version 2.11.
    return sys.platform == "linux" and nvidia() is not None
