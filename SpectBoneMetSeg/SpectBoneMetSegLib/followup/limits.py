"""From which change on a lesion has changed: what repeated scans of an unchanged patient differ by.

The numbers are those of simulated patients who were laid down anew and scanned again without any change, and their true
outlines (`Testing/benchmarks/repeatability.py` prints them): the standard deviation of the difference of the logarithms
of a lesion's area and of its uptake. A change counts as one where it is larger than what 95 % of such differences are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["REPEATABILITY", "Limits"]

#: Of a normal distribution: 95 % lie within so many standard deviations.
NINETY_FIVE = 1.96


@dataclass(frozen=True)
class Limits:
    """What repeats differ by.

    Attributes:
        log_area_sd, log_uptake_sd: of ln(second / first) of a lesion. index_sd: of the bone scan index, per cent.
        source: what was measured.
    """

    log_area_sd: float
    log_uptake_sd: float
    index_sd: float
    source: str

    @property
    def area_factor(self) -> float:
        """A lesion this much larger than before has grown."""
        return math.exp(NINETY_FIVE * self.log_area_sd)

    @property
    def uptake_factor(self) -> float:
        """A lesion that takes up this much more than before takes up more."""
        return math.exp(NINETY_FIVE * self.log_uptake_sd)


REPEATABILITY = Limits(0.25, 0.35, 0.15, "Provisional, from simulated patients.")
