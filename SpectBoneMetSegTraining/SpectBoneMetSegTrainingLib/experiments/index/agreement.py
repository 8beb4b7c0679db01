"""How well one way of measuring agrees with another: correlation, slope, coefficient of variation, Bland and Altman."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Agreement", "agreement", "difference_sd", "log_ratio_sd", "plot_agreement"]


@dataclass(frozen=True)
class Agreement:
    """Of measured with known values.

    Attributes:
        r: Pearson's.
        slope: of the straight line through measured over known.
        intercept: of the same line.
        cv_percent: standard deviation of (measured - known) / mean of both, in per cent.
        bias: mean of (measured - known).
        low: mean - 1.96 standard deviations.
        high: mean + 1.96 standard deviations.
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
        """One line."""
        return (
            f"n = {self.count}, r = {self.r:.3f}, slope {self.slope:.3f}, intercept {self.intercept:.2f}, CV "
            f"{self.cv_percent:.0f} %, bias {self.bias:+.2f} ({self.low:+.2f} to {self.high:+.2f})"
        )


def agreement(known: Sequence[float], measured: Sequence[float]) -> Agreement:
    """The agreement of three pairs of values or more.

    Raises:
        ValueError: fewer pairs, or values that do not differ.
    """
    one, two = np.asarray(known, float), np.asarray(measured, float)
    if len(one) != len(two) or len(one) < 3 or one.std() == 0:
        raise ValueError("agreement needs three pairs or more of values that differ")
    slope, intercept = np.polyfit(one, two, 1)
    difference = two - one
    middle = np.maximum((one + two) / 2, 1e-9)
    spread = 1.96 * float(difference.std(ddof=1))
    bias = float(difference.mean())
    r = float(np.corrcoef(one, two)[0, 1]) if two.std() > 0 else math.nan
    cv = 100 * float((difference / middle).std(ddof=1))
    return Agreement(len(one), r, float(slope), float(intercept), cv, bias, bias - spread, bias + spread)


def difference_sd(first: Sequence[float], second: Sequence[float]) -> float:
    """Standard deviation of second - first over pairs."""
    return float((np.asarray(second, float) - np.asarray(first, float)).std(ddof=1))


def log_ratio_sd(first: Sequence[float], second: Sequence[float]) -> float:
    """Standard deviation of ln(second / first) over pairs."""
    return float(np.log(np.asarray(second, float) / np.asarray(first, float)).std(ddof=1))


def plot_agreement(known: Sequence[float], measured: Sequence[float], title: str, path: Path) -> None:
    """Measured over known, and Bland and Altman's plot beside it, as PNG."""
    import matplotlib.pyplot as plt

    found = agreement(known, measured)
    one, two = np.asarray(known, float), np.asarray(measured, float)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.6), layout="constrained")
    top = 1.08 * float(max(one.max(), two.max()))
    left.plot([0, top], [0, top], color="0.7", linewidth=1)
    left.plot([0, top], [found.intercept, found.intercept + found.slope * top], color="tab:blue", linewidth=1)
    left.scatter(one, two, s=18, color="tab:blue")
    left.set(xlabel="known index (%)", ylabel="planar bone scan index (%)", xlim=(0, top), ylim=(0, top))
    left.set_title(f"r = {found.r:.3f}, slope {found.slope:.2f}, CV {found.cv_percent:.0f} %", fontsize=10)
    right.scatter((one + two) / 2, two - one, s=18, color="tab:blue")
    for level, style in ((found.bias, "-"), (found.low, "--"), (found.high, "--")):
        right.axhline(level, color="0.4", linewidth=1, linestyle=style)
        place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
        right.annotate(f"{level:+.2f}", (1.0, level), fontsize=8, **place)
    right.set(xlabel="mean of known and measured (%)", ylabel="measured - known (%)")
    right.set_title("Bland-Altman: mean and 95 % limits", fontsize=10)
    figure.suptitle(f"{title} (simulated patients)")
    figure.savefig(path, dpi=110)
    plt.close(figure)
