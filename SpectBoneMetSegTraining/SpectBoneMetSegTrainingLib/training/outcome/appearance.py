"""Image statistics of the training scans, for the model card, by which unusual scans are recognised."""

from __future__ import annotations

from collections.abc import Iterable

from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.appearance import AppearanceProfile, appearance_profile, measure_appearance
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM

from ...dataset.cases import load_case
from ...dataset.opened import Data


def training_appearance(data: Data, cases: Iterable[str], region: Region) -> AppearanceProfile:
    """Return the image statistics of whole-body cases; empty for thorax crops, which do not show the body.

    Raises:
        UserError: a file is missing or unreadable.
    """
    if region != "whole-body":
        return AppearanceProfile()
    return appearance_profile(
        measure_appearance(counts, REFERENCE_SPACING_MM)
        for case in cases
        for counts in load_case(data, case, region=region).counts.values()
    )
