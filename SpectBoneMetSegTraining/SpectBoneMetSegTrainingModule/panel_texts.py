"""Texts and figures of the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from SpectBoneMetSegTrainingLib.jobs.folder import State


def stateText(state: State) -> str:
    """Return the name of a training's state."""
    texts: dict[State, str] = {
        "queued": _("Waiting"),
        "running": _("Running"),
        "paused": _("Paused"),
        "stopped": _("Stopped"),
        "interrupted": _("Interrupted"),
        "finished": _("Finished"),
        "failed": _("Failed"),
        "unreadable": _("Unreadable"),
    }
    return texts[state]


def scanName(files: Sequence[str]) -> str:
    """Return the name of a scan: its file, or the folder of its files."""
    first = Path(files[0])
    return first.parent.name if len(files) > 1 else first.name


def signed(value: float) -> str:
    """Return a difference with its sign, a dash for NaN."""
    return f"{value:+.3f}" if value == value else "-"
