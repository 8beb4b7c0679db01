"""Detect out-of-distribution scans: features of a scan's appearance, compared with those of the training set.

A network predicts on any input. A warning is added to the reading of a scan unlike the training set (far fewer counts,
smoothed, sharpened, another contrast curve, another body size): features outside the range of the training set, or an
unusual combination of them (Mahalanobis distance of their logarithms). The model's card holds the statistics of the
training set under `appearance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scan.bodies import find_bodies
from ..scan.planar import ViewName
from .config import BODY_LEVEL
from .inputs import body_mask, smoothed

__all__ = ["APPEARANCE", "AppearanceProfile", "appearance_profile", "appearance_warnings", "measure_appearance"]

#: Features of a view, with their description in messages.
APPEARANCE = {
    "level": "counts per pixel of the body",
    "noise": "noise relative to Poisson noise",
    "detail": "sharpness",
    "contrast": "ratio of brightest to median bone",
    "tissue": "ratio of soft tissue to bone",
    "air": "ratio of air to bone",
    "width_cm": "width of the body in cm",
    "length_cm": "length of the body in cm",
    "saturation": "share of pixels at the highest count",
}
#: Margin at either end of a range, as a share of it on a logarithmic scale, and its least value.
MARGIN, LEAST_MARGIN = 0.1, 0.05
#: Lower limit of all features but saturation: smaller values do not differ in meaning.
FLOOR = 1e-3
#: Fewest views for a covariance.
LEAST_VIEWS = 50
#: Quantile of the training set's Mahalanobis distances that is the limit; regularisation added to every variance.
WITHIN, LEAST_VARIANCE = 0.995, 1e-4
#: Pixels from this share of the highest count are saturated.
AT_THE_TOP = 0.98


@dataclass(frozen=True)
class AppearanceProfile:
    """Statistics of the appearance of a training set; without ranges it is unknown.

    Attributes:
        ranges: {name of APPEARANCE: (lowest, highest)}, with a margin.
        mean: (n,) mean of the logarithms in the order of APPEARANCE; empty for too few views.
        covariance: (n, n) covariance of the logarithms.
        views: number of views.
        limit: highest Mahalanobis distance that counts as usual.
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    views: int = 0
    limit: float = inf

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; {} if unknown."""
        if not self.ranges:
            return {}
        return asdict(self) if self.mean else {"ranges": dict(self.ranges)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AppearanceProfile:
        """Make a profile of the values of `to_dict`; older cards hold the ranges alone, without "ranges".

        Raises:
            KeyError, TypeError, ValueError: the values are not those of a profile.
        """
        stored = values.get("ranges", values)
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in stored.items()}
        if "mean" not in values:
            return cls(ranges)
        mean = tuple(float(value) for value in values["mean"])
        covariance = tuple(tuple(float(value) for value in row) for row in values["covariance"])
        if len(mean) != len(APPEARANCE) or any(len(row) != len(mean) for row in (covariance, *covariance)):
            raise ValueError(f"appearance needs {len(APPEARANCE)} means and as many rows and columns of covariance")
        return cls(ranges, mean, covariance, int(values["views"]), float(values["limit"]))

    def distance_terms(self, found: Mapping[str, float]) -> NDArray[np.float64]:
        """Return (n,) the contribution of each feature to the squared Mahalanobis distance; empty if unknown."""
        if not self.mean:
            return np.zeros(0)
        delta = _logarithms(found) - np.array(self.mean)
        return np.asarray(delta * np.linalg.solve(np.array(self.covariance), delta))

    def merged_with(self, other: AppearanceProfile) -> AppearanceProfile:
        """Return a profile that covers both; unknown where this one is unknown."""
        ranges = {
            name: (min(low, other.ranges.get(name, (low, high))[0]), max(high, other.ranges.get(name, (low, high))[1]))
            for name, (low, high) in self.ranges.items()
        }
        if not self.mean or not other.mean:
            # The statistics of the older training set are unknown, and those of the new scans cannot replace them.
            return AppearanceProfile(ranges, self.mean, self.covariance, self.views, self.limit)
        views = self.views + other.views
        share = other.views / views
        difference = np.array(other.mean) - np.array(self.mean)
        mean = np.array(self.mean) + share * difference
        pooled = (1 - share) * np.array(self.covariance) + share * np.array(other.covariance)
        pooled = pooled + share * (1 - share) * np.outer(difference, difference)
        return AppearanceProfile(ranges, _plain(mean), tuple(map(_plain, pooled)), views, max(self.limit, other.limit))


def measure_appearance(
    counts: NDArray[np.float32], spacing: float, smooth: NDArray[np.float32] | None = None
) -> dict[str, float]:
    """Measure the features of APPEARANCE of a whole-body view; empty for one without a body.

    Args:
        counts: (rows, columns) counts.
        spacing: pixel edge in mm, about the same in both directions.
        smooth: `inputs.smoothed` counts; None computes them.
    """
    from scipy.ndimage import gaussian_filter

    image = np.maximum(np.asarray(counts, np.float32), 0)
    if smooth is None:
        smooth = smoothed(image)
    body = body_mask(smooth)
    extents = find_bodies(image)
    if not body.any() or not extents:
        return {}
    tissue, middle, upper, top = np.percentile(smooth[body], (10, 50, 75, 99))
    level = max(float(upper), 1e-6)
    bone = body & (smooth > middle)
    if not bone[:, 1:-1].any():
        # A constant image, which is read only with the option read_anyway.
        return {}
    noise = noise_variance(image, bone) / max(float(image[bone].mean()), 1e-6)
    fine = gaussian_filter(image, 1.5) - smooth
    # Poisson noise of a difference of two Gaussians is subtracted, so that short scans do not appear sharp.
    poisson = float(image[bone].mean()) * _noise_share(1.5, BODY_LEVEL.smoothing_pixels)
    detail = max(float((fine[bone] ** 2).mean()) - poisson, 0.0) ** 0.5 / level
    rows = max(one.rows[1] for one in extents) - min(one.rows[0] for one in extents)
    columns = max(one.columns[1] for one in extents) - min(one.columns[0] for one in extents)
    values = {
        "level": level,
        "noise": noise,
        "detail": detail,
        "contrast": float(top / max(middle, 1e-6)),
        "tissue": float(tissue / level),
        "air": float(np.median(smooth[~body])) / level if not body.all() else 0.0,
        "width_cm": columns * spacing / 10,
        "length_cm": rows * spacing / 10,
    }
    at_the_top = int((image >= AT_THE_TOP * image.max()).sum())
    return {**{name: max(value, FLOOR) for name, value in values.items()}, "saturation": at_the_top / int(body.sum())}


def appearance_profile(scans: Iterable[Mapping[str, float]]) -> AppearanceProfile:
    """Return the profile of a training set from the features of its views; unknown without any view."""
    rows = [scan for scan in scans if scan]
    if not rows:
        return AppearanceProfile()
    values = np.array([_logarithms(scan) for scan in rows])
    margin = np.maximum(MARGIN * (values.max(0) - values.min(0)), LEAST_MARGIN)
    lowest, highest = np.exp(values.min(0) - margin), np.exp(values.max(0) + margin)
    ranges = {name: (float(lowest[i]), float(highest[i])) for i, name in enumerate(APPEARANCE)}
    if len(rows) < LEAST_VIEWS:
        return AppearanceProfile(ranges)
    covariance = np.cov(values.T) + LEAST_VARIANCE * np.eye(len(APPEARANCE))
    profile = AppearanceProfile(ranges, _plain(values.mean(0)), tuple(map(_plain, covariance)), len(rows))
    distances = [float(np.sqrt(profile.distance_terms(scan).sum())) for scan in rows]
    return replace(profile, limit=float(np.quantile(distances, WITHIN)))


def appearance_warnings(
    views: Mapping[ViewName, NDArray[np.float32]],
    spacing: float,
    profile: AppearanceProfile,
    case: str,
    smooth: Mapping[str, NDArray[np.float32]] | None = None,
) -> list[str]:
    """Return a warning for every view unlike the training set.

    Args:
        views: {view: (rows, columns) counts of the whole field}.
        spacing: pixel edge in mm.
        profile: of the model's card; no warnings if it is unknown.
        case: name for messages.
        smooth: {view: `inputs.smoothed` counts} of views that are known already.
    """
    messages = []
    for name, counts in views.items() if profile.ranges else ():
        found = measure_appearance(counts, spacing, (smooth or {}).get(name))
        unusual = _unusual(found, profile) if found else ""
        if unusual:
            messages.append(
                f"The {name} view of {case} is unlike the scans that the model was trained on: {unusual}; "
                "its areas are less certain than they seem."
            )
    return messages


def _unusual(found: Mapping[str, float], profile: AppearanceProfile) -> str:
    """Describe what is unusual about a view; "" if nothing is."""
    outside = [
        f"{APPEARANCE[name]} {_number(found[name])} (training: {_number(low)} to {_number(high)})"
        for name, (low, high) in profile.ranges.items()
        if name in found and not low <= found[name] <= high
    ]
    if outside:
        return ", ".join(outside)
    terms = profile.distance_terms(found)
    if np.sqrt(max(float(terms.sum()), 0.0)) <= profile.limit:
        return ""
    names = list(APPEARANCE)
    first, second = (names[index] for index in np.argsort(-terms)[:2])
    return (
        f"{APPEARANCE[first]} {_number(found[first])} is an unusual combination with {APPEARANCE[second]} "
        f"{_number(found[second])} and its other features"
    )


def _logarithms(found: Mapping[str, float]) -> NDArray[np.float64]:
    return np.log([found[name] for name in APPEARANCE])


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def noise_variance(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Estimate the variance of a pixel's noise inside a mask, from second differences along the rows.

    Second differences remove slopes; the variance of a - 2 b + c is six times that of a pixel.

    Args:
        image: (rows, columns) counts.
        where: (rows, columns) mask of pixels where the image changes slowly; outer columns are ignored.
    """
    second = image[:, 2:] - 2 * image[:, 1:-1] + image[:, :-2]
    return float((second[where[:, 1:-1]] ** 2).mean()) / 6


def _noise_share(narrow: float, wide: float) -> float:
    """Return the variance of the difference of two Gaussian filters of white noise of variance 1."""
    together = narrow**2 + wide**2
    return (1 / (4 * narrow**2) + 1 / (4 * wide**2) - 1 / together) / np.pi


def _number(value: float) -> str:
    return f"{value:.3g}"
