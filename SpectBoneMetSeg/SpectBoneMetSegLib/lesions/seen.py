"""Views in which a lesion is clearly seen, and views in which it is faint.

A view's mask contains a lesion where the network segments it there, which does not mean that a reader sees it. A lesion
is called faint in a view where its mean is less than 1.3 times that of its surroundings; simulated readers do not
label fainter ones.
"""

from __future__ import annotations

from ..scan.planar import VIEW_NAMES, ViewName
from .results import Lesion

__all__ = ["FAINT_CONTRAST", "faint_views", "seen_text"]

#: Mean inside over mean of the ring around it.
FAINT_CONTRAST = 1.3


def faint_views(lesion: Lesion) -> tuple[ViewName, ...]:
    """Return the views in which a lesion is faint; an undefined contrast (NaN) counts as faint."""
    return tuple(
        name for name in VIEW_NAMES if name in lesion.views and not lesion.views[name].contrast >= FAINT_CONTRAST
    )


def seen_text(lesion: Lesion) -> str:
    """Return where a lesion is seen, for a table: "both", "posterior, faint anterior", "faint both"."""
    faint = faint_views(lesion)
    clear = tuple(name for name in VIEW_NAMES if name in lesion.views and name not in faint)
    parts = [_joined(clear), f"faint {_joined(faint)}" if faint else ""]
    return ", ".join(part for part in parts if part)


def _joined(names: tuple[ViewName, ...]) -> str:
    return "both" if len(names) == 2 else "".join(names)
