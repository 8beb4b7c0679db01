"""Where the files shipped with the program lie."""

from __future__ import annotations

from pathlib import Path

from .errors import UserError


def resources_folder() -> Path:
    """The folder `Resources`: inside the package in an installed wheel, beside it in the source tree and in Slicer.

    Raises:
        UserError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "Resources", package.parent / "Resources"):
        if folder.is_dir():
            return folder
    raise UserError(f"The folder Resources is missing from {package}; install SpectBoneMetSeg again.")
