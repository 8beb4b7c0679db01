"""The outcome of a calibration against a population."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.scan.planar import ViewName

from .population_tables import PopulationTables, RowComparison
from .view_statistics import ViewStatistics

Patients = list[dict[ViewName, ViewStatistics]]


@dataclass(frozen=True)
class PopulationResult:
    """A calibration: the rows compared, the sites of our lesions, and the patients' figures."""

    tables: PopulationTables
    rows: list[RowComparison]
    sites: dict[ViewName, dict[str, float]]
    patients: Patients
