"""The reading module as the training module uses it: its model, its list of models, and scans opened in it."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import slicer

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

NAME = "SpectBoneMetSeg"


def readingPanel() -> Widget:
    """Return the reading module's widget, which Slicer makes when it is first needed."""
    return slicer.util.getModuleWidget(NAME)


def readingModel() -> str:
    """Return the name of the model chosen in the reading module; of the default model if none is chosen."""
    from SpectBoneMetSegLib.model import store

    chosen: str = readingPanel().choices.current()[0]
    return chosen or store.default_model_name()


def updateModels(chosen: str | None = None) -> None:
    """Update the reading module's list of models; choose one of them, None to keep the choice."""
    readingPanel().fillModels(chosen)


def openInReading(files: Iterable[str | Path], model: str = "", read: bool = False) -> None:
    """Open a scan in the reading module.

    Args:
        files: files of one scan.
        model: model to choose there; empty to keep the choice.
        read: whether to outline the scan at once.

    Raises:
        UserError: the scan cannot be read.
    """
    slicer.util.selectModule(NAME)
    panel = readingPanel()
    panel.openScan(list(files))
    if model:
        panel.fillModels(model)
    if read:
        panel.onApplyOrCancel()
