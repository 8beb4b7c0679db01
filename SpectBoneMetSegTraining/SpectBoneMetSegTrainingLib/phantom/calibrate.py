"""`spectbonemetseg calibrate`: simulate a few patients and compare them with one real scan."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.reading import read_scan

from .calibration import ScanFigures, compare_with, plot_calibration, scan_figures

Image = NDArray[np.float32]


def calibrate(scan: Path, patients: int, seed: int, output: Path, jobs: int = 1) -> list[dict[str, Any]]:
    """Write calibration.csv, calibration.png and contact_sheet.png into `output`; returns the table's rows.

    Raises:
        UserError: the scan has no anterior view, or the folder cannot be written.
    """
    view = read_scan(scan).anterior
    if view is None:
        raise UserError(f"{scan} has no anterior view; choose a scan that has one.")
    real = scan_figures(view.counts, view.spacing[0])
    total = float(view.counts.sum())
    with ProcessPoolExecutor(jobs) as pool:
        seeds = [(seed, index) for index in range(patients)]
        results = list(pool.map(_simulate, seeds, [total] * patients))
    rows = compare_with(real, [figures for figures, _ in results])
    try:
        output.mkdir(parents=True, exist_ok=True)
        with (output / "calibration.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        plot_calibration(real, [figures for figures, _ in results], output / "calibration.png")
        plot_contact_sheet(view.counts, [image for _, image in results], output / "contact_sheet.png")
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}); choose another --output.") from error
    return rows


def plot_contact_sheet(real: Image, simulated: Sequence[Image], path: Path) -> None:
    """Draw whole bodies side by side, each in its own percentile window, the real one framed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = [real, *simulated]
    columns = -(-len(images) // 2)
    figure = Figure(figsize=(1.25 * columns, 10), layout="constrained")
    FigureCanvasAgg(figure)
    for place, axes in enumerate(figure.subplots(2, columns).ravel()):
        axes.set_xticks([])
        axes.set_yticks([])
        if place >= len(images):
            axes.set_axis_off()
            continue
        image = images[place]
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=np.percentile(image[image > 2], 98.5))
        axes.set_title("real" if place == 0 else "simulated", fontsize=8)
    figure.savefig(path, dpi=100)


def _simulate(seed: tuple[int, int], total: float) -> tuple[ScanFigures, Image]:
    from .hospital import simulate_case

    view = simulate_case("calibration", seed).scan.anterior
    assert view is not None
    return scan_figures(view.counts, view.spacing[0], total), view.counts
