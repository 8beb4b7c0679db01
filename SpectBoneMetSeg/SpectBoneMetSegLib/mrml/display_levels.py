"""Display of counts: upper level relative to the scan's own counts, gamma, inverted or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["REFERENCES", "Reference", "draw", "level_of"]

#: Counts of an upper level of 100 %: that of the overview, the maximum, or the median of the body.
Reference = Literal["automatic", "maximum", "body"]
REFERENCES: tuple[Reference, ...] = get_args(Reference)
#: Pixels above this fraction of the 99th percentile of the counts belong to the body.
BODY_SHARE = 0.05
COLORS = 256


def level_of(counts: NDArray[np.floating], reference: Reference) -> float:
    """Return the counts of 100 % of a reference; at least 1."""
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
    """Set the display of volumes, each from 0 to a percentage of its own reference level.

    Args:
        volumes: volume nodes of one slice.
        reference: of the upper level.
        percent: upper level in per cent of the reference.
        gamma: values below 1 emphasise faint uptake.
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
    """Return the ID of a colour node: Slicer's own grey, or a table of this extension for a gamma other than 1."""
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
