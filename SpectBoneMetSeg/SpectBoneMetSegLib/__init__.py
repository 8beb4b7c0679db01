"""Reading planar whole-body bone scans: scan in, lesions out. Research use only.

from SpectBoneMetSegLib import segment
reading = segment("scan.dcm")
reading.lesions, reading.mask
reading.save("results/scan")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

__all__ = ["Options", "Reader", "UserError", "__version__", "segment"]

if TYPE_CHECKING:
    from .common.errors import UserError
    from .pipeline import Options, Reader, segment


def __getattr__(name: str) -> Any:
    """Load the pipeline when it is first asked for: importing the package stays instant."""
    if name == "UserError":
        from .common.errors import UserError

        return UserError
    if name in ("Options", "Reader", "segment"):
        from . import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
