"""Whether a package can be used, without importing it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["is_installed"]


def is_installed(module: str) -> bool:
    """Whether a top package is installed or imported already; nothing is imported.

    Args:
        module: what is imported, which is not always what is installed ("skimage" of scikit-image).
    """
    if module in sys.modules:
        # None there is how an import is forbidden.
        return sys.modules[module] is not None
    return find_spec(module) is not None
