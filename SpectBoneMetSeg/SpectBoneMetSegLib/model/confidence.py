"""How likely an area is abnormal uptake, and how likely a scan shows any: logistic models in a model's card.

Source: logistic recalibration, Platt 1999. `lesions.confidence` says what they are shown,
`training.outcome.calibration` how they are fitted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AREA_FEATURES", "SCAN_FEATURES", "Confidence"]

#: What is known of an area and of a scan, by name, in the order of the weights.
AREA_FEATURES = ("max_probability", "mean_probability", "area", "contrast", "both_views", "others")
SCAN_FEATURES = ("max_probability", "areas")


@dataclass(frozen=True)
class Confidence:
    """Logistic models.

    Attributes:
        area: intercept, then the weights of AREA_FEATURES.
        scan: the same of SCAN_FEATURES; None where nobody could say how many scans show any.
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
        """Probability 0..1 that an area is abnormal uptake; `features` in the order of AREA_FEATURES."""
        return _logistic(self.area, features)

    def of_scan(self, features: Sequence[float]) -> float | None:
        """Probability 0..1 that a scan shows abnormal uptake; `features` in the order of SCAN_FEATURES."""
        return None if self.scan is None else _logistic(self.scan, features)

    def to_dict(self) -> dict[str, dict[str, float] | None]:
        """As plain JSON values: weights by name."""
        return {
            "area": dict(zip(("intercept", *AREA_FEATURES), self.area, strict=True)),
            "scan": dict(zip(("intercept", *SCAN_FEATURES), self.scan, strict=True)) if self.scan else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Confidence:
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: what is written there is no confidence of this program.
        """
        area, scan = values["area"], values.get("scan")
        return cls(
            # A model of a time when less was asked says nothing of the rest.
            (float(area["intercept"]), *(float(area.get(name, 0.0)) for name in AREA_FEATURES)),
            tuple(float(scan[name]) for name in ("intercept", *SCAN_FEATURES)) if scan else None,
        )


def _logistic(weights: Sequence[float], features: Sequence[float]) -> float:
    value = weights[0] + sum(weight * feature for weight, feature in zip(weights[1:], features, strict=True))
    return 1 / (1 + math.exp(-min(max(value, -30.0), 30.0)))
