"""Packages beyond the plain install: asked for before the work that needs them, in one sentence."""

from __future__ import annotations

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.packages import is_there

__all__ = ["require"]

#: What packages are called where they are installed from, when not like their module.
NAMES = {"skimage": "scikit-image", "tensorflow": "TensorFlow"}


def require(what: str, *modules: str) -> None:
    """Refuse work whose packages are not installed.

    Args:
        what: the work, as the beginning of a sentence.
        modules: what it imports.

    Raises:
        UserError: names what is missing and the extra that brings it.
    """
    missing = [NAMES.get(module, module) for module in modules if not is_there(module)]
    if missing:
        raise UserError(
            f"{what} needs {' and '.join(missing)}, not in the plain install; pip install 'spectbonemetseg[train]'."
        )
