"""The pictures of the documentation: `python -m slicerhost.pictures FOLDER [MODEL]`.

Reads the sample study in the panel, as a person would, and writes

- panel-empty.png, panel-running.png, panel.png, panel-error.png: the module's panel before a scan is chosen, while it
  is read, after that with a lesion in hand, after something went wrong; panel-narrow.png: unfolded, in a narrow window;
- views.png: anterior, posterior and aggregate view with the outlines, whole body above, the region that was read below.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import start
from .fixtures import MODULE, SAMPLE
from .host import VIEWS

PANEL_SIZE = (560, 900)
NARROW_SIZE = (430, 1500)
VIEW_SIZE = (420, 720)
SECONDS = 120.0
SECTIONS = ("fileSection", "modelSection", "editSection")


def read_sample(host: Any, folder: Path, model: str = "") -> Any:
    """The module's panel with the sample study read; pictures of the way there.

    Raises:
        RuntimeError: it was not read; the panel says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host.load_module(MODULE / "DICOMPlanarScintigraphyPlugin.py")
    panel = host.make_widget(host.load_module(MODULE / "SpectBoneMetSeg.py"))
    _grab(host, panel, folder / "panel-empty.png")
    panel.ui.modelSelector.setCurrentText(model)
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    panel.ui.scanPath.currentPath = ""
    panel.ui.applyButton.click()
    _wait(host, lambda: panel.ui.progressBar.value > 20 or not panel.logic.busy)
    _grab(host, panel, folder / "panel-running.png")
    _wait(host, lambda: not panel.logic.busy)
    if panel.live is None:
        raise RuntimeError(panel.ui.statusLabel.text)
    return panel


def write_pictures(host: Any, panel: Any, folder: Path) -> None:
    """Write the pictures of a panel with a reading."""
    from PIL import Image

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
    if panel.live.reading.lesions:
        panel.ui.lesionTable.selectRow(0)
        panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
        panel.ui.lesionTable.cellWidget(0, 3).setCurrentIndex(3)
    _grab(host, panel, folder / "panel.png")
    panel.ui.scanPath.currentPath = "report.dcm"
    panel.ui.loadButton.click()
    _grab(host, panel, folder / "panel-error.png")
    for section in SECTIONS:
        getattr(panel.ui, section).setCollapsed(False)
    panel.messages.warn(["The thorax box may be wrong: check overview.png and set it with --crop if it is."])
    _grab(host, panel, folder / "panel-narrow.png", NARROW_SIZE)


def _wait(host: Any, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < end:
        host.process_events()
        time.sleep(0.02)


def _grab(host: Any, panel: Any, picture: Path, size: tuple[int, int] = PANEL_SIZE) -> None:
    panel.parent.resize(*size)
    panel.parent.show()
    host.process_events()
    panel.parent.grab().save(str(picture))
    panel.parent.hide()


def _row(host: Any) -> NDArray[np.uint8]:
    """The three views beside each other, a grey line between them."""
    line = np.full((VIEW_SIZE[1], 4, 3), 120, np.uint8)
    pictures = [host.render(view, VIEW_SIZE) for view in VIEWS]
    return np.hstack([pictures[0], line, pictures[1], line, pictures[2]])


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    host = start()
    folder = Path(sys.argv[1])
    panel = read_sample(host, folder, *sys.argv[2:3])
    write_pictures(host, panel, folder)
    panel.cleanup()


if __name__ == "__main__":
    main()
