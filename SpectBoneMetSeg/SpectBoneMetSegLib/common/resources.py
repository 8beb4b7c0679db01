"""Where the files shipped with the program lie."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import SpectBoneMetSegLib

from .errors import UserError


def package_folder(package: ModuleType) -> Path:
    """The folder of a top package, from which shipped files are looked for: modules inside it may move."""
    return Path(package.__file__ or "").resolve().parent


def resources_folder(package: ModuleType = SpectBoneMetSegLib, holding: str = "") -> Path:
    """The folder `Resources` of a package that holds a file or folder.

    It lies inside the package in an installed wheel, beside it in Slicer and in the source tree, where what the whole
    extension shares lies one folder further up.

    Raises:
        UserError: the installation is incomplete.
    """
    place = package_folder(package)
    for parent in (place, *place.parents[:2]):
        if (parent / "Resources" / holding).exists():
            return parent / "Resources"
    missing = Path("Resources", holding).as_posix()
    raise UserError(f"{missing} is missing from {place}; install SpectBoneMetSeg again.")
