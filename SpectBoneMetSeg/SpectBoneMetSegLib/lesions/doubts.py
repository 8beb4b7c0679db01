"""Warnings about single lesions: cut by the edge of the box, or with counts that were cut off."""

from __future__ import annotations

import numpy as np

from ..scan.grey import clipped_at
from .extent import cut_by_box, cut_warning
from .naming import areas_named
from .results import Reading

__all__ = ["clipped_warnings", "lesion_warnings"]


def lesion_warnings(reading: Reading) -> list[str]:
    """Return the warnings about single lesions, which name the lesions by their IDs in this reading."""
    cut = cut_by_box(reading)
    return [*([cut_warning(cut)] if cut else []), *clipped_warnings(reading)]


def clipped_warnings(reading: Reading) -> list[str]:
    """Return one warning per view about the lesions with pixels at the value where the view's counts were cut off."""
    warnings = []
    for name, view in reading.scan.views.items():
        # Most scans have no lesion at their highest value: the costlier comparison is for the others.
        ids = np.unique(reading.view_masks[name][view.counts == view.counts.max()])
        numbers = ids[ids > 0].tolist()
        limit = clipped_at(view.counts) if numbers else None
        if limit is None:
            continue
        verb, their = ("has", "its") if len(numbers) == 1 else ("have", "their")
        warnings.append(
            f"{areas_named(numbers)} {verb} counts that were cut off at {limit:g} in the {name} view: {their} measured "
            "uptake there is too low; give the original counts."
        )
    return warnings
