"""The cameras of a hospital: matrices, counts, resolution, processing and archive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Counts of the anterior view: limits, and sigma of the logarithm.
COUNTS, COUNTS_SIGMA = (0.7e6, 4.0e6), 0.29
#: Highest count in an 8-bit archive.
CEILING = 255
#: Possible numbers of rows; the smallest that covers MINIMUM_LENGTH_MM is used.
ROWS, MINIMUM_LENGTH_MM = (1024, 768, 512), 2150.0


@dataclass(frozen=True)
class CameraProfile:
    """How a hospital acquires and stores its scans; ranges are lower and upper limit.

    Attributes:
        matrices: pixel edge (mm), number of columns and share of the scans.
        counts: median of the anterior view.
        posterior_gain: mean and sigma of the sensitivity of the posterior detector, which is behind the table, relative
            to the anterior one.
        single_head: share of scans with one detector.
        intrinsic: range of the extra blur, FWHM mm.
        scatter: range of scattered / primary counts.
        smoothed: share of scans that a vendor's filter smoothed.
        enhanced: share of scans that a vendor's filter sharpened.
        clipped: share of scans, captures excluded, whose counts are clipped at CEILING.
    """

    matrices: tuple[tuple[float, int, float], ...]
    counts: float
    posterior_gain: tuple[float, float] = (0.79, 0.05)
    single_head: float = 0.3
    intrinsic: tuple[float, float] = (1.0, 3.5)
    scatter: tuple[float, float] = (0.3, 0.6)
    smoothed: float = 0.015
    enhanced: float = 0.008
    clipped: float = 0.28


#: A mixture of hospitals: pixels of 1.8-4.8 mm, many of 2.8 mm.
USUAL = CameraProfile(
    (
        *((1.8, 512, 0.05), (2.0, 512, 0.05), (2.0, 256, 0.03), (2.16, 256, 0.06), (2.21, 256, 0.08)),
        *((2.26, 256, 0.2), (2.4, 256, 0.09), (2.46, 256, 0.06), (2.8, 256, 0.27), (3.3, 256, 0.04)),
        *((3.9, 256, 0.03), (4.8, 256, 0.04)),
    ),
    1.45e6,
)
#: Another hospital: fewer counts, cameras of lower resolution, more scatter, filtered scans, no 8-bit archive.
SITE_B = CameraProfile(
    ((2.21, 256, 0.6), (3.9, 256, 0.4)),
    1.0e6,
    posterior_gain=(0.9, 0.04),
    single_head=0.7,
    intrinsic=(4.5, 6.5),
    scatter=(0.5, 0.75),
    smoothed=0.35,
    enhanced=0.1,
    clipped=0.0,
)


def draw_matrix(
    rng: np.random.Generator, profile: CameraProfile, shape: tuple[int, int] | None, spacing: float | None
) -> tuple[tuple[int, int], float]:
    """Draw rows and columns, and the pixel edge (mm); a given `shape` or `spacing` is kept."""
    sizes, columns, share = np.array(profile.matrices).T
    number = int(rng.choice(len(sizes), p=share / share.sum()))
    pixel = float(sizes[number]) if spacing is None else spacing
    if shape is not None:
        return shape, pixel
    rows = min((count for count in ROWS if count * pixel >= MINIMUM_LENGTH_MM), default=ROWS[0])
    return (rows, int(columns[number])), pixel
