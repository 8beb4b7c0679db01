"""Agreement of two methods of measurement: correlation, slope, coefficient of variation, Bland-Altman limits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Agreement", "agreement", "difference_sd", "log_ratio_sd", "plot_agreement"]


@dataclass(frozen=True)
class Agreement:
    """Agreement of measured with known values.

    Attributes:
        count: number of pairs.
        r: Pearson's correlation coefficient.
        slope: slope of the regression line of measured on known values.
        intercept: intercept of the same line.
        cv_percent: standard deviation of (measured - known) / mean of both, in per cent.
        bias: mean of (measured - known).
        low: lower limit of agreement, bias - 1.96 standard deviations.
        high: upper limit of agreement, bias + 1.96 standard deviations.
    """

    count: int
    r: float
    slope: float
    intercept: float
    cv_percent: float
    bias: float
    low: float
    high: float

    def __str__(self) -> str:
        """Format as one line."""
        return (
            f"n = {self.count}, r = {self.r:.3f}, slope {self.slope:.3f}, intercept {self.intercept:.2f}, CV "
            f"{self.cv_percent:.0f} %, bias {self.bias:+.2f} ({self.low:+.2f} to {self.high:+.2f})"
        )


def agreement(known: Sequence[float], measured: Sequence[float]) -> Agreement:
    """Compute the agreement of at least three pairs of values.

    Raises:
        ValueError: fewer than three pairs, or equal known values.
    """
    one, two = np.asarray(known, float), np.asarray(measured, float)
    if len(one) != len(two) or len(one) < 3 or one.std() == 0:
        raise ValueError("agreement needs three pairs or more of values that differ")
    slope, intercept = np.polyfit(one, two, 1)
    difference = two - one
    middle = np.maximum((one + two) / 2, 1e-9)
    half_width = 1.96 * float(difference.std(ddof=1))
    bias = float(difference.mean())
    r = float(np.corrcoef(one, two)[0, 1]) if two.std() > 0 else math.nan
    cv = 100 * float((difference / middle).std(ddof=1))
    return Agreement(len(one), r, float(slope), float(intercept), cv, bias, bias - half_width, bias + half_width)


def difference_sd(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the standard deviation of second - first over pairs."""
    return float((np.asarray(second, float) - np.asarray(first, float)).std(ddof=1))


def log_ratio_sd(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the standard deviation of ln(second / first) over pairs."""
    return float(np.log(np.asarray(second, float) / np.asarray(first, float)).std(ddof=1))


def plot_agreement(known: Sequence[float], measured: Sequence[float], title: str, path: Path) -> None:
    """Plot measured over known values next to a Bland-Altman plot, as PNG."""
    import matplotlib.pyplot as plt

    result = agreement(known, measured)
    one, two = np.asarray(known, float), np.asarray(measured, float)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    top = 1.08 * float(max(one.max(), two.max()))
    left.plot([0, top], [0, top], color="0.7", linewidth=1)
    left.plot([0, top], [result.intercept, result.intercept + result.slope * top], color="tab:blue", linewidth=1)
    left.scatter(one, two, s=18, color="tab:blue")
    left.set(xlabel="known index (%)", ylabel="planar bone scan index (%)", xlim=(0, top), ylim=(0, top))
    left.set_title(f"r = {result.r:.3f}, slope {result.slope:.2f}, CV {result.cv_percent:.0f} %", fontsize=10)
    right.scatter((one + two) / 2, two - one, s=18, color="tab:blue")
    for level, style in ((result.bias, "-"), (result.low, "--"), (result.high, "--")):
        right.axhline(level, color="0.4", linewidth=1, linestyle=style)
        annotation = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        right.annotate(f"{level:+.2f}", (1.0, level), fontsize=8, **annotation)
    right.set(xlabel="mean of known and measured (%)", ylabel="measured - known (%)")
    right.set_title("Bland-Altman: mean and 95 % limits", fontsize=10)
    figure.suptitle(f"{title} (simulated patients)")
    figure.savefig(path, dpi=110)
    plt.close(figure)
