"""The outcome of a calibration against a population."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.scan.planar import ViewName

from .figures_of_view import ViewFigures
from .population_tables import Compared, PopulationTables

Patients = list[dict[ViewName, ViewFigures]]


@dataclass(frozen=True)
class PopulationResult:
    """A calibration: the rows compared, the sites of our lesions, and the patients' figures."""

    tables: PopulationTables
    rows: list[Compared]
    sites: dict[ViewName, dict[str, float]]
    patients: Patients
