"""Percentiles of a population of real patients, with which the simulator is compared."""

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

#: Largest relative difference between a simulated and a real percentile.
TOLERANCE = 0.2
#: Shipped population file, below Resources.
SHIPPED = "Population/patients-with-metastases.json"


@dataclass(frozen=True)
class PopulationRow:
    """One statistic of one view.

    Attributes:
        name: key of the statistic.
        view: view in which it is measured.
        title: name with its unit.
        real: percentiles of the real patients.
    """

    name: str
    view: ViewName
    title: str
    real: tuple[float, ...]


@dataclass(frozen=True)
class PopulationTables:
    """The content of a population file.

    Attributes:
        about: description of the population.
        pixel_mm: pixel edge of the measured scans.
        percentiles: in per cent, ascending.
        rows: the statistics.
        sites: {view: {bone region: share of the lesions}}.
    """

    about: str
    pixel_mm: float
    percentiles: tuple[float, ...]
    rows: tuple[PopulationRow, ...]
    sites: dict[ViewName, dict[str, float]]


@dataclass(frozen=True)
class RowComparison:
    """Comparison of one row.

    Attributes:
        row: the row with its real percentiles.
        simulated: simulated percentiles.
        values: number of simulated values.
        off: percentiles outside TOLERANCE.
    """

    row: PopulationRow
    simulated: tuple[float, ...]
    values: int
    off: tuple[float, ...]


def shipped_population() -> Path:
    """Return the path of the shipped population file.

    Raises:
        UserError: the installation is incomplete.
    """
    return resources_folder(SpectBoneMetSegTrainingLib, holding=SHIPPED) / SHIPPED


def read_population(path: Path) -> PopulationTables:
    """Read a population file.

    Raises:
        UserError: the file is missing, damaged or not a population file.
    """
    found = read_json(path, remedy="name a JSON file in the form of the shipped one")
    try:
        percentiles = tuple(float(value) for value in found["percentiles"])
        rows = tuple(
            PopulationRow(name, view, str(about["title"]), _numbers(about[view], len(percentiles)))
            for name, about in found["rows"].items()
            for view in VIEW_NAMES
            if view in about
        )
        sites = {view: {str(k): float(v) for k, v in found["sites"].get(view, {}).items()} for view in VIEW_NAMES}
        return PopulationTables(str(found["about"]), float(found["pixel_mm"]), percentiles, rows, sites)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = error if isinstance(error, ValueError) else "it is incomplete"
        raise UserError(f"{path} is not a population file ({why}); see the shipped one for its form.") from error


def compare_rows(tables: PopulationTables, values: dict[tuple[str, ViewName], list[float]]) -> list[RowComparison]:
    """Compare every row with the simulated values.

    Args:
        tables: the real population.
        values: {(row, view): simulated values}; rows without values are left out.
    """
    compared = []
    for row in tables.rows:
        numbers = np.array(values.get((row.name, row.view), []), float)
        numbers = numbers[np.isfinite(numbers)]
        if not len(numbers):
            continue
        simulated = tuple(float(value) for value in np.percentile(numbers, tables.percentiles))
        off = tuple(
            percentile
            for percentile, value, real in zip(tables.percentiles, simulated, row.real, strict=True)
            if not within_tolerance(value, real)
        )
        compared.append(RowComparison(row, simulated, len(numbers), off))
    return compared


def within_tolerance(simulated: float, real: float) -> bool:
    """Return whether a value is within TOLERANCE of the real one, or within 0.5 of a whole number up to 2."""
    return abs(simulated - real) <= max(
        TOLERANCE * abs(real), 0.5 if float(real).is_integer() and abs(real) <= 2 else 0.0
    )


def site_shares(sites: list[str]) -> dict[str, float]:
    """Return {bone region: share of the lesions}, of the lesions in any region."""
    known = [site for site in sites if site]
    return {site: known.count(site) / len(known) for site in sorted(set(known), key=known.count, reverse=True)}


def _numbers(values: Any, count: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != count or any(not math.isfinite(value) for value in numbers) or list(numbers) != sorted(numbers):
        raise ValueError(f"{values} are not {count} increasing percentiles")
    return numbers


def correlation(one: list[float], two: list[float]) -> float:
    """Return Spearman's rank correlation of the finite pairs; NaN for fewer than three."""
    from scipy.stats import spearmanr

    pairs: NDArray[np.float64] = np.array([one, two], float)
    pairs = pairs[:, np.isfinite(pairs).all(0)]
    return float(spearmanr(pairs[0], pairs[1]).statistic) if pairs.shape[1] >= 3 else float("nan")
