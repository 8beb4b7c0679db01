"""Query the graphics driver directly, without loading an engine, which takes seconds."""

from __future__ import annotations

import ctypes
import sys
from typing import NamedTuple

from ..common.packages import is_installed

__all__ = ["Nvidia", "nvidia", "tensorflow_may_use_gpu"]

#: Attributes of CUDA's driver API: COMPUTE_CAPABILITY_MAJOR and COMPUTE_CAPABILITY_MINOR.
MAJOR, MINOR = 75, 76


class Nvidia(NamedTuple):
    """The first NVIDIA card that programs may use.

    Attributes:
        cuda: newest CUDA version that the driver supports, such as (13, 0).
        generation: compute capability, such as (8, 6).
    """

    cuda: tuple[int, int]
    generation: tuple[int, int]


def nvidia() -> Nvidia | None:
    """Return the first NVIDIA card; None without a card or driver, or if cards are hidden."""
    names = {"win32": "nvcuda.dll", "linux": "libcuda.so.1"}
    try:
        driver = ctypes.CDLL(names[sys.platform])
        count, version, major, minor = (ctypes.c_int() for _ in range(4))
        statuses = (
            driver.cuInit(0),
            driver.cuDeviceGetCount(ctypes.byref(count)),
            driver.cuDriverGetVersion(ctypes.byref(version)),
            driver.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, 0),
            driver.cuDeviceGetAttribute(ctypes.byref(minor), MINOR, 0),
        )
    except (KeyError, OSError, AttributeError):
        return None
    if any(statuses) or count.value < 1:
        return None
    return Nvidia((version.value // 1000, version.value % 1000 // 10), (major.value, minor.value))


def tensorflow_may_use_gpu() -> bool:
    """Whether TensorFlow may have a GPU, so that loading it is worthwhile."""
    if sys.platform == "darwin":
        # Apple's plugin for TensorFlow.
        return is_installed("tensorflow-plugins")
    # TensorFlow has no native GPU support on Windows since version 2.11.
    return sys.platform == "linux" and nvidia() is not None
