"""What the scans of a data set look like, for the card of a model that was taught on them."""

from __future__ import annotations

from collections.abc import Iterable

from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.appearance import Looks, appearance_of, looks_of
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM

from ...dataset.cases import load_case
from ...dataset.opened import Data


def training_appearance(data: Data, cases: Iterable[str], region: Region) -> Looks:
    """Looks of whole-body cases; none of thoraxes, which do not tell how a body looks."""
    if region != "whole-body":
        return Looks()
    return looks_of(
        appearance_of(counts, REFERENCE_SPACING_MM)
        for case in cases
        for counts in load_case(data, case, region=region).counts.values()
    )
