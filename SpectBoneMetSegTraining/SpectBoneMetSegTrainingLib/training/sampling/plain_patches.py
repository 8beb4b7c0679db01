"""Patches cut from a crop as it is: for data sets that are augmented already."""

from __future__ import annotations

import numpy as np
from SpectBoneMetSegLib.model.config import InputName, OutputName
from SpectBoneMetSegLib.model.inputs import network_inputs

from ...dataset.cases import LabelledCrop
from .patches import LESION_SHARE, Patch, target_channels


def plain_patch(
    crop: LabelledCrop,
    size: int,
    inputs: tuple[InputName, ...],
    outputs: tuple[OutputName, ...],
    rng: np.random.Generator,
) -> Patch:
    """Cut a patch at a random place, LESION_SHARE of them of a case with lesions around one; zero outside the crop.

    Args:
        crop: a case. size: rows and columns of the patch in pixels. inputs, outputs: the network's channel names.
    """
    channels = network_inputs(crop.counts.get("anterior"), crop.counts.get("posterior"), inputs)
    label, weight = target_channels(crop, outputs)
    room = [max(0, extent - size) for extent in label.shape[:2]]
    places = np.argwhere(label.any(-1))
    if len(places) and rng.random() < LESION_SHARE:
        place = places[int(rng.integers(len(places)))] - rng.integers(0, size, 2)
        row, column = (int(np.clip(place[axis], 0, room[axis])) for axis in (0, 1))
    else:
        row, column = (int(rng.integers(room[axis] + 1)) for axis in (0, 1))
    pieces = []
    for array in (channels, label, weight):
        piece = array[row : row + size, column : column + size]
        missing = [(0, size - piece.shape[0]), (0, size - piece.shape[1]), (0, 0)]
        pieces.append(np.pad(piece, missing).astype(np.float32))
    return Patch(*pieces)
