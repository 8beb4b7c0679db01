"""The section A folder of studies: the command `batch` in a separate process, followed by its state files.

The run goes on when Slicer is closed, and is found again by its folder of results; so is one that somebody started in a
terminal.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import ctk
import qt
import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.dates import duration

from .. import settings
from ..problems import slot
from ..requirements import RESOURCES
from ..status_lines import StatusLine

if TYPE_CHECKING:
    from SpectBoneMetSegLib.batch.state import RunState

    from ..panel import Panel

POLL_MS = 500
#: Failures that the section lists; all of them stand in failures.csv.
LISTED = 100


class ArchiveRun(StatusLine):
    """Starts a run over a folder, and shows how far it is."""

    def __init__(self, panel: Panel) -> None:
        """Build the section in the place that the panel has for it; a run that goes on is followed."""
        self.panel = panel
        widget = slicer.util.loadUI(str(RESOURCES / "UI" / "Archive.ui"))
        panel.ui.sectionsPlace.layout().addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.line = self.ui.archiveStatus
        self._process: subprocess.Popen[bytes] | None = None
        #: What the state file said before the process was started.
        self._before: RunState | None = None
        #: Results of the run that is followed.
        self._following: Path | None = None
        self._ending = False
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.connect("timeout()", self.onTimer)
        ui = self.ui
        for line in (ui.archivePath, ui.archiveOutput):
            line.filters = ctk.ctkPathLineEdit.Dirs
        ui.archiveRegion.addItem(_("Thorax"), "thorax")
        ui.archiveRegion.addItem(_("Whole body"), "whole-body")
        ui.archiveOutput.currentPath = settings.kept(settings.ARCHIVE)
        ui.archiveButton.connect("clicked(bool)", self.onStartOrCancel)
        ui.archivePageButton.connect("clicked(bool)", self.onOpenPage)
        ui.archiveFolderButton.connect("clicked(bool)", self.onOpenFolder)
        ui.archiveOutput.connect("currentPathChanged(QString)", self.onOutput)
        self.look()

    @property
    def output(self) -> Path | None:
        """The folder of results, None for an empty line."""
        path = self.ui.archiveOutput.currentPath
        return Path(path) if path else None

    @property
    def running(self) -> bool:
        """Whether a run is at work on the results, or just starts."""
        from SpectBoneMetSegLib.batch.state import is_running

        started = self._process is not None and self._process.poll() is None
        output = self._following or self.output
        return started or (output is not None and is_running(output))

    def recover(self) -> None:
        """Update the buttons after an error."""
        self.updateButtons()

    def look(self) -> None:
        """Follow a run that writes to the named results, or clear the message."""
        if self.running:
            self._following = self.output
            self._timer.start()
            self.showState()
        self.updateButtons()

    @slot
    def onOutput(self, path: str) -> None:
        """Other results: perhaps of a run that is at work."""
        if not self._following:
            self.say("")
            self.look()

    @slot
    def onStartOrCancel(self, checked: bool = False) -> None:
        """Start a run, or end the one at work."""
        if self.running:
            self.end()
        else:
            self.start()
        self.updateButtons()

    def start(self) -> None:
        """Start the command.

        Raises:
            UserError: a folder is missing or makes no sense, packages are missing, it cannot be started.
        """
        from SpectBoneMetSegLib.batch.state import read_state
        from SpectBoneMetSegLib.cli.background import ArchiveRun, start_run

        ui, output = self.ui, self.output
        if not ui.archivePath.currentPath or output is None:
            self.say(_("Choose the folder of the studies and another one for the results first."), "error")
            return
        model, engine, device = self.panel.choices.current()
        self.panel.logic.ensureRequirements(engine, model, device)
        archive = ArchiveRun(
            Path(ui.archivePath.currentPath),
            output,
            model,
            engine,
            device,
            ui.archiveRegion.currentData,
            bool(ui.archiveQuick.checked),
            bool(ui.archiveRetry.checked),
        )
        self._before = read_state(output)
        self._process = start_run(archive, shutil.which("PythonSlicer") or sys.executable)
        settings.keep(settings.ARCHIVE, str(output))
        self._ending, self._following = False, output
        ui.archiveBar.setValue(0)
        self.say(_("Looking for studies..."))
        self._timer.start()

    def end(self) -> None:
        """Ask the run to end; asked again it is killed."""
        from SpectBoneMetSegLib.batch.state import is_running, read_state, stop_run
        from SpectBoneMetSegLib.common.processes import kill_tree

        output = self._following or self.output
        if output is None or read_state(output) is None or not is_running(output):
            # It still searches for studies, and has written nothing.
            if self._process is None:
                self.fail(_("A run that was started elsewhere is running in this folder: end it there."))
                return
            kill_tree(self._process)
        else:
            stop_run(output, at_once=self._ending)
        self._ending = True
        self.say(_("The run is ending: studies already read are kept, and the tables are written."))

    @slot
    def onTimer(self) -> None:
        """Poll the progress of the run."""
        if self.running:
            self.showState()
        elif self._following is not None:
            self._timer.stop()
            output, self._following = self._following, None
            self.showEnd(output)
        self.updateButtons()

    def showState(self) -> None:
        """How far the run at work is."""
        from SpectBoneMetSegLib.batch.state import is_running, read_state

        output = self._following
        state = read_state(output) if output is not None else None
        # Until the lock is taken the file is that of the run before.
        if self._ending or output is None or state is None or not is_running(output):
            return
        self.ui.archiveBar.setValue(round(100 * state.done / state.total) if state.total else 0)
        if not state.total + state.before + state.failed_before:
            # It has the lock, and looks at what earlier runs have read.
            return
        words = [_("{done} of {total} read").format(done=state.done, total=state.total)]
        if state.seconds_left is not None:
            words.append(_("about {time} left").format(time=duration(state.seconds_left)))
        words.append(_("{failed} failed").format(failed=state.failed + state.failed_before))
        if state.before:
            words.append(_("{before} read before").format(before=state.before))
        self.say(", ".join(words) + ".")
        self.showFailures(output, state.failed + state.failed_before)

    def showEnd(self, output: Path) -> None:
        """Show how the run that wrote to a folder ended."""
        from SpectBoneMetSegLib.batch.state import read_state
        from SpectBoneMetSegLib.cli.background import last_message

        state, code = read_state(output), self._process.poll() if self._process is not None else None
        # A run that ended before it took the lock left the state of the one before. Its number is not compared:
        # PythonSlicer starts a process of its own.
        mine = state if self._process is None or state != self._before else None
        self._process = None
        if mine is not None:
            self.showFailures(output, mine.failed + mine.failed_before)
        if mine is not None and mine.stage == "ended":
            self.say(mine.sentence, "warning" if mine.failed + mine.failed_before else "")
        elif mine is not None and mine.stage == "failed":
            self.fail(mine.sentence)
        elif self._ending or (mine is not None and mine.stage == "stopped"):
            self.say(_("Stopped. Start resumes the run."), "warning")
        elif mine is not None:
            self.say(_("The run was interrupted. Start resumes it."), "error")
        else:
            self.fail(last_message(output) or _("The run could not start (code {code}).").format(code=code))
        self._ending = False

    def showFailures(self, output: Path, count: int) -> None:
        """List what could not be read, of the results in a folder."""
        lines = []
        if count:
            try:
                with (output / "failures.csv").open(encoding="utf-8", newline="") as file:
                    lines = [failureWords(*row[:2]) for row in list(csv.reader(file))[1 : LISTED + 1]]
            except (OSError, ValueError, TypeError, csv.Error):
                # It is just being written anew.
                return
        text = "\n".join(lines)
        if self.ui.archiveFailures.plainText != text:
            self.ui.archiveFailures.setPlainText(text)
        self.ui.archiveFailures.visible = bool(lines)

    def updateButtons(self) -> None:
        """Enable the buttons that can be used now."""
        ui, running = self.ui, self.running
        ui.archiveButton.text = (_("End at once") if self._ending else _("Cancel")) if running else _("Start")
        ui.archiveBar.visible = running
        for widget in (ui.archivePath, ui.archiveOutput, ui.archiveRegion, ui.archiveQuick, ui.archiveRetry):
            widget.enabled = not running
        output = self.output
        ui.archivePageButton.enabled = not running and output is not None and (output / "summary.html").is_file()
        ui.archiveFolderButton.enabled = output is not None and output.is_dir()

    @slot
    def onOpenPage(self, checked: bool = False) -> None:
        """Show the page about all studies in the browser."""
        if self.output is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.output / "summary.html")))

    @slot
    def onOpenFolder(self, checked: bool = False) -> None:
        """Show the results in the system's window of files."""
        if self.output is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.output)))

    def close(self) -> None:
        """Stop following when the panel is closed; the run continues."""
        self._timer.stop()


def failureWords(path: str, reason: str) -> str:
    """What could not be read, in a line; most reasons name the file."""
    name = Path(path).name
    return reason if name in reason else f"{name}: {reason}"
