"""The scan and the reading chosen in the panel: nothing of two patients may be mixed."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from SpectBoneMetSegLib.mrml.pairing import Choice, completed_choice, newest_scan
from SpectBoneMetSegLib.mrml.stored_result import warnings_of
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

if TYPE_CHECKING:
    from .parameter_node import SpectBoneMetSegParameterNode
    from .slicer_types import Volumes

NAMES = ("anteriorVolume", "posteriorVolume", "segmentation")


class Chosen:
    """Completes what the user changes in a parameter node."""

    def __init__(self) -> None:
        """Nothing is chosen yet."""
        self.known: Choice = (None, None, None)

    def takeOver(self, parameters: SpectBoneMetSegParameterNode) -> None:
        """Take the nodes of a parameter node as they are; without any scan the one that was loaded last."""
        self.known = nodesOf(parameters)
        if self.known[:2] == (None, None):
            parameters.anteriorVolume, parameters.posteriorVolume = newest_scan(slicer.mrmlScene)

    def complete(self, parameters: SpectBoneMetSegParameterNode) -> bool:
        """Let the other nodes follow one that was changed.

        Returns:
            True when another scan is chosen now.
        """
        before, now = self.known, nodesOf(parameters)
        self.known = completed_choice(before, now, slicer.mrmlScene)
        for name, node, changed in zip(NAMES, self.known, now, strict=True):
            if node is not changed:
                setattr(parameters, name, node)
        return self.known[:2] != before[:2]

    def warnings(self) -> list[str]:
        """What was assumed when the chosen views were loaded."""
        return list(dict.fromkeys(note for volume in self.views.values() for note in warnings_of(volume)))

    @property
    def views(self) -> Volumes:
        """{"anterior": volume node, "posterior": volume node} as far as they are chosen."""
        pairs = zip(VIEW_NAMES, self.known, strict=False)
        return {name: node for name, node in pairs if node is not None}


def nodesOf(parameters: SpectBoneMetSegParameterNode) -> Choice:
    """Anterior volume, posterior volume and segmentation of a parameter node."""
    return parameters.anteriorVolume, parameters.posteriorVolume, parameters.segmentation
