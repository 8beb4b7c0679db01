"""Plots of a simulated against a real population: percentiles of every row, and scatter plots of statistics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from .population_tables import TOLERANCE, correlation

if TYPE_CHECKING:
    from .population_result import PopulationResult

COLOURS = {"anterior": "tab:blue", "posterior": "tab:orange"}


def plot_rows(result: PopulationResult, path: Path) -> None:
    """Plot one panel per row: simulated and real percentiles, with the band of TOLERANCE."""
    names = list(dict.fromkeys(item.row.name for item in result.rows))
    columns = 6
    figure, axes = _figure(-(-len(names) // columns), columns)
    percentiles = np.array(result.tables.percentiles)
    for panel, name in zip(axes, names, strict=False):
        panel.set_visible(True)
        for item in result.rows:
            if item.row.name != name:
                continue
            colour, real = COLOURS[item.row.view], np.array(item.row.real)
            panel.fill_between(percentiles, real * (1 - TOLERANCE), real * (1 + TOLERANCE), color=colour, alpha=0.15)
            panel.plot(percentiles, real, color=colour, linewidth=1, label=f"{item.row.view}, real")
            panel.plot(percentiles, item.simulated, "o--", color=colour, markersize=4, label="simulated")
            panel.set_title(item.row.title, fontsize=8)
    axes[0].legend(frameon=False, fontsize=7)
    figure.supxlabel("percentile of the patients or lesions; band: 20 % about the real ones")
    figure.savefig(path, dpi=90)


def plot_joint(result: PopulationResult, path: Path) -> None:
    """Plot the area of lesions against their uptake, and patients' number and share of lesions against levels."""
    figure, axes = _figure(1, 3)
    for panel in axes:
        panel.set_visible(True)
    for view in VIEW_NAMES:
        seen = [patient[view] for patient in result.patients if view in patient]
        lesions = [lesion for figures in seen for lesion in figures.lesions]
        pairs = (
            ([lesion.area_cm2 for lesion in lesions], [lesion.p95 for lesion in lesions]),
            ([f.values["lesions"] for f in seen], [1 / f.values["thigh_over_level"] for f in seen]),
            ([f.values["lesion_share_percent"] for f in seen], [f.values["level_counts"] for f in seen]),
        )
        for panel, (across, up) in zip(axes, pairs, strict=True):
            known = correlation(across, up)
            panel.plot(across, up, ".", color=COLOURS[view], alpha=0.6, label=f"{view}, rank correlation {known:.2f}")
    titles = (
        ("area of a lesion (cm2)", "95th percentile inside / level"),
        ("lesions of a patient", "level / soft tissue of the thigh"),
        ("bone pixels that are lesion (%)", "body level (counts)"),
    )
    for panel, (across_title, up_title) in zip(axes, titles, strict=True):
        panel.set_xlabel(across_title)
        panel.set_ylabel(up_title)
        panel.legend(frameon=False, fontsize=7)
    axes[0].set_xscale("log")
    axes[0].set_yscale("log")
    figure.savefig(path, dpi=90)


def _figure(rows: int, columns: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * columns, 2.6 * rows if rows > 1 else 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for panel in axes:
        panel.set_visible(False)
    return figure, axes
