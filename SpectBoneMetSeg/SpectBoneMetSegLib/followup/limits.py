"""Repeatability: by how much the area of an unchanged lesion differs between two scans.

The number was measured on simulated patients who were repositioned and scanned again without any change, read end to
end by the shipped model (`python Testing/benchmarks/follow_up.py --pairs 0 --repeats 4` prints it): the standard
deviation of the logarithm of the ratio of a lesion's areas. A lesion has changed if its area changed by more than 95 %
of such repeats do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["REPEATABILITY", "Repeatability"]

#: 95 % of a normal distribution lie within this number of standard deviations of the mean.
NINETY_FIVE = 1.96


@dataclass(frozen=True)
class Repeatability:
    """Repeatability of a lesion's area.

    Attributes:
        log_area_sd: standard deviation of ln(second / first area) of an unchanged lesion.
        source: how it was measured, one sentence.
    """

    log_area_sd: float
    source: str

    @property
    def area_factor(self) -> float:
        """Ratio of areas, later to earlier, from which a lesion counts as grown; below its inverse it is smaller."""
        return math.exp(NINETY_FIVE * self.log_area_sd)


REPEATABILITY = Repeatability(
    0.17, "Measured end to end on few simulated patients who were scanned twice; in real patients it may be larger."
)
