"""Settings that persist across scenes, stored in Slicer's own settings."""

# Names follow Slicer's own: camelCase methods and arguments.

from __future__ import annotations

import qt

OUTPUT, WARM = "SpectBoneMetSeg/outputFolder", "SpectBoneMetSeg/warmUp"
RESULTS, ARCHIVE = "SpectBoneMetSeg/savedResults", "SpectBoneMetSeg/archiveResults"


def keep(key: str, text: str) -> None:
    """Remember a text."""
    qt.QSettings().setValue(key, text)


def kept(key: str) -> str:
    """The text that was remembered, empty before the first."""
    return str(qt.QSettings().value(key) or "")
