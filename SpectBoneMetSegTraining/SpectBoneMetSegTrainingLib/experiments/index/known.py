"""Known bone scan index of a simulated patient, by the volume of diseased bone, which planar views do not show."""

from __future__ import annotations

from collections.abc import Container

import numpy as np
from SpectBoneMetSegLib.lesions.model_result import ModelResult
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.lesions.results import Reading
from SpectBoneMetSegLib.quantification.weights import IMBRIACO_1998, WeightTable
from SpectBoneMetSegLib.scan.planar import ViewName
from SpectBoneMetSegLib.scan.thorax import whole_field

from ...phantom.disease.patient import Patient, person_of
from ...phantom.scan.regions import bone_regions
from ...phantom.scan.simulate import SimulatedCase

__all__ = ["known_index", "true_reading"]

#: A point of bone counts as diseased where a metastasis has at least this share of its full effect.
DISEASED = 0.5


def known_index(patient: Patient, table: WeightTable = IMBRIACO_1998, tracks: Container[str] | None = None) -> float:
    """Compute the sum over bones of (diseased volume / volume x weight), in per cent, without cold metastases.

    Args:
        patient: the patient on the day of the scan.
        table: weights of the skeleton's regions.
        tracks: tracks of the metastases that count; None for all.
    """
    volume, regions = person_of(patient).bone_volume, bone_regions()
    diseased = np.zeros(len(volume), bool)
    for metastasis in patient.metastases:
        focus = metastasis.focus
        if focus.uptake > 1 and (tracks is None or metastasis.track in tracks):
            diseased[focus.index[focus.share >= DISEASED]] = True
    whole = np.bincount(regions, volume, minlength=256)
    part = np.bincount(regions, volume * diseased, minlength=256)
    total = 0.0
    for group in table.groups:
        numbers = list(group.regions)
        if whole[numbers].sum() > 0:
            total += group.percent * float(part[numbers].sum() / whole[numbers].sum())
    return total


def true_reading(case: SimulatedCase) -> Reading:
    """Return the reading of an ideal observer, with the exact labelled metastases and bones.

    Args:
        case: a simulated scan with its exact ground truth.
    """
    maps: dict[ViewName, np.ndarray] = {}
    for name in case.scan.views:
        maps[name] = np.zeros(case.scan.frame.shape, np.float32)
        for lesion in case.lesions:
            if lesion.kind != "cold" and lesion.views[name].visible:
                maps[name][lesion.views[name].mask] = 1.0
    own = {
        name: np.ascontiguousarray(numbers[:, ::-1]) if name == "posterior" else numbers
        for name, numbers in case.regions.items()
    }
    result = ModelResult(case.scan, whole_field(case.scan.frame.shape), maps, regions=own)
    return reading_at(result, 0.5, 0.0)
