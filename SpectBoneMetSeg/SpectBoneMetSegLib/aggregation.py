"""Aggregation of the two views (Lin et al. 2022, Eq. 4): I_agg = I_ant + Mirr(I_post), pixel by pixel."""

from __future__ import annotations

from .planar import PlanarView, WholeBodyScan, mirror, same_grid
from .regrid import regrid, sample_on


def aggregate(scan: WholeBodyScan) -> PlanarView:
    """Anterior plus mirrored posterior counts on the anterior whole-body frame; of one view that view.

    The mirror is a change of coordinates: the posterior view's own direction cosines say where its pixels lie. Views on
    different grids are first brought to one pixel size with their counts kept.
    """
    frame = scan.frame
    if scan.anterior is None or scan.posterior is None:
        return frame
    other = mirror(scan.posterior)
    if not same_grid(frame, other):
        other = regrid(other, frame.spacing)
        other = frame.with_counts(sample_on(other.counts, other, frame))
    return frame.with_counts(frame.counts + other.counts)
