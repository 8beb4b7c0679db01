"""Locations of the files shipped with the program."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import SpectBoneMetSegLib

from .errors import UserError


def package_folder(package: ModuleType) -> Path:
    """Return the folder of a top package, the start of the search for shipped files."""
    return Path(package.__file__ or "").resolve().parent


def resources_folder(package: ModuleType = SpectBoneMetSegLib, holding: str = "") -> Path:
    """Return the folder `Resources` of a package that holds a file or folder.

    In an installed wheel it is inside the package, in Slicer and in the source tree next to it; files that the whole
    extension shares are one folder above that.

    Args:
        package: a top package.
        holding: path below `Resources`.

    Raises:
        UserError: the installation is incomplete.
    """
    folder = package_folder(package)
    for parent in (folder, *folder.parents[:2]):
        if (parent / "Resources" / holding).exists():
            return parent / "Resources"
    missing = Path("Resources", holding).as_posix()
    raise UserError(f"{missing} is missing from {folder}; install SpectBoneMetSeg again.")
