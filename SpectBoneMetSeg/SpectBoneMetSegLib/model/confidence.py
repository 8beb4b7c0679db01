"""Calibrated confidence that an area is abnormal uptake, or that a scan shows any: logistic models in a model's card.

Source: logistic recalibration (Platt 1999). `lesions.confidence` computes their features,
`training.outcome.calibration` fits them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AREA_FEATURES", "SCAN_FEATURES", "Confidence"]

#: Features of an area and of a scan, in the order of the weights.
AREA_FEATURES = ("max_probability", "mean_probability", "area", "contrast", "both_views", "others")
SCAN_FEATURES = ("max_probability", "areas")


@dataclass(frozen=True)
class Confidence:
    """Logistic models of the confidence of areas and scans.

    Attributes:
        area: intercept, then the weights of AREA_FEATURES.
        scan: intercept, then the weights of SCAN_FEATURES; None if the share of abnormal scans was unknown.
    """

    area: tuple[float, ...]
    scan: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for weights, names in ((self.area, AREA_FEATURES), (self.scan, SCAN_FEATURES)):
            if weights is None:
                continue
            if len(weights) != 1 + len(names) or not all(map(math.isfinite, weights)):
                raise ValueError(f"a confidence needs an intercept and {len(names)} weights, not {weights}")

    def of_area(self, features: Sequence[float]) -> float:
        """Return the probability 0..1 that an area is abnormal uptake; `features` in the order of AREA_FEATURES."""
        return _logistic(self.area, features)

    def of_scan(self, features: Sequence[float]) -> float | None:
        """Return the probability 0..1 that a scan shows abnormal uptake, from SCAN_FEATURES; None if not calibrated."""
        return None if self.scan is None else _logistic(self.scan, features)

    def to_dict(self) -> dict[str, dict[str, float] | None]:
        """Return plain JSON values: weights by name."""
        return {
            "area": dict(zip(("intercept", *AREA_FEATURES), self.area, strict=True)),
            "scan": dict(zip(("intercept", *SCAN_FEATURES), self.scan, strict=True)) if self.scan else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Confidence:
        """Make a Confidence of the values of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: the values are not those of a Confidence.
        """
        area, scan = values["area"], values.get("scan")
        return cls(
            # Older models have fewer features; the missing weights are 0.
            (float(area["intercept"]), *(float(area.get(name, 0.0)) for name in AREA_FEATURES)),
            tuple(float(scan[name]) for name in ("intercept", *SCAN_FEATURES)) if scan else None,
        )


def _logistic(weights: Sequence[float], features: Sequence[float]) -> float:
    value = weights[0] + sum(weight * feature for weight, feature in zip(weights[1:], features, strict=True))
    return 1 / (1 + math.exp(-min(max(value, -30.0), 30.0)))
