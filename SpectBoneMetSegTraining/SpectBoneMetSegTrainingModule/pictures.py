"""Pictures in the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import qt

#: A panel in Slicer is about so wide.
MOST_PIXELS = 440


def showFile(label, path):
    """Show a picture file in a QLabel, as wide as a panel at most; other files are ignored."""
    picture = qt.QPixmap(str(path))
    if picture.isNull():
        return
    if picture.width() > MOST_PIXELS:
        picture = picture.scaledToWidth(MOST_PIXELS, qt.Qt.SmoothTransformation)
    label.setPixmap(picture)
