"""The outcome of a calibration against a population."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.scan.planar import ViewName

from .population_tables import PopulationTables, RowComparison
from .view_statistics import ViewStatistics

Patients = list[dict[ViewName, ViewStatistics]]


@dataclass(frozen=True)
class PopulationResult:
    """The outcome of a calibration.

    Attributes:
        tables: the real population.
        rows: comparison of each row.
        sites: {view: {bone region: share of the simulated lesions}}.
        patients: {view: statistics} of each simulated patient.
    """

    tables: PopulationTables
    rows: list[RowComparison]
    sites: dict[ViewName, dict[str, float]]
    patients: Patients
