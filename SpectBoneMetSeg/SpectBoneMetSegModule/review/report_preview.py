"""The report of the reading that is shown, in the browser, before anything is saved."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import qt

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

__all__ = ["ReportPreview"]

PAGE = "report.html"


class ReportPreview:
    """A page in a temporary folder, which goes with the panel."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def show(self, live: LiveReading) -> None:
        """Write the report of a reading as it is now, and show it in the browser; it names no patient."""
        from SpectBoneMetSegLib.export.outputs import write_report

        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        live.follow_edit()
        write_report(live.final(), self._folder / PAGE)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._folder / PAGE)))

    def remove(self) -> None:
        """Remove the page."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
