"""Settings that persist across scenes, stored in Slicer's own settings."""

# Names follow Slicer's own: camelCase methods and arguments.

import qt

OUTPUT, WARM = "SpectBoneMetSeg/outputFolder", "SpectBoneMetSeg/warmUp"
RESULTS, ARCHIVE = "SpectBoneMetSeg/savedResults", "SpectBoneMetSeg/archiveResults"


def keep(key, text):
    """Remember a text."""
    qt.QSettings().setValue(key, text)


def kept(key):
    """The text that was remembered, empty before the first."""
    return str(qt.QSettings().value(key) or "")
