"""The section Follow-up: changes of areas between earlier scans and the open reading.

Another process compares, and reads new scans. It shows copies: the open reading, its nodes and edits do not change.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import ctk
import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.mrml.slice_views import FOLLOW_UP

from ..display.views import fitViews, restoreLayout
from ..panel_texts import panelWords
from ..problems import slot
from ..requirements import RESOURCES
from ..status_lines import STYLES, StatusLine, showText
from .earlier_scans import EarlierScans
from .tables import LesionRows, legendText, showBurdens, stateWords
from .view_link import ViewLink

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Call
    from SpectBoneMetSegLib.followup.side_by_side import LesionPair, SideBySide
    from SpectBoneMetSegLib.lesions.results import Reading
    from SpectBoneMetSegLib.lesions.review import Review
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..panel import Panel
    from ..slicer_types import Event, VtkObject

    #: What a comparison depends on of a reading.
    State: TypeAlias = tuple[Reading, tuple[Review, ...]]

POLL_MS = 50


class FollowUp(StatusLine, VTKObservationMixin):
    """Compares the reading of a panel with earlier scans, and shows both."""

    def __init__(self, panel: Panel) -> None:
        """Build the section in the place that the panel has for it."""
        from SpectBoneMetSegLib.mrml.compared_scans import ComparedScans

        VTKObservationMixin.__init__(self)
        self.panel = panel
        widget = slicer.util.loadUI(str(RESOURCES / "UI" / "FollowUp.ui"))
        panel.ui.sectionsPlace.layout().addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.line = self.ui.followupStatus
        self.scans = ComparedScans(slicer.mrmlScene, lambda row: stateWords(row.change))
        self.link = ViewLink()
        self.earlier = EarlierScans(self.ui, self.say, self.updateButtons)
        self.table = LesionRows(self.ui.changeTable, self.onChosen)
        #: Whether the user went to another module.
        self.away = False
        self.shown: SideBySide | None = None
        self._live: LiveReading | None = None
        #: Of the reading that was compared, as it then was.
        self._known: State | None = None
        self._call: Call | None = None
        #: Takes what is compared, and its results.
        self._folder: Path | None = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self.onTimer)
        self.ui.comparisonPath.filters = ctk.ctkPathLineEdit.Dirs
        self.connectUi()
        layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        if layout is not None:
            self.addObserver(layout, "ModifiedEvent", self.onLayout)
        self.clear()

    def connectUi(self) -> None:
        """Signals of the section."""
        ui = self.ui
        ui.compareButton.connect("clicked(bool)", self.onCompareOrCancel)
        ui.sideBySideButton.connect("clicked(bool)", self.onSideBySide)
        ui.backButton.connect("clicked(bool)", self.onBack)
        ui.saveComparisonButton.connect("clicked(bool)", self.onSave)
        ui.openPageButton.connect("clicked(bool)", self.onOpenPage)
        ui.bodyLevelSlider.connect("valueChanged(double)", self.onLevel)
        ui.followupSection.connect("contentsCollapsed(bool)", self.onFolded)

    def recover(self) -> None:
        """Reset after an error and update the buttons."""
        self.stop()
        self.updateButtons()

    @property
    def busy(self) -> bool:
        """Whether a comparison is under way."""
        return self._call is not None

    @property
    def active(self) -> bool:
        """Whether both scans are on the screen."""
        layout = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        return layout is not None and layout.GetViewArrangement() == FOLLOW_UP

    def update(self) -> None:
        """Follow the panel: another reading has nothing to do with what was compared, a changed one makes it old."""
        live = self.panel.live
        if live is not self._live:
            self._live = live
            self.stop()
            self.clear()
            if not self.ui.followupSection.collapsed:
                self.earlier.offer(live)
        elif self.shown is not None and not alike(self._known, stateOf(live)):
            self.say(_("The reading has changed since: compare again to update the comparison."), "warning")
        if self.active:
            self.scans.hide_others()
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable the buttons that can be used now."""
        ui, there = self.ui, self.shown is not None
        ui.compareButton.text = _("Cancel") if self.busy else _("Compare")
        ui.compareButton.enabled = bool(self.busy or (self._live is not None and self.earlier.paths))
        ui.followupBar.visible = self.busy
        for widget in (ui.sideBySideButton, ui.saveComparisonButton, ui.openPageButton, ui.bodyLevelSlider):
            widget.enabled = there
        ui.backButton.enabled = self.active
        ui.removeEarlierButton.enabled = bool(self.earlier.paths)
        for widget in (ui.changeTable, ui.burdenTable, ui.legendLabel, ui.burdenLabel):
            widget.visible = there

    @slot
    def onFolded(self, folded: bool) -> None:
        """The section is opened: what is remembered of the patient is looked up."""
        if not folded:
            self.earlier.offer(self.panel.live)

    @slot
    def onCompareOrCancel(self, checked: bool = False) -> None:
        """Start a comparison, or stop the one under way."""
        if self.busy:
            self.stop()
            self.say(_("Cancelled."))
        else:
            self.compare()
        self.updateButtons()

    def compare(self) -> None:
        """Start to compare the reading as it stands now; without one do nothing.

        Raises:
            UserError: packages are missing, or the process cannot be started.
        """
        from SpectBoneMetSegLib.followup.read_back import is_result
        from SpectBoneMetSegLib.worker.comparing import start_comparison
        from SpectBoneMetSegLib.worker.reading_file import save_reading

        live, paths = self._live, self.earlier.paths
        if live is None:
            return
        model, engine, device = self.panel.choices.current()
        if not all(is_result(Path(path)) for path in paths):
            self.panel.logic.ensureRequirements(engine, model, device)
        self.panel.changes.flush()
        live.follow_edit()
        self.forget()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        own = folder / "own.npz"
        arguments: dict[str, Any] = {"own": str(own), "earlier": paths, "folder": str(folder), "model": model}
        arguments |= {"engine": engine, "device": device, "options": optionsOf(live, self.panel.readsAnyway())}
        self._known = stateOf(live)
        try:
            save_reading(live.final(), own)
            self._call = start_comparison(arguments, shutil.which("PythonSlicer") or sys.executable)
        except (OSError, UserError) as error:
            self.forget()
            if isinstance(error, UserError):
                raise
            words = _("The reading cannot be handed over in {folder} ({why}); check the space on the disk.")
            raise UserError(words.format(folder=folder, why=reason_of(error))) from error
        self.ui.followupBar.setValue(0)
        self.say(_("Starting..."))
        self._timer.start()

    @slot
    def onTimer(self) -> None:
        """Process the events of the child process."""
        for event in self._call.poll() if self._call is not None else ():
            if event.kind == "progress":
                self.ui.followupBar.setValue(round(100 * event.done / max(1, event.total)))
                self.say(stepWords(event.message, event.done + 1, event.total - 2))
                continue
            self._timer.stop()
            self._call = None
            if event.kind == "done":
                self.take(event.result)
            else:
                self.forget()
                self.fail(errorWords(event.error))
            self.updateButtons()

    def take(self, answer: dict[str, Any]) -> None:
        """Show a comparison that is done."""
        from SpectBoneMetSegLib.followup.side_by_side import load_side_by_side

        shown = self.shown = load_side_by_side(answer["shown"])
        # Of the two scans no copy stays on the disk; the files of the comparison wait there to be saved.
        for file in Path(answer["shown"]).parent.glob("*.npz"):
            file.unlink()
        self.scans.add(shown, self.ui.bodyLevelSlider.value)
        self.table.show(shown.rows)
        self.ui.legendLabel.text = legendText(shown.rows)
        showBurdens(self.ui.burdenTable, shown.burdens)
        showText(self.ui.doubtLabel, "\n".join(panelWords(doubt) for doubt in shown.warnings))
        self.ui.doubtLabel.styleSheet = STYLES["warning"]
        words = _("Areas were matched by a program; a physician must confirm them. No response criteria are applied.")
        self.say(f"{words} {changesWords(shown)}")
        if not alike(self._known, stateOf(self._live)):
            words = _("The reading was changed while it was compared: compare again to update the comparison.")
            self.say(words, "warning")
        if self.away:
            # Another module has the screen.
            self.updateButtons()
        else:
            self.sideBySide()

    @slot
    def onSideBySide(self, checked: bool = False) -> None:
        """Both scans on the screen."""
        self.sideBySide()

    def sideBySide(self) -> None:
        """Show both scans side by side, whole field, with no editor tool: it would draw into the wrong view."""
        if self.shown is None:
            return
        self.panel.ui.segmentEditor.setActiveEffect(None)
        if not self.scans.present:
            self.scans.add(self.shown, self.ui.bodyLevelSlider.value)
        self.scans.show(posterior_from_behind=self.panel.views.fromBehind)
        fitViews()
        self.link.follow(self.shown.body)
        editor = self.panel.ui.segmentEditor.mrmlSegmentEditorNode()
        if editor is not None and not self.hasObserver(editor, "ModifiedEvent", self.onEditor):
            self.addObserver(editor, "ModifiedEvent", self.onEditor)
        self.updateButtons()

    @slot
    def onBack(self, checked: bool = False) -> None:
        """The layout before."""
        self.back()

    def back(self) -> None:
        """The views of the reading again, which were there before, or the layout before ours."""
        if not self.active:
            return
        self.leave()
        if self.panel.live is not None or self.panel.chosen.views:
            self.panel.showViews()
        else:
            restoreLayout()
        self.updateButtons()

    def leave(self) -> None:
        """The compared scans leave the screen; all else is drawn in every view again."""
        self.link.unlink()
        self.scans.show_others()

    @slot
    def onLayout(self, caller: VtkObject, event: Event) -> None:
        """Another arrangement of views, by us or by the user."""
        if not self.active:
            self.leave()
        self.updateButtons()

    @slot
    def onEditor(self, caller: VtkObject, event: Event) -> None:
        """A tool of the Segment Editor is taken: it works in the views of the reading."""
        if self.active and caller.GetActiveEffectName():
            self.back()

    @slot
    def onChosen(self, row: LesionPair) -> None:
        """Bring a lesion into the middle of both scans."""
        if not self.active:
            self.sideBySide()
        self.scans.choose(row)
        self.link.focus(row.earlier_position, row.later_position)

    @slot
    def onLevel(self, percent: float) -> None:
        """Draw both scans up to another level of their bodies."""
        with slicer.util.RenderBlocker():
            self.scans.draw(percent)

    @slot
    def onSave(self, checked: bool = False) -> None:
        """Write the files of the command `compare`."""
        from SpectBoneMetSegLib.followup.files import copy_comparison

        folder = self.ui.comparisonPath.currentPath
        if not folder:
            self.say(_("Choose a folder of its own for the comparison first."), "error")
            return
        if self._folder is None:
            return
        copy_comparison(self._folder / "comparison", folder)
        self.say(_("Saved in {folder}.").format(folder=folder))

    @slot
    def onOpenPage(self, checked: bool = False) -> None:
        """Show the page in the browser."""
        from SpectBoneMetSegLib.followup.files import PAGE

        if self._folder is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._folder / "comparison" / PAGE)))

    def stop(self) -> None:
        """End a comparison under way."""
        self._timer.stop()
        if self._call is not None:
            self._call.close()
            self._call = None
            self.forget()

    def clear(self) -> None:
        """Forget what was compared, and which scans with."""
        self.forget()
        self.earlier.clear()
        self.say("")

    def forget(self) -> None:
        """Nothing is compared: its nodes and files go, and the layout before comes back."""
        self.back()
        self.leave()
        self.scans.remove()
        self.shown = None
        showText(self.ui.doubtLabel, "")
        self.table.show(())
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self.updateButtons()

    def close(self) -> None:
        """Clean up everything that belongs to the section."""
        self.stop()
        self.leave()
        self.scans.remove()
        self.removeObservers()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def stateOf(live: LiveReading | None) -> State | None:
    """What a comparison depends on of a reading: its lesions, and their review."""
    return (live.reading, tuple(live.reviews().values())) if live is not None else None


def alike(one: State | None, other: State | None) -> bool:
    """Whether two states are of one reading with the same review."""
    if one is None or other is None:
        return one is other
    return one[0] is other[0] and one[1] == other[1]


def optionsOf(live: LiveReading, anyway: bool) -> dict[str, Any]:
    """How an earlier scan is read: as the open one was, with the sliders and the tick where they stand."""
    told = live.result.receipt.get("region", "thorax")
    limits = {"threshold": live.threshold, "minimum_area_mm2": live.minimum_area_mm2}
    return {"region": told if told in ("thorax", "whole-body") else "thorax", "read_anyway": anyway, **limits}


def errorWords(error: UserError) -> str | UserError:
    """Why scans cannot be compared; what is named as a scan is read as the open one was."""
    if "region" not in error.fields:
        return error
    words = _("{why} Name the scan itself instead of its result: it is then read in the same way as the open scan.")
    return words.format(why=panelWords(error))


def stepWords(step: str, number: int, scans: int) -> str:
    """What the process does."""
    if step == "read":
        return _("Reading earlier scan {number} of {count}").format(number=number, count=scans)
    return {"compare": _("Matching the areas"), "draw": _("Drawing the page")}.get(step, _("Comparing"))


def changesWords(shown: SideBySide) -> str:
    """From which change on a lesion has changed."""
    words = _("Grown or smaller: by a factor of more than {factor:.2f} in area.")
    return words.format(factor=shown.area_factor)
