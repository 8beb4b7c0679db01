"""What the scans of a data set look like, for the card of a model that was taught on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.appearance import appearance_of, ranges_of
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM

from ...dataset.cases import load_case

Ranges = dict[str, tuple[float, float]]


def learnt_ranges(data: Path, cases: Iterable[str], region: Region) -> Ranges:
    """Ranges of whole-body cases; none of thoraxes, which do not tell how a body looks."""
    if region != "whole-body":
        return {}
    return ranges_of(
        appearance_of(counts, REFERENCE_SPACING_MM)
        for case in cases
        for counts in load_case(data, case, region=region).counts.values()
    )


def widened(ranges: Ranges, other: Ranges) -> Ranges:
    """Ranges that hold both; of a model that knows none, none."""
    return {
        name: (min(low, other.get(name, (low, high))[0]), max(high, other.get(name, (low, high))[1]))
        for name, (low, high) in ranges.items()
    }
