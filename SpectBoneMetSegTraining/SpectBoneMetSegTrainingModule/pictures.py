"""Pictures in the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import qt

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget

#: Approximate width of a panel in Slicer.
MOST_PIXELS = 440


def showFile(label: Widget, path: str | Path) -> None:
    """Show a picture file in a QLabel, at most as wide as a panel; other files are ignored."""
    picture = qt.QPixmap(str(path))
    if picture.isNull():
        return
    if picture.width() > MOST_PIXELS:
        picture = picture.scaledToWidth(MOST_PIXELS, qt.Qt.SmoothTransformation)
    label.setPixmap(picture)
