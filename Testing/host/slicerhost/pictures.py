"""The pictures of the documentation: `python -m slicerhost.pictures FOLDER [MODEL]`.

Reads the sample study in the panel, as a person would, and writes panel.png (the module's panel) and views.png
(anterior, posterior and aggregate view with the outlines, whole body above, the region that was read below).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import start
from .fixtures import MODULE, SAMPLE
from .host import VIEWS

PANEL_SIZE = (640, 1040)
VIEW_SIZE = (420, 720)
SECONDS = 120.0


def read_sample(host: Any, model: str = "") -> Any:
    """The module's panel with the sample study read.

    Raises:
        RuntimeError: it was not read; the panel says why.
    """
    host.load_module(MODULE / "DICOMPlanarScintigraphyPlugin.py")
    panel = host.make_widget(host.load_module(MODULE / "SpectBoneMetSeg.py"))
    panel.ui.modelSelector.setCurrentText(model)
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    panel.ui.applyButton.click()
    end = time.monotonic() + SECONDS
    while panel.logic.busy and time.monotonic() < end:
        host.process_events()
        time.sleep(0.02)
    if panel.live is None:
        raise RuntimeError(panel.ui.statusLabel.text)
    return panel


def write_pictures(host: Any, panel: Any, folder: Path) -> None:
    """Write panel.png and views.png."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    panel.ui.scanPath.currentPath = ""
    panel.parent.resize(*PANEL_SIZE)
    panel.parent.show()
    host.process_events()
    panel.parent.grab().save(str(folder / "panel.png"))
    panel.parent.hide()
    panel._parameterNode.box.GetDisplayNode().SetVisibility(False)
    whole = _row(host)
    bounds = [0.0] * 6
    panel._parameterNode.box.GetRASBounds(bounds)
    for view in VIEWS:
        node = host.slice_logics[view].GetSliceNode()
        node.JumpSliceByCentering(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
        height = bounds[5] - bounds[4]
        node.SetFieldOfView(height, height, 1.0)
    near = _row(host)
    Image.fromarray(np.vstack([whole, near])).save(folder / "views.png", optimize=True)


def _row(host: Any) -> NDArray[np.uint8]:
    """The three views beside each other, a grey line between them."""
    line = np.full((VIEW_SIZE[1], 4, 3), 120, np.uint8)
    pictures = [host.render(view, VIEW_SIZE) for view in VIEWS]
    return np.hstack([pictures[0], line, pictures[1], line, pictures[2]])


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    host = start()
    panel = read_sample(host, *sys.argv[2:3])
    write_pictures(host, panel, Path(sys.argv[1]))
    panel.cleanup()


if __name__ == "__main__":
    main()
