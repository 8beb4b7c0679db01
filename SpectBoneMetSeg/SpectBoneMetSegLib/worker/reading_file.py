"""A reviewed reading as one file for another process, with all edits and decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.jsonable import to_jsonable
from ..lesions.results import Lesion, Reading, ViewMeasurement
from ..lesions.serialisation import load_arrays, of_views, save_arrays, scan_facts, scan_from
from ..scan.planar import ViewName
from ..scan.thorax import ThoraxCrop

__all__ = ["load_reading", "save_reading"]


def save_reading(reading: Reading, path: str | Path) -> None:
    """Write a reading to a file.

    Raises:
        OSError: the file cannot be written.
    """
    facts = {
        **scan_facts(reading.scan),
        "crop": to_jsonable(asdict(reading.crop)),
        "lesions": [to_jsonable(_facts_of(lesion)) for lesion in reading.lesions],
        "rejected": [to_jsonable(_facts_of(lesion)) for lesion in reading.rejected],
        "receipt": to_jsonable(reading.receipt),
        "confidence": reading.confidence,
    }
    of_scan = {f"counts_{name}": view.counts for name, view in reading.scan.views.items()}
    named: dict[str, Mapping[ViewName, NDArray[Any]]] = {
        "mask": reading.view_masks,
        "probability": reading.probabilities,
        "regions": reading.regions,
    }
    of_each = {f"{what}_{name}": values for what, maps in named.items() for name, values in maps.items()}
    whole: dict[str, NDArray[Any]] = {
        "union": reading.mask,
        "both": reading.probability,
        "aggregate": reading.aggregate,
    }
    save_arrays(path, facts, {**of_scan, **of_each, **whole})


def load_reading(path: str | Path) -> Reading:
    """Read a reading from a file of `save_reading`.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a stored reading; likewise KeyError and TypeError.
    """
    facts, arrays = load_arrays(path)
    return Reading(
        scan=scan_from(facts, of_views(arrays, "counts")),
        crop=ThoraxCrop.from_dict(facts["crop"]),
        lesions=tuple(map(_lesion_from, facts["lesions"])),
        mask=arrays["union"],
        view_masks=of_views(arrays, "mask"),
        probability=arrays["both"],
        aggregate=arrays["aggregate"],
        receipt=facts["receipt"],
        probabilities=of_views(arrays, "probability"),
        rejected=tuple(map(_lesion_from, facts["rejected"])),
        regions=of_views(arrays, "regions"),
        confidence=facts["confidence"],
    )


def _facts_of(lesion: Lesion) -> dict[str, Any]:
    return {**asdict(lesion), "curve": lesion.curve.tolist()}


def _lesion_from(facts: dict[str, Any]) -> Lesion:
    views = {name: ViewMeasurement(**values) for name, values in facts["views"].items()}
    curve = np.array(facts["curve"], np.float64).reshape(-1, 3)
    return Lesion(**{**facts, "curve": curve, "centroid": tuple(facts["centroid"]), "views": views})
