"""`spectbonemetseg calibrate --population FILE`: comparison of simulated and real patients with metastases."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import ensure_writable
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName, mirror

from ...common.parallel import parallel_map
from ...dataset.cases import LESION, label_map
from .population import READER_STREAM, agreed_instances
from .population_result import Patients, PopulationResult
from .population_tables import PopulationTables, compare_rows, read_population, site_shares
from .view_statistics import LESION_SITE, LesionStatistics, ViewStatistics, view_statistics

#: Rows of the tables that are statistics of lesions, and how to get each.
LESION_ROWS: dict[str, Callable[[LesionStatistics], float]] = {
    "area_cm2": lambda lesion: lesion.area_cm2,
    "inside_over_ring": lambda lesion: lesion.ratio,
    "p95_over_level": lambda lesion: lesion.p95,
    "elongation": lambda lesion: lesion.elongation,
    "outline_fraction": lambda lesion: lesion.outline,
}


def calibrate_population(file: Path, patients: int, seed: int, output: Path, jobs: int = 1) -> PopulationResult:
    """Write population.csv, sites.csv, population.png and joint.png into `output`.

    Raises:
        UserError: the file is not a population file, or the folder cannot be written.
    """
    from .population_plots import plot_joint, plot_rows

    tables = read_population(file)
    ensure_writable(output)
    found = _simulated(patients, seed, tables.pixel_mm, jobs)
    result = compare_population(tables, found)
    try:
        with (output / "population.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table)
            head = [f"{percentile:g} %" for percentile in tables.percentiles]
            writer.writerow(["row", "view", "n", *(f"ours {x}" for x in head), *(f"real {x}" for x in head), "off"])
            for item in result.rows:
                off = " ".join(f"{percentile:g}" for percentile in item.off)
                figures = [f"{value:.4g}" for value in (*item.simulated, *item.row.real)]
                writer.writerow([item.row.title, item.row.view, item.values, *figures, off])
        with (output / "sites.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table)
            writer.writerow(["view", "site", "ours", "real"])
            writer.writerows([view, *line] for view in VIEW_NAMES for line in site_lines(result, view))
        plot_rows(result, output / "population.png")
        plot_joint(result, output / "joint.png")
    except OSError as error:
        raise UserError(
            f"{output} cannot be written ({reason_of(error)}); choose another output folder.", "output"
        ) from error
    return result


def compare_population(tables: PopulationTables, patients: Patients) -> PopulationResult:
    """Pool the statistics of the patients and compare them with the tables."""
    values: dict[tuple[str, ViewName], list[float]] = {}
    sites: dict[ViewName, dict[str, float]] = {}
    for view in VIEW_NAMES:
        seen = [patient[view] for patient in patients if view in patient]
        for figures in seen:
            for name, value in figures.values.items():
                values.setdefault((name, view), []).append(value)
        lesions = [lesion for figures in seen for lesion in figures.lesions]
        for name, of in LESION_ROWS.items():
            values[name, view] = [of(lesion) for lesion in lesions]
        sites[view] = site_shares([lesion.site for lesion in lesions])
    return PopulationResult(tables, compare_rows(tables, values), sites, patients)


def score_line(result: PopulationResult) -> str:
    """Return one line with the numbers of rows and percentiles within the tolerance."""
    cells = sum(len(item.simulated) for item in result.rows)
    off = sum(len(item.off) for item in result.rows)
    whole = sum(1 for item in result.rows if not item.off)
    return f"{whole} of {len(result.rows)} rows within 20 % at every percentile, {cells - off} of {cells} percentiles"


def table_lines(result: PopulationResult) -> list[str]:
    """Return the comparison as text, one line per row."""
    lines = []
    for item in result.rows:
        simulated = " / ".join(f"{value:.3g}" for value in item.simulated)
        real = " / ".join(f"{value:.3g}" for value in item.row.real)
        off = "off at " + ", ".join(f"P{percentile:g}" for percentile in item.off) if item.off else "within 20 %"
        lines.append(f"{item.row.title:>62}  {item.row.view:<9}  simulated {simulated:<34}  real {real:<34}  {off}")
    return lines


def site_lines(result: PopulationResult, view: ViewName) -> list[tuple[str, float, float]]:
    """Return (site, simulated share, real share) for every site of a view."""
    simulated, real = result.sites[view], result.tables.sites[view]
    return [
        (name, round(simulated.get(name, 0.0), 3), real.get(name, 0.0)) for name in dict.fromkeys([*real, *simulated])
    ]


def hot_lines(result: PopulationResult) -> list[str]:
    """Return where the hottest pixel and the hottest hundredth of the thorax of the simulated views are, as text."""
    lines = []
    for view in VIEW_NAMES:
        seen = [patient[view] for patient in result.patients if view in patient]
        if not seen:
            continue
        peaks = [figures.maximum_site for figures in seen]
        shares = {site: peaks.count(site) / len(seen) for site in set(peaks)}
        lines.append(f"hottest pixel, {view}: {_shares_text(shares)}")
        names = {name for figures in seen for name in figures.hot_thorax}
        shares = {name: sum(figures.hot_thorax.get(name, 0.0) for figures in seen) / len(seen) for name in names}
        inside = shares.pop(LESION_SITE, 0.0)
        lines.append(f"hottest hundredth of the thorax, {view}: {inside:.0%} in lesions; {_shares_text(shares)}")
    return lines


def _shares_text(shares: dict[str, float]) -> str:
    largest = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name or 'elsewhere'} {share:.0%}" for name, share in largest if share >= 0.005)


def _simulated(patients: int, seed: int, spacing: float, jobs: int) -> Patients:
    seeds = [(seed, index) for index in range(patients)]
    return list(parallel_map(partial(measure_patient, spacing=spacing), seeds, jobs))


def measure_patient(seed: Sequence[int], spacing: float) -> dict[ViewName, ViewStatistics]:
    """Simulate and measure one patient with metastases; captures, whose units are grey levels, have no views."""
    from ..scan.readers import consensus
    from ..scan.simulate import simulate_case

    case = simulate_case("calibration", tuple(seed), positive=True, shape=(1024, 256), spacing=spacing)
    if case.parameters["capture_white_counts"]:
        return {}
    lesions = agreed_instances(case, consensus(case, (*seed, READER_STREAM, 0)))
    figures: dict[ViewName, ViewStatistics] = {}
    for name, view in case.scan.views.items():
        counts = mirror(view).counts if name == "posterior" else view.counts
        outlines = label_map(lesions, name, counts.shape) == LESION
        figures[name] = view_statistics(np.asarray(counts, np.float32), outlines, case.regions[name], spacing)
    return figures
