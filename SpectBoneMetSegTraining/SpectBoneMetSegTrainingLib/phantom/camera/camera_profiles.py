"""What distinguishes one hospital's cameras from another's: matrices, counts, sharpness, processing, archives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Counts of the anterior view: limits, sigma of the logarithm.
COUNTS, COUNTS_SIGMA = (0.7e6, 4.0e6), 0.29
#: Highest count that an archive of 8 bits keeps.
CEILING = 255
#: Rows of a field: as many as a tall patient needs at the pixel size.
ROWS, MINIMUM_LENGTH_MM = (1024, 768, 512), 2150.0


@dataclass(frozen=True)
class CameraProfile:
    """How a hospital acquires and keeps its scans.

    Attributes:
        matrices: pixel edge (mm), columns and how often.
        counts: median of the anterior view.
        posterior_gain: mean and sigma of the posterior detector's sensitivity relative to the anterior one: it looks
            through the table.
        single_head: share of scans with one detector.
        intrinsic: extra blur, FWHM mm.
        scatter: over primary counts.
        smoothed: share of scans that a vendor's filter smoothed.
        enhanced: share that one sharpened.
        clipped: share of scans that are no captures whose counts end at CEILING.
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


#: Many hospitals: pixels of 1.8-4.8 mm, a good share of 2.8 mm.
USUAL = CameraProfile(
    (
        *((1.8, 512, 0.05), (2.0, 512, 0.05), (2.0, 256, 0.03), (2.16, 256, 0.06), (2.21, 256, 0.08)),
        *((2.26, 256, 0.2), (2.4, 256, 0.09), (2.46, 256, 0.06), (2.8, 256, 0.27), (3.3, 256, 0.04)),
        *((3.9, 256, 0.03), (4.8, 256, 0.04)),
    ),
    1.45e6,
)
#: Another hospital: few counts, old and less sharp cameras, more scatter, filtered scans, no 8-bit archive.
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
    """Rows, columns and pixel edge; what is given stays."""
    sizes, columns, share = np.array(profile.matrices).T
    number = int(rng.choice(len(sizes), p=share / share.sum()))
    pixel = float(sizes[number]) if spacing is None else spacing
    if shape is not None:
        return shape, pixel
    rows = min((count for count in ROWS if count * pixel >= MINIMUM_LENGTH_MM), default=ROWS[0])
    return (rows, int(columns[number])), pixel
