"""The exact truth of simulated data: per view and per lesion an outline of its noise-free projection.

Convention (ours): the outline lies at 40 % of the lesion's own noise-free maximum in that view (readers vary it from 30
to 50 %); the lesion is visible there when its mean contrast is at least 0.2 and its signal-to-noise at least 4.
Contrast is taken over what the same pixels hold without this lesion, which the simulator knows and which is what
surroundings stand for on a real scan. Fainter and cold lesions are "ignore": neither right nor wrong. Labels are not
this truth but what readers agree on (`readers`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

OUTLINE_LEVEL = 0.40
MINIMUM_CONTRAST = 0.2
MINIMUM_SNR = 4.0
PROFILE_FLOOR = 0.05


@dataclass(frozen=True)
class LesionView:
    """One lesion in one view, in the anterior frame.

    Attributes:
        mask: (rows, columns) bool.
        contrast: mean extra counts inside / mean counts there without the lesion; negative for a cold lesion.
        snr: extra counts inside / square root of all counts inside; negative for a cold lesion.
        visible: whether it is a label of the exact truth (else "ignore").
        box: where `profile` lies; profile: (box rows, box columns) noise-free extra counts / their maximum, for readers
            who draw at other levels.
    """

    mask: NDArray[np.bool_]
    contrast: float
    snr: float
    visible: bool
    box: tuple[slice, slice] = (slice(0, 0), slice(0, 0))
    profile: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))


def label_view(
    extra: NDArray[np.float32], total: NDArray[np.float32], level: float = OUTLINE_LEVEL, *, cold: bool = False
) -> LesionView:
    """Label one lesion from its noise-free extra counts and the view's noise-free total counts (rows, columns).

    Args:
        cold: `extra` is what the lesion takes away from the counts, in positive numbers; it is never visible.
    """
    peak = float(extra.max())
    mask = extra >= level * peak if peak > 0 else np.zeros(extra.shape, bool)
    if not mask.any():
        return LesionView(mask, 0.0, 0.0, False)
    signal = float(extra[mask].sum()) * (-1 if cold else 1)
    everything = float(total[mask].sum())
    contrast = signal / max(everything - signal, 1e-6)
    snr = signal / max(everything, 1e-6) ** 0.5
    box = _box(extra >= PROFILE_FLOOR * peak)
    profile = (extra[box] / peak).astype(np.float32)
    return LesionView(mask, contrast, snr, contrast >= MINIMUM_CONTRAST and snr >= MINIMUM_SNR, box, profile)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
