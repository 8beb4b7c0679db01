"""Synthetic readings for the tests of the steps after the probability map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.delineation import lesion_masks
from SpectBoneMetSegLib.lesions.measurement import measure_lesions
from SpectBoneMetSegLib.lesions.results import Reading
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

#: (row, column, radius) in the anterior frame, and the views that see them.
SPOTS = (
    ((22, 14, 2), ("anterior",)),
    ((30, 30, 3), ("anterior", "posterior")),
    ((41, 22, 2), ("posterior",)),
)

ReadingFactory = Callable[..., Reading]


def make_scan(views: tuple[str, ...], shape: tuple[int, int], spacing: tuple[float, float]) -> WholeBodyScan:
    """A body of 10 counts in a field of air, with a ramp of counts to the patient's left: all sides differ."""
    rows, columns = shape
    counts = np.zeros(shape, dtype=np.float32)
    counts[4 : rows - 4, 6 : columns - 6] = 10 + np.arange(columns - 12, dtype=np.float32) / 10
    anterior = PlanarView(counts, spacing, "anterior")
    posterior = mirror(PlanarView(2 * counts, spacing, "anterior"))
    return WholeBodyScan(
        "case one",
        anterior if "anterior" in views else None,
        posterior if "posterior" in views else None,
    )


def make_reading(
    views: tuple[str, ...] = ("anterior", "posterior"),
    spots: tuple = SPOTS,
    shape: tuple[int, int] = (96, 48),
    spacing: tuple[float, float] = (2.4, 2.2),
    crop: ThoraxCrop | None = None,
) -> Reading:
    """A reading with round made-up lesions, put together by the library's own steps."""
    scan = make_scan(views, shape, spacing)
    y, x = np.mgrid[: shape[0], : shape[1]]
    probabilities = {}
    for name in scan.views:
        values = np.zeros(shape, dtype=np.float32)
        for (row, column, radius), seen in spots:
            if name in seen:
                values[(y - row) ** 2 + (x - column) ** 2 <= radius**2] = 0.9
        probabilities[name] = values
    masks = lesion_masks(probabilities, 0.5, 0.0, scan.frame)
    own = {name: ids[:, ::-1].copy() if name == "posterior" else ids for name, ids in masks.views.items()}
    probability = np.maximum.reduce(list(probabilities.values()))
    aggregate = sum((mirror(v) if v.name == "posterior" else v).counts for v in scan.views.values())
    return Reading(
        scan=scan,
        crop=crop or ThoraxCrop((16, 56), (4, 44), 0.9),
        lesions=measure_lesions(scan, masks.union, own, probability),
        mask=(masks.union > 0).astype(np.uint8),
        view_masks=own,
        probability=probability,
        aggregate=np.asarray(aggregate, dtype=np.float32),
        receipt={"model": {"name": "made-up", "version": "1"}, "device": "CPU", "seed": np.int64(3)},
    )


@pytest.fixture(scope="session")
def reading_factory() -> ReadingFactory:
    return make_reading


@pytest.fixture(scope="session")
def a_reading() -> Reading:
    return make_reading()
