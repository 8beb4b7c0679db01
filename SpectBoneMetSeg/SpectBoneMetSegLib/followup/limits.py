"""From which change on a lesion has changed: what two scans of an unchanged patient differ by.

The number is that of simulated patients who were laid down anew and scanned again without any change, read end to end
by the shipped model (`python Testing/benchmarks/follow_up.py --pairs 0 --repeats 4` prints it): the standard deviation
of the logarithm of the ratio of a lesion's areas. A change counts as one where it is larger than 95 % of such changes.
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
        log_area_sd: of ln(second / first area) of a lesion.
        source: what was measured.
    """

    log_area_sd: float
    source: str

    @property
    def area_factor(self) -> float:
        """A lesion this much larger than before has grown."""
        return math.exp(NINETY_FIVE * self.log_area_sd)


REPEATABILITY = Limits(
    0.17, "Measured end to end on few simulated patients who were scanned twice; in patients it may be more."
)
