"""Aggregation of the two views (Lin et al. 2022, Eq. 4): I_agg = I_ant + Mirr(I_post), pixel by pixel."""

from __future__ import annotations

from .planar import PlanarView, ViewName, WholeBodyScan, mirror, same_grid
from .regrid import regrid, sample_on


def aggregate(scan: WholeBodyScan) -> PlanarView:
    """Return the sum of the anterior and the mirrored posterior view in the anterior frame; a single view unchanged."""
    frame, views = scan.frame, views_on_anterior_grid(scan)
    return frame if len(views) == 1 else frame.with_counts(views["anterior"].counts + views["posterior"].counts)


def views_on_anterior_grid(scan: WholeBodyScan) -> dict[ViewName, PlanarView]:
    """Return the existing views on the anterior whole-body grid, anterior first.

    Mirroring is a change of coordinates: the posterior view's direction cosines define where its pixels lie. Views on
    different grids are first rebinned to one pixel size, which preserves their counts.
    """
    frame = scan.frame
    if scan.posterior is None:
        return {"anterior": frame}
    other = mirror(scan.posterior)
    if scan.anterior is None:
        return {"posterior": other}
    if not same_grid(frame, other):
        other = regrid(other, frame.spacing)
        other = frame.with_counts(sample_on(other.counts, other, frame))
    return {"anterior": frame, "posterior": other}
