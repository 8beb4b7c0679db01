"""A mouse over the slice views of a panel, with the positions that the application would give its presses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from .many import open_many_lesions
from .panel import pixels_of

Place = tuple[float, float]
ANTERIOR, POSTERIOR = "SpectAnterior", "SpectPosterior"
COUNT = 40
#: On no area, and with room around.
FREE = (36.0, 128.0)


def screen_of(host: Any, view: str, frame: Any, place: Place) -> tuple[int, int]:
    """The pixel of a slice view, from its lower left corner, that shows a (row, column) of a scan's frame."""
    node = host.layout.sliceWidget(view).mrmlSliceNode()
    matrix = np.array([[node.GetXYToRAS().GetElement(row, column) for column in range(4)] for row in range(4)])
    position = frame.ijk_to_ras @ [place[1], place[0], 0.0, 1.0]
    x, y = (np.linalg.inv(matrix) @ position)[:2]
    return round(float(x)), round(float(y))


def send(host: Any, view: str, event: str, at: tuple[int, int], shift: bool = False, repeat: int = 0) -> bool:
    """Let the mouse do something in a view; True when no later observer received the event."""
    interactor = host.layout.sliceWidget(view).sliceView().interactor()
    heard: list[str] = []
    tag = interactor.AddObserver(event, lambda caller, name: heard.append(name), -1.0)
    interactor.SetEventInformation(*at, 0, int(shift), chr(0), repeat, None)
    interactor.InvokeEvent(event)
    interactor.RemoveObserver(tag)
    return not heard


def drag(host: Any, view: str, frame: Any, start: Place, end: Place) -> bool:
    """Press at a (row, column) of a frame, move, release at another; True when it was taken."""
    first, last = screen_of(host, view, frame, start), screen_of(host, view, frame, end)
    taken = send(host, view, "LeftButtonPressEvent", first)
    for at in (first, last):
        send(host, view, "MouseMoveEvent", at)
    send(host, view, "LeftButtonReleaseEvent", last)
    host.process_events()
    return taken


def click(host: Any, view: str, frame: Any, place: Place) -> bool:
    """Press and release at a position; True when the event was handled."""
    return drag(host, view, frame, place, place)


@pytest.fixture
def tool(host, panel, load_sample):
    """The opened panel with a reading of forty areas, the button pressed down."""
    panel.enter()
    open_many_lesions(host, panel, load_sample().volumes, COUNT)
    # Views get their sizes when the application has a moment.
    for _ in range(3):
        host.process_events()
    panel.ui.clickButton.click()
    yield panel
    panel.exit()


def frame_of(panel):
    """The frame that areas are numbered on."""
    return panel.live.result.scan.frame


def middle_of(panel, lesion):
    """(row, column) of a pixel well inside an area."""
    from scipy import ndimage

    inside = pixels_of(panel.live, lesion)
    depth = ndimage.distance_transform_edt(inside)
    return tuple(float(part) for part in np.unravel_index(int(depth.argmax()), inside.shape))
