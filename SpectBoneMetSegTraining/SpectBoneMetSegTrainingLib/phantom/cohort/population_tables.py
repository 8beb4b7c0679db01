"""The population that real patients come from, as percentiles: the tables that the simulator is compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.resources import resources_folder
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

import SpectBoneMetSegTrainingLib

from ...dataset.files import read_json

#: A percentile of ours that differs from the real one by more than this share is off.
TOLERANCE = 0.2
SHIPPED = "Population/patients-with-metastases.json"


@dataclass(frozen=True)
class Row:
    """One figure of one view: its key, its title and its real percentiles."""

    name: str
    view: ViewName
    title: str
    real: tuple[float, ...]


@dataclass(frozen=True)
class PopulationTables:
    """What a population file holds.

    Attributes:
        about: whose figures these are, in words.
        pixel_mm: pixel edge they were measured at.
        percentiles: in per cent, rising.
        rows: the figures.
        sites: {view: {bone region: share of the lesions}}.
    """

    about: str
    pixel_mm: float
    percentiles: tuple[float, ...]
    rows: tuple[Row, ...]
    sites: dict[ViewName, dict[str, float]]


@dataclass(frozen=True)
class RowComparison:
    """Our percentiles of a row beside the real ones; `off` names the percentiles outside TOLERANCE."""

    row: Row
    ours: tuple[float, ...]
    values: int
    off: tuple[float, ...]


def shipped_population() -> Path:
    """The file that comes with the program.

    Raises:
        UserError: the installation is incomplete.
    """
    return resources_folder(SpectBoneMetSegTrainingLib, holding=SHIPPED) / SHIPPED


def read_population(path: Path) -> PopulationTables:
    """Read a population file.

    Raises:
        UserError: it is missing, damaged or no population file.
    """
    found = read_json(path)
    try:
        percentiles = tuple(float(value) for value in found["percentiles"])
        rows = tuple(
            Row(name, view, str(about["title"]), _numbers(about[view], len(percentiles)))
            for name, about in found["rows"].items()
            for view in VIEW_NAMES
            if view in about
        )
        sites = {view: {str(k): float(v) for k, v in found["sites"].get(view, {}).items()} for view in VIEW_NAMES}
        return PopulationTables(str(found["about"]), float(found["pixel_mm"]), percentiles, rows, sites)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no population file ({error!r}); see the shipped one for its form.") from error


def compare_rows(tables: PopulationTables, values: dict[tuple[str, ViewName], list[float]]) -> list[RowComparison]:
    """Every row beside what was simulated.

    Args:
        values: (row, view) -> the simulated values; rows without any are left out.
    """
    compared = []
    for row in tables.rows:
        numbers = np.array(values.get((row.name, row.view), []), float)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            continue
        ours = tuple(float(value) for value in np.percentile(numbers, tables.percentiles))
        off = tuple(
            percentile
            for percentile, mine, real in zip(tables.percentiles, ours, row.real, strict=True)
            if not within_tolerance(mine, real)
        )
        compared.append(RowComparison(row, ours, len(numbers), off))
    return compared


def within_tolerance(mine: float, real: float) -> bool:
    """Within TOLERANCE of the real value; whole numbers up to 2, of which a fifth means nothing, within one half."""
    return abs(mine - real) <= max(TOLERANCE * abs(real), 0.5 if float(real).is_integer() and abs(real) <= 2 else 0.0)


def site_shares(sites: list[str]) -> dict[str, float]:
    """{bone region: share of the lesions that lie in a region}."""
    known = [site for site in sites if site]
    return {site: known.count(site) / len(known) for site in sorted(set(known), key=known.count, reverse=True)}


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or any(not math.isfinite(value) for value in numbers) or list(numbers) != sorted(numbers):
        raise ValueError(f"{values} are not {count} rising percentiles")
    return numbers


def correlation(one: list[float], two: list[float]) -> float:
    """Spearman's rank correlation of pairs that are both known; NaN for fewer than three."""
    from scipy.stats import spearmanr

    pairs: NDArray[np.float64] = np.array([one, two], float)
    pairs = pairs[:, np.isfinite(pairs).all(0)]
    return float(spearmanr(pairs[0], pairs[1]).statistic) if pairs.shape[1] >= 3 else float("nan")
