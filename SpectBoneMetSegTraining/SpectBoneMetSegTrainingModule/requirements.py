"""The packages that a training needs; nothing is installed before the user agrees."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from pathlib import Path

from SpectBoneMetSegModule.requirements import ensureInstalled

FILE = Path(__file__).resolve().parents[1] / "Resources" / "requirements-training.txt"


def ensureTrainingInstalled():
    """Ask for missing packages and install them.

    Raises:
        UserError: the user declined, or the installation failed.
    """
    ensureInstalled(FILE)
