"""Plot of an experiment: lines over a number, or points with intervals per row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.common.files import whole_file

from ..definitions import Experiment, TableRow
from .results import Estimate, Output, estimates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Metrics drawn, with their colours (Okabe and Ito 2008, distinguishable for the colour-blind).
SHOWN = (
    ("image_dsc", "DSC", "#0072B2"),
    ("image_cpa_precision", "CPA", "#E69F00"),
    ("image_recall", "Recall", "#009E73"),
)
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
OWN_MARK: dict[str, Any] = {"marker": "o", "markersize": 4, "capsize": 2}
PAPER_MARK: dict[str, Any] = {
    "marker": "D",
    "markersize": 5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "linestyle": "",
}


def plot(output: Output, experiment: Experiment, path: Path) -> bool:
    """Draw the plot; return False, without a file, while there is no result."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = {row.label: estimates(output.of_row(row), row.measured) for row in experiment.rows}
    if not any(found.values()):
        path.unlink(missing_ok=True)
        return False
    lines = all(row.x is not None for row in experiment.rows)
    size = (9.6, 3.6) if lines else (8.4, 1.2 + 0.42 * len(experiment.rows))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    if lines:
        for axes, (name, title, _) in zip(figure.subplots(1, len(SHOWN), sharex=True), SHOWN, strict=True):
            _lines(axes, experiment, found, name)
            axes.set_title(title, fontsize=10)
        # Outside the axes, so that the legend hides no point.
        marks, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(marks, names, frameon=False, fontsize=7.5, loc="outside lower center", ncols=3)
    else:
        _points(figure.subplots(), experiment.rows, found)
    figure.suptitle(f"{experiment.title} - simulated patients", fontsize=10, color="0.35")
    with whole_file(path) as part:
        figure.savefig(part, dpi=130, format="png")
    return True


def _lines(axes: Axes, experiment: Experiment, found: dict[str, dict[str, Estimate]], name: str) -> None:
    names = list(dict.fromkeys(row.series for row in experiment.rows))
    for series, colour in zip(names, LINES, strict=False):
        rows = [row for row in experiment.rows if row.series == series and found[row.label]]
        values = [found[row.label][name] for row in rows]
        x = [float(row.x or 0) for row in rows]
        # Shifted, so that the intervals of series do not overlap.
        x = [position + 0.25 * names.index(series) for position in x] if experiment.axis.startswith("patients") else x
        errors = [[v.value - v.low for v in values], [v.high - v.value for v in values]]
        axes.errorbar(x, [v.value for v in values], errors, color=colour, label=series, **OWN_MARK)
    paper = [(row.x or 0.0, dict(row.paper)[name]) for row in experiment.rows if name in dict(row.paper)]
    if paper:
        axes.plot([x for x, _ in paper], [y for _, y in paper], label="paper (different data)", **PAPER_MARK)
    axes.set_ylim(0, 1)
    axes.set_xlabel(experiment.axis, fontsize=8.5)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=8)


def _points(axes: Axes, rows: tuple[TableRow, ...], found: dict[str, dict[str, Estimate]]) -> None:
    for position, row in enumerate(rows):
        for shift, (name, _, colour) in zip((-0.2, 0.0, 0.2), SHOWN, strict=True):
            estimate = found[row.label].get(name)
            if estimate:
                error = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
                axes.errorbar(estimate.value, position + shift, xerr=error, color=colour, **OWN_MARK)
            if name in dict(row.paper):
                axes.plot(dict(row.paper)[name], position + shift, **{**PAPER_MARK, "markeredgecolor": colour})
    for _, title, colour in SHOWN:
        axes.plot([], [], "o", color=colour, label=title)
    axes.plot([], [], label="paper (different data)", **PAPER_MARK)
    axes.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.grid(axis="x", alpha=0.25)
    axes.tick_params(axis="x", labelsize=8)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
