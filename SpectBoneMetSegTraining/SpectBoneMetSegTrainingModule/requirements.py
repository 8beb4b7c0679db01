"""The packages that collecting and training need; nothing is installed before the user agrees."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from SpectBoneMetSegLib.common.resources import package_folder
from SpectBoneMetSegModule.requirements import ensureInstalled, requirementsFile

import SpectBoneMetSegTrainingModule

FILE = package_folder(SpectBoneMetSegTrainingModule).parent / "Resources" / "requirements-training.txt"


def ensureTrainingInstalled() -> None:
    """Ask for missing packages and install them.

    Raises:
        UserError: the user declined, or the installation failed.
    """
    ensureInstalled(FILE)


def ensureCollectingInstalled() -> None:
    """Ask for missing packages and install them: those of reading, as adding scans needs no training packages.

    Raises:
        UserError: the user declined, or the installation failed.
    """
    ensureInstalled(requirementsFile())
