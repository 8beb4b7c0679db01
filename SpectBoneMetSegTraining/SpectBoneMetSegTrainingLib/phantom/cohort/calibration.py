"""Comparison of simulated patients with one real anterior scan: levels, histogram, noise, spectrum and profiles.

One scan (n = 1) is a point that the simulator must be able to reach; it does not describe a population. Every simulated
scan is scaled to the counts and pixel area of the real one. Regions are placed in mm from the same landmarks on both
(shoulder row and body axis of the cropping).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.appearance import noise_variance
from SpectBoneMetSegLib.model.inputs import body_mask
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegLib.scan.planar import REFERENCE_SPACING_MM
from SpectBoneMetSegLib.scan.thorax import THORAX_SIZE, crop_thorax, find_body, find_shoulders

Image = NDArray[np.float32]

#: Region: percentile, distance of the columns from the axis (mm, both sides), rows below the shoulder row (mm).
REGIONS: dict[str, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "shoulder": (90, (130, 210), (-20, 70)),
    "manubrium": (90, (0, 22), (70, 120)),
    "sternum": (75, (0, 22), (130, 220)),
    "ribs": (75, (55, 130), (120, 260)),
    "between ribs": (25, (55, 130), (120, 260)),
    "lumbar spine": (75, (0, 25), (340, 430)),
    "abdomen": (50, (50, 110), (330, 420)),
    "pelvis": (90, (40, 130), (470, 560)),
    "thigh": (50, (50, 110), (760, 880)),
}
REGION_UNIT = "(counts/pixel)"
#: Side of the thorax box, mm.
THORAX_MM = THORAX_SIZE * REFERENCE_SPACING_MM
#: Number of bins of the spectrum, and its highest frequency (1/mm): the Nyquist frequency of the reference pixel.
BINS, HIGHEST_PER_MM = 64, 0.5 / REFERENCE_SPACING_MM
#: Largest ratio, in either direction, between the regions of a matched patient and of the real scan.
MATCH_FACTOR = 1.5


@dataclass(frozen=True)
class ScanStatistics:
    """Statistics of one anterior scan, in counts per reference pixel (2.26 mm) unless stated otherwise.

    Attributes:
        regions: {region: level}.
        thorax: crop of the thorax in the scan's own pixels.
        contrast: 99th / 50th percentile of the thorax inside the body.
        noise: variance / mean of neighbouring pixels in flat parts, in the scan's own counts.
        spectrum: (BINS,) radially averaged power of the thorax up to HIGHEST_PER_MM; NaN above the pixels' resolution.
        profiles: {"ribs": (256,), "spine": (256,)} mean profiles down the thorax, 90 mm beside the axis and along it.
    """

    regions: dict[str, float]
    thorax: Image
    contrast: float
    noise: float
    spectrum: NDArray[np.float64]
    profiles: dict[str, NDArray[np.float64]]


def scan_statistics(counts: Image, spacing: float, total: float | None = None) -> ScanStatistics:
    """Measure one anterior scan.

    Args:
        counts: (rows, columns).
        spacing: pixel edge, mm.
        total: total counts to which the scan is scaled; None for its own.

    Raises:
        UserError: shoulders were not found.
    """
    body = find_body(counts, spacing)
    shoulder = find_shoulders(body, spacing)[1] if body is not None else None
    if body is None or shoulder is None:
        raise UserError(
            "The scan's shoulders were not found, so its regions cannot be placed; choose another scan.", "scan"
        )
    scale = (REFERENCE_SPACING_MM / spacing) ** 2 * (total / float(counts.sum()) if total else 1.0)
    crop = crop_thorax(counts, spacing, round(THORAX_MM / spacing))
    raw = cut(counts, crop.rows, crop.columns)
    inside = raw[body_mask(raw)]
    regions = {
        name: scale * float(np.percentile(_region(counts, shoulder, body.axis, spacing, columns, rows), percentile))
        for name, (percentile, columns, rows) in REGIONS.items()
    }
    thorax = (raw * scale).astype(np.float32)
    axis = (body.axis - crop.columns[0] + 0.5) * spacing
    profiles = {"ribs": _profile(thorax, spacing, axis - 90, 7), "spine": _profile(thorax, spacing, axis, 9)}
    contrast = float(np.percentile(inside, 99) / np.percentile(inside, 50))
    return ScanStatistics(regions, thorax, contrast, neighbour_noise(raw), _spectrum(thorax, spacing), profiles)


def best_match(real: ScanStatistics, simulated: Sequence[ScanStatistics]) -> int:
    """Return the index of the simulated patient closest to the real scan over all regions (least squares of logs)."""
    names = list(real.regions)
    levels = np.array([[figures.regions[name] for name in names] for figures in simulated])
    wanted = np.array([real.regions[name] for name in names])
    return int(np.argmin((np.log(np.maximum(levels, 1e-6) / wanted) ** 2).sum(1)))


def match_line(rows: Sequence[dict[str, Any]]) -> str:
    """Return one line: whether the best match is within MATCH_FACTOR in every region."""
    ratios = [row["best match / real"] for row in rows if row["figure"].endswith(REGION_UNIT)]
    within = sum(1 / MATCH_FACTOR <= ratio <= MATCH_FACTOR for ratio in ratios)
    answer = "yes" if within == len(ratios) else "no"
    return f"best match within factor {MATCH_FACTOR}: {answer} ({within} of {len(ratios)} regions)"


def compare_scan(real: ScanStatistics, simulated: Sequence[ScanStatistics]) -> list[dict[str, Any]]:
    """Return one row per statistic: real value, simulated median and 5-95 % range, coverage, ratio of the best match.

    The ratio is that of the patient that `best_match` finds.
    """
    best = best_match(real, simulated)
    columns = [
        (f"{name} {REGION_UNIT}", value, np.array([figures.regions[name] for figures in simulated]))
        for name, value in real.regions.items()
    ]
    columns.append(("thorax p99 / p50", real.contrast, np.array([figures.contrast for figures in simulated])))
    columns.append(("noise variance / mean", real.noise, np.array([figures.noise for figures in simulated])))
    rows = []
    for name, value, population in columns:
        low, middle, high = np.percentile(population, (5, 50, 95))
        rows.append(
            {
                "figure": name,
                "real": round(float(value), 2),
                "simulated median": round(float(middle), 2),
                "5 %": round(float(low), 2),
                "95 %": round(float(high), 2),
                "covered": bool(low <= value <= high),
                "best match / real": round(float(population[best] / value), 2),
            }
        )
    return rows


def plot_calibration(real: ScanStatistics, simulated: Sequence[ScanStatistics], path: Path) -> None:
    """Plot thoraxes, histogram, spectrum and profiles of the real and the simulated scans as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, 4)
    window = float(np.percentile(real.thorax, 99.5))
    for axes, image, title in zip(
        grid[0],
        [real.thorax, *(item.thorax for item in simulated[:3])],
        ["real scan (n = 1)"] + ["simulated"] * 3,
        strict=False,
    ):
        axes.imshow(image, cmap="gray_r", vmin=0, vmax=window)
        axes.set_title(title)
        axes.set_axis_off()
    bins = np.linspace(0, window * 1.3, 60)
    middles = (bins[1:] + bins[:-1]) / 2
    densities = np.array([np.histogram(item.thorax, bins, density=True)[0] for item in simulated])
    _band(
        grid[1, 0], middles, densities, np.histogram(real.thorax, bins, density=True)[0], "counts per pixel", "density"
    )
    grid[1, 0].set_yscale("log")
    frequency = (np.arange(BINS) + 0.5) / BINS * HIGHEST_PER_MM * 10
    spectra = np.array([item.spectrum for item in simulated])
    _band(grid[1, 1], frequency, spectra, real.spectrum, "cycles per cm", "power")
    grid[1, 1].set_yscale("log")
    for axes, name in ((grid[1, 2], "ribs"), (grid[1, 3], "spine")):
        lines = np.array([item.profiles[name] for item in simulated])
        _band(
            axes,
            np.arange(THORAX_SIZE) * REFERENCE_SPACING_MM,
            lines,
            real.profiles[name],
            f"mm down the thorax, through the {name}",
            "counts",
        )
    figure.savefig(path, dpi=90)


def _region(
    counts: Image, shoulder: int, axis: float, spacing: float, columns: tuple[float, float], rows: tuple[float, float]
) -> Image:
    first, end = (int(np.clip(shoulder + edge / spacing, 0, counts.shape[0])) for edge in rows)
    distance = np.abs(np.arange(counts.shape[1]) - axis) * spacing
    return counts[first : max(end, first + 1), (distance >= columns[0]) & (distance <= columns[1])]


def neighbour_noise(image: Image) -> float:
    """Return the variance / mean of neighbouring pixels in flat parts; 1 for Poisson noise."""
    from scipy import ndimage

    mean = ndimage.gaussian_filter(image, 4)
    flat = mean > 0.3 * np.percentile(mean, 90)
    return noise_variance(image, flat) / float(image[:, 1:-1][flat[:, 1:-1]].mean())


def _spectrum(image: Image, spacing: float) -> NDArray[np.float64]:
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    power = np.abs(np.fft.fft2((image - image.mean()) * window)) ** 2 / image.size
    frequencies = (np.fft.fftfreq(size, spacing) for size in image.shape)
    radius = np.hypot(*np.meshgrid(*frequencies, indexing="ij"))
    bins = np.minimum((radius / HIGHEST_PER_MM * BINS).astype(int), BINS).ravel()
    amounts = np.bincount(bins, minlength=BINS + 1)[:BINS]
    sums = np.bincount(bins, power.ravel(), BINS + 1)[:BINS]
    resolved = (np.arange(BINS) + 1) / BINS * HIGHEST_PER_MM <= 0.5 / spacing + 1e-9
    return np.where(resolved & (amounts > 0), sums / np.maximum(amounts, 1), np.nan)


def _profile(thorax: Image, spacing: float, position: float, width: int) -> NDArray[np.float64]:
    """Return the mean of a column band at every reference row.

    Args:
        thorax: (rows, columns).
        spacing: pixel edge, mm.
        position: centre of the band, mm from the left.
        width: of the band, reference pixels.
    """
    first, end = (round((position + side * width * REFERENCE_SPACING_MM / 2) / spacing) for side in (-1, 1))
    first = int(np.clip(first, 0, thorax.shape[1] - 1))
    band = thorax[:, first : max(end, first + 1)].mean(1)
    rows = (np.arange(THORAX_SIZE) + 0.5) * REFERENCE_SPACING_MM
    return np.asarray(np.interp(rows, (np.arange(len(band)) + 0.5) * spacing, band))


def _band(axes: Any, x: NDArray[Any], population: NDArray[Any], real: NDArray[Any], xlabel: str, ylabel: str) -> None:
    # Scans have no values beyond the resolution of their pixels.
    known = np.isfinite(population).any(0)
    x, population, real = x[known], population[:, known], real[known]
    low, middle, high = np.nanpercentile(population, (5, 50, 95), axis=0)
    axes.fill_between(x, low, high, color="tab:blue", alpha=0.2, linewidth=0, label="simulated, 5-95 %")
    axes.plot(x, middle, color="tab:blue", label="simulated, median")
    axes.plot(x, real, color="black", linewidth=1, label="real, n = 1")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(frameon=False)
