"""In which views a lesion stands out, and in which it is only just there.

A view's mask holds a lesion where the network marked it there. Whether an eye sees it is another question: a lesion
whose mean is less than 1.3 times its surroundings in a view is called faint in that view (simulated readers do not
label what stands out less).
"""

from __future__ import annotations

from ..scan.planar import VIEW_NAMES, ViewName
from .results import Lesion

__all__ = ["FAINT_CONTRAST", "faint_views", "seen_text"]

#: Mean inside over mean of the ring around it.
FAINT_CONTRAST = 1.3


def faint_views(lesion: Lesion) -> tuple[ViewName, ...]:
    """The views that hold a lesion which hardly stands out there; a contrast that is no number counts as faint."""
    return tuple(
        name for name in VIEW_NAMES if name in lesion.views and not lesion.views[name].contrast >= FAINT_CONTRAST
    )


def seen_text(lesion: Lesion) -> str:
    """Where a lesion is seen, for a table: "both", "posterior, faint anterior", "faint both"."""
    faint = faint_views(lesion)
    clear = tuple(name for name in VIEW_NAMES if name in lesion.views and name not in faint)
    words = [_together(clear), f"faint {_together(faint)}" if faint else ""]
    return ", ".join(word for word in words if word)


def _together(names: tuple[ViewName, ...]) -> str:
    return "both" if len(names) == 2 else "".join(names)
