"""`spectbonemetseg calibrate --scan`: comparison of simulated patients with one real scan."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import ensure_writable
from SpectBoneMetSegLib.loading import read_scan
from SpectBoneMetSegLib.model.inputs import body_mask

from ...common.parallel import patient_pool
from .calibration import ScanStatistics, compare_scan, plot_calibration, scan_statistics

Image = NDArray[np.float32]
#: Counts (rows, columns) and pixel edge (mm).
ScaledImage = tuple[Image, float]
Result = tuple[ScanStatistics, Image, float]

#: Largest number of simulated scans, as a multiple of the requested patients.
MAX_CANDIDATES_FACTOR = 4


def calibrate(scan: Path, patients: int, seed: int, output: Path, jobs: int = 1) -> list[dict[str, Any]]:
    """Write calibration.csv, calibration.png and contact_sheet.png into `output`; returns the table's rows.

    Raises:
        UserError: the scan has no anterior view or no visible shoulders, too few simulated scans can be measured, or
            the folder cannot be written.
    """
    view = read_scan(scan).anterior
    if view is None:
        raise UserError(f"{scan} has no anterior view; choose a scan that has one.")
    real = scan_statistics(view.counts, view.spacing[0])
    total = float(view.counts.sum())
    ensure_writable(output)
    results = _results(seed, total, patients, jobs)
    rows = compare_scan(real, [result[0] for result in results])
    try:
        with (output / "calibration.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        plot_calibration(real, [result[0] for result in results], output / "calibration.png")
        images = [(image, spacing) for _, image, spacing in results]
        plot_contact_sheet((view.counts, view.spacing[0]), images, output / "contact_sheet.png")
    except OSError as error:
        raise UserError(
            f"{output} cannot be written ({reason_of(error)}); choose another output folder.", "output"
        ) from error
    return rows


def plot_contact_sheet(real: ScaledImage, simulated: Sequence[ScaledImage], path: Path) -> None:
    """Plot whole bodies side by side, to scale, each in a percentile window of its own body; the real one is framed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    images = [real, *simulated]
    columns = -(-len(images) // 2)
    height, width = (size * real[1] for size in real[0].shape)
    figure = Figure(figsize=(1.25 * columns, 10), layout="constrained")
    FigureCanvasAgg(figure)
    for index, axes in enumerate(figure.subplots(2, columns).ravel()):
        axes.set_xticks([])
        axes.set_yticks([])
        if index >= len(images):
            axes.set_axis_off()
            continue
        image, spacing = images[index]
        half = image.shape[1] * spacing / 2
        window = np.percentile(image[body_mask(image)], 98.5)
        extent = (-half, half, image.shape[0] * spacing, 0)
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=window, extent=extent)
        axes.set_xlim(-width / 2, width / 2)
        axes.set_ylim(height, 0)
        axes.set_title("real" if index == 0 else "simulated", fontsize=8)
        for spine in axes.spines.values():
            spine.set_linewidth(2.5 if index == 0 else 0.0)
    # About one image pixel per scan pixel: a lower resolution would hide the noise texture.
    figure.savefig(path, dpi=200)


def _results(seed: int, total: float, patients: int, jobs: int) -> list[Result]:
    """Return the first `patients` simulated scans, in the order of their index, that can be compared."""
    found: list[Result] = []
    with patient_pool(jobs) as pool:
        for first in range(0, MAX_CANDIDATES_FACTOR * patients, patients):
            seeds = [(seed, index) for index in range(first, first + patients)]
            found += [result for result in pool.map(_simulate, seeds, [total] * patients) if result]
            if len(found) >= patients:
                return found[:patients]
    raise UserError("Too few simulated scans have an anterior view that can be measured; choose another seed.", "seed")


def _simulate(seed: tuple[int, int], total: float) -> Result | None:
    """Simulate and measure one patient; None if there is no anterior view, only a screen capture, or no shoulders."""
    from ..scan.simulate import simulate_case

    case = simulate_case("calibration", seed)
    view = case.scan.anterior
    if view is None or case.parameters["capture_white_counts"]:
        return None
    try:
        return scan_statistics(view.counts, view.spacing[0], total), view.counts, view.spacing[0]
    except UserError:
        return None
