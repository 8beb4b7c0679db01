"""How a scan looks, in a few numbers, and whether a model has learnt from scans that look like it.

A network answers whatever it is shown. What no scan of its training looked like (far fewer counts, smoothed, sharpened,
another contrast curve, a body of another size) is told with the reading: figures outside the range of the patients that
the model was taught on, or usual ones that never came together (Mahalanobis distance of their logarithms). What was
learnt from stands in the model's card under `appearance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..scan.bodies import find_bodies
from ..scan.planar import ViewName
from .config import BODY_LEVEL
from .inputs import body_mask

__all__ = ["APPEARANCE", "AppearanceProfile", "appearance_profile", "appearance_warnings", "measure_appearance"]

#: What is measured of a view, in words for a sentence.
APPEARANCE = {
    "level": "counts per pixel of the body",
    "noise": "noise beside that of counting",
    "detail": "sharpness",
    "contrast": "brightest bone by usual bone",
    "tissue": "soft tissue by bone",
    "air": "air by bone",
    "width_cm": "width of the body in cm",
    "length_cm": "length of the body in cm",
    "saturation": "share of pixels at the highest count",
}
#: Added to a range at either end, as a share of it on a logarithmic scale, but never less than a twentieth.
MARGIN, LEAST_ROOM = 0.1, 0.05
#: Below these, differences of soft tissue, air and noise mean nothing.
FLOOR = 1e-3
#: Fewer views than these say nothing of what comes together.
LEAST_TOGETHER = 50
#: So many of the views that were learnt from lie within the limit of the distance; variance that every logarithm has.
WITHIN, LEAST_VARIANCE = 0.995, 1e-4
#: A pixel is at the highest count from this share of it on.
AT_THE_TOP = 0.98


@dataclass(frozen=True)
class AppearanceProfile:
    """What the scans looked like that a model was taught on; without ranges nothing is known.

    Attributes:
        ranges: {name of APPEARANCE: (lowest, highest)}, with some room.
        mean: (n,) of the logarithms in the order of APPEARANCE; empty where too few are known.
        covariance: (n, n) of the same.
        views: how many were measured.
        limit: highest Mahalanobis distance that is nothing unusual.
    """

    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    mean: tuple[float, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    views: int = 0
    limit: float = inf

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; {} where nothing is known."""
        if not self.ranges:
            return {}
        return asdict(self) if self.mean else {"ranges": dict(self.ranges)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AppearanceProfile:
        """The inverse of `to_dict`; ranges alone as cards without "ranges" hold them.

        Raises:
            KeyError, TypeError, ValueError: what is written there are no looks of this program.
        """
        told = values.get("ranges", values)
        ranges = {str(name): (float(low), float(high)) for name, (low, high) in told.items()}
        if "mean" not in values:
            return cls(ranges)
        mean = tuple(float(value) for value in values["mean"])
        covariance = tuple(tuple(float(value) for value in row) for row in values["covariance"])
        if len(mean) != len(APPEARANCE) or any(len(row) != len(mean) for row in (covariance, *covariance)):
            raise ValueError(f"looks need {len(APPEARANCE)} means and as many rows and columns of covariance")
        return cls(ranges, mean, covariance, int(values["views"]), float(values["limit"]))

    def distance_terms(self, found: Mapping[str, float]) -> NDArray[np.float64]:
        """(n,) what each figure adds to the squared Mahalanobis distance of a view; empty where nothing is known."""
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
            # What a model of another time did not know of itself the new scans cannot tell for it.
            return AppearanceProfile(ranges, self.mean, self.covariance, self.views, self.limit)
        views = self.views + other.views
        share = other.views / views
        apart = np.array(other.mean) - np.array(self.mean)
        mean = np.array(self.mean) + share * apart
        spread = (1 - share) * np.array(self.covariance) + share * np.array(other.covariance)
        spread = spread + share * (1 - share) * np.outer(apart, apart)
        return AppearanceProfile(ranges, _plain(mean), tuple(map(_plain, spread)), views, max(self.limit, other.limit))


def measure_appearance(counts: NDArray[np.float32], spacing: float) -> dict[str, float]:
    """APPEARANCE of a whole-body view; empty for one without a body.

    Args:
        counts: (rows, columns).
        spacing: pixel edge in mm, about the same in both directions.
    """
    from scipy.ndimage import gaussian_filter

    image = np.maximum(np.asarray(counts, np.float32), 0)
    smooth = gaussian_filter(image, BODY_LEVEL.smoothing_pixels)
    body = body_mask(smooth)
    extents = find_bodies(image)
    if not body.any() or not extents:
        return {}
    level = max(float(np.percentile(smooth[body], 75)), 1e-6)
    tissue, middle, top = np.percentile(smooth[body], (10, 50, 99))
    bone = body & (smooth > middle)
    if not bone[:, 1:-1].any():
        # Of one value all over, which only somebody who insists has read.
        return {}
    noise = noise_variance(image, bone) / max(float(image[bone].mean()), 1e-6)
    fine = gaussian_filter(image, 1.5) - smooth
    # What counting alone adds to a difference of two Gaussians, so that short scans do not look sharp.
    counted = float(image[bone].mean()) * _noise_share(1.5, BODY_LEVEL.smoothing_pixels)
    detail = max(float((fine[bone] ** 2).mean()) - counted, 0.0) ** 0.5 / level
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
    """The looks of what was learnt from, ranges with MARGIN; of no view none."""
    rows = [scan for scan in scans if scan]
    if not rows:
        return AppearanceProfile()
    values = np.array([_logarithms(scan) for scan in rows])
    room = np.maximum(MARGIN * (values.max(0) - values.min(0)), LEAST_ROOM)
    lowest, highest = np.exp(values.min(0) - room), np.exp(values.max(0) + room)
    ranges = {name: (float(lowest[i]), float(highest[i])) for i, name in enumerate(APPEARANCE)}
    if len(rows) < LEAST_TOGETHER:
        return AppearanceProfile(ranges)
    spread = np.cov(values.T) + LEAST_VARIANCE * np.eye(len(APPEARANCE))
    looks = AppearanceProfile(ranges, _plain(values.mean(0)), tuple(map(_plain, spread)), len(rows))
    distances = [float(np.sqrt(looks.distance_terms(scan).sum())) for scan in rows]
    return AppearanceProfile(ranges, looks.mean, looks.covariance, looks.views, float(np.quantile(distances, WITHIN)))


def appearance_warnings(
    views: Mapping[ViewName, NDArray[np.float32]], spacing: float, looks: AppearanceProfile, case: str
) -> list[str]:
    """A sentence for every view that looks like none that was learnt from.

    Args:
        views: {view: (rows, columns) counts of the whole field}.
        spacing: pixel edge in mm.
        looks: of a model's card; where they know nothing, nothing is said.
        case: name for sentences.
    """
    sentences = []
    for name, counts in views.items() if looks.ranges else ():
        found = measure_appearance(counts, spacing)
        odd = _odd(found, looks) if found else ""
        if odd:
            sentences.append(
                f"The {name} view of {case} looks like no scan that the model learnt from: {odd}; "
                "its areas are less certain than they seem."
            )
    return sentences


def _odd(found: Mapping[str, float], looks: AppearanceProfile) -> str:
    """What is unusual about a view, in words; "" for nothing."""
    outside = [
        f"{APPEARANCE[what]} {_number(found[what])} (learnt: {_number(low)} to {_number(high)})"
        for what, (low, high) in looks.ranges.items()
        if what in found and not low <= found[what] <= high
    ]
    if outside:
        return ", ".join(outside)
    apart = looks.distance_terms(found)
    if np.sqrt(max(float(apart.sum()), 0.0)) <= looks.limit:
        return ""
    names = list(APPEARANCE)
    first, second = (names[place] for place in np.argsort(-apart)[:2])
    return (
        f"{APPEARANCE[first]} {_number(found[first])} did not come together with {APPEARANCE[second]} "
        f"{_number(found[second])} and its other figures"
    )


def _logarithms(found: Mapping[str, float]) -> NDArray[np.float64]:
    return np.log([found[name] for name in APPEARANCE])


def _plain(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def noise_variance(image: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """Variance of a pixel's noise where the image changes slowly, both (rows, columns); its outer columns are left out.

    Second differences along a row take out slopes; the variance of a - 2 b + c is six times that of a pixel.
    """
    second = image[:, 2:] - 2 * image[:, 1:-1] + image[:, :-2]
    return float((second[where[:, 1:-1]] ** 2).mean()) / 6


def _noise_share(narrow: float, wide: float) -> float:
    """Variance of the difference of two Gaussian means of noise of variance 1."""
    together = narrow**2 + wide**2
    return (1 / (4 * narrow**2) + 1 / (4 * wide**2) - 1 / together) / np.pi


def _number(value: float) -> str:
    return f"{value:.3g}"
