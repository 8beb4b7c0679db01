"""The earlier scans that the open reading is to be compared with: named, or remembered of the same patient."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from .. import settings
from ..problems import slot
from ..status_lines import Say

if TYPE_CHECKING:
    from SpectBoneMetSegLib.followup.known import KnownResult
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..slicer_types import Ui

#: Result folders that are remembered.
MOST = 50


def remember(folder: Path) -> None:
    """Remember the folder of results that were just saved, for a later scan of the patient."""
    known = [str(folder), *(other for other in remembered() if other != str(folder))]
    settings.keep(settings.RESULTS, json.dumps(known[:MOST]))


def remembered() -> list[str]:
    """The result folders that were saved here, the last one first."""
    try:
        known = json.loads(settings.kept(settings.RESULTS) or "[]")
    except ValueError:
        return []
    return [str(folder) for folder in known] if isinstance(known, list) else []


class EarlierScans:
    """The list of earlier scans in the section."""

    def __init__(self, ui: Ui, say: Say, onChanged: Callable[[], None]) -> None:
        """Take over the fields.

        Args:
            ui: the section's widgets.
            say: called with a message and its kind.
            onChanged: called after a change.
        """
        self.ui, self.say, self.onChanged = ui, say, onChanged
        self._known: list[KnownResult] = []
        ui.addEarlierButton.connect("clicked(bool)", self.onAdd)
        ui.removeEarlierButton.connect("clicked(bool)", self.onRemove)
        ui.knownSelector.connect("activated(int)", self.onKnown)

    @property
    def paths(self) -> list[str]:
        """Result folders and scans, as named."""
        return [self.ui.earlierList.item(index).text() for index in range(self.ui.earlierList.count)]

    def clear(self) -> None:
        """Another reading has other earlier scans."""
        self.ui.earlierList.clear()
        self.onChanged()

    def offer(self, live: LiveReading | None) -> None:
        """Offer what is remembered of the patient of a reading; nothing for None."""
        from SpectBoneMetSegLib.followup.earlier_results import results_of_patient

        selector = self.ui.knownSelector
        selector.clear()
        with slicer.util.WaitCursor():
            self._known = results_of_patient(remembered(), live.result.scan) if live is not None else []
        selector.addItem(_("Choose to add...") if self._known else _("No saved results of this patient"))
        for known in self._known:
            selector.addItem(f"{known.day} {known.folder.name}".strip())
        selector.enabled = bool(self._known)

    def add(self, path: str | Path) -> None:
        """Add a result folder or a scan; one that is there already is not added again."""
        if str(path) not in self.paths:
            self.ui.earlierList.addItem(str(path))
            self.onChanged()

    @slot
    def onAdd(self, checked: bool = False) -> None:
        """Add what the line names."""
        from SpectBoneMetSegLib.followup.read_back import is_result

        path = self.ui.earlierPath.currentPath
        # The line's button asks for a file: any of a result stands for its folder.
        if path and is_result(Path(path).parent):
            path = str(Path(path).parent)
        if not path:
            self.say(_("Choose a result folder or an earlier scan first."), "error")
        elif not Path(path).exists():
            self.say(_("{path} is not there: choose a result folder or an earlier scan.").format(path=path), "error")
        else:
            self.add(path)
            self.ui.earlierPath.currentPath = ""
            self.say("")

    @slot
    def onRemove(self, checked: bool = False) -> None:
        """Take the selected one out of the list; the only one needs no selection."""
        rows = self.ui.earlierList
        place = 0 if rows.count == 1 else rows.currentRow
        if place >= 0:
            rows.takeItem(place)
            self.onChanged()

    @slot
    def onKnown(self, place: int) -> None:
        """Add a remembered result."""
        if 0 < place <= len(self._known):
            self.add(self._known[place - 1].folder)
            self.ui.knownSelector.setCurrentIndex(0)
