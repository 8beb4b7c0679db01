"""Check whether a package is installed, without importing it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

__all__ = ["is_installed"]


def is_installed(module: str) -> bool:
    """Return whether a top package is installed or already imported; nothing is imported.

    Args:
        module: name in import statements, which may differ from the distribution's ("skimage" of scikit-image).
    """
    if module in sys.modules:
        # An entry None forbids the import.
        return sys.modules[module] is not None
    return find_spec(module) is not None
