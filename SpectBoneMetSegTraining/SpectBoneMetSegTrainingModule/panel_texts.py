"""Texts and figures of the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from pathlib import Path

from slicer.i18n import tr as _


def stateText(state):
    """What the state of a training is called."""
    texts = {
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


def scanName(files):
    """What a scan is called: its file, or the folder of its files."""
    first = Path(files[0])
    return first.parent.name if len(files) > 1 else first.name


def signed(value):
    """A difference with its sign, a dash for one that is undefined."""
    return f"{value:+.3f}" if value == value else "-"
