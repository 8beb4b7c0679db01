"""Check for packages of the extra `train` before the work that needs them."""

from __future__ import annotations

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.packages import is_installed

__all__ = ["require"]

#: Names of packages that differ from their modules' names.
NAMES = {"skimage": "scikit-image", "tensorflow": "TensorFlow"}


def require(what: str, *modules: str) -> None:
    """Check that the packages needed for some work are installed.

    Args:
        what: the work, as the subject of the message.
        modules: names of the modules that it imports.

    Raises:
        UserError: packages are missing; the message names them and the extra that installs them.
    """
    missing = [NAMES.get(module, module) for module in modules if not is_installed(module)]
    if missing:
        raise UserError(
            f"{what} needs {' and '.join(missing)}, not in the plain install; pip install 'spectbonemetseg[train]'."
        )
