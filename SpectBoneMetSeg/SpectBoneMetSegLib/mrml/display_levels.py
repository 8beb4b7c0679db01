"""How counts are drawn: the upper level as a part of the scan's own, gamma, dark or light."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["REFERENCES", "Reference", "draw", "level_of"]

#: What an upper level of 100 % is: that of the overview, the greatest counts in a pixel, the body's median.
Reference = Literal["automatic", "maximum", "body"]
REFERENCES: tuple[Reference, ...] = get_args(Reference)
#: A pixel of the body has more than this part of the counts that one pixel in a hundred exceeds.
BODY_SHARE = 0.05
COLORS = 256


def level_of(counts: NDArray[np.floating], reference: Reference) -> float:
    """Counts that 100 % of a reference stand for; at least 1."""
    from ..export.overview import display_window

    if reference == "maximum":
        level = float(counts.max(initial=0))
    elif reference == "body":
        body = counts[counts > BODY_SHARE * np.percentile(counts, 99)]
        level = float(np.median(body)) if body.size else 0.0
    else:
        level = float(display_window(np.asarray(counts, np.float32))[1])
    return max(level, 1.0)


def draw(
    volumes: Iterable[Any], reference: Reference, percent: float, gamma: float, scene: Any, *, inverse: bool
) -> None:
    """Draw volumes from no counts up to a percentage of a level of their own.

    Args:
        volumes: volume nodes of one slice.
        reference: what the upper level is a share of.
        percent: of it.
        gamma: below 1 faint uptake is drawn stronger.
        scene: their vtkMRMLScene.
        inverse: hot is dark.
    """
    from .stored_result import image_pixels

    colors = _colors(gamma, scene, inverse=inverse)
    for volume in volumes:
        display = volume.GetDisplayNode()
        upper = level_of(image_pixels(volume.GetImageData()), reference) * percent / 100
        before = display.StartModify()
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, max(upper, 1e-3))
        display.SetAndObserveColorNodeID(colors)
        display.EndModify(before)


def _colors(gamma: float, scene: Any, *, inverse: bool) -> str:
    """ID of the colours: Slicer's own greys, or a table of ours for another gamma."""
    import slicer

    if gamma == 1.0:
        return "vtkMRMLColorTableNodeInvertedGrey" if inverse else "vtkMRMLColorTableNodeGrey"
    tag = "SpectBoneMetSeg.grey"
    node = scene.GetSingletonNode(tag, "vtkMRMLColorTableNode")
    if node is None:
        node = slicer.vtkMRMLColorTableNode()
        node.SetSingletonTag(tag)
        node.SetName("Grey with gamma")
        node.SetTypeToUser()
        node.SetHideFromEditors(True)
        node = scene.AddNode(node)
    before = node.StartModify()
    node.SetNumberOfColors(COLORS)
    for index, share in enumerate((np.linspace(0, 1, COLORS) ** gamma).tolist()):
        grey = 1 - share if inverse else share
        node.SetColor(index, str(index), grey, grey, grey, 1.0)
    node.EndModify(before)
    return str(node.GetID())
