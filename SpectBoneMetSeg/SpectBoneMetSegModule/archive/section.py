"""The section A folder of studies: the command `batch` in a separate process, followed by its state files.

The run goes on when Slicer is closed, and is found again by its folder of results; so is one that somebody started in a
terminal.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import csv
import shutil
import sys
from pathlib import Path

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from .. import settings
from ..panel_texts import durationWords
from ..problems import slot
from ..requirements import RESOURCES
from ..status_lines import StatusLine

POLL_MS = 500
#: Failures that the section lists; all of them stand in failures.csv.
LISTED = 100


class ArchiveRun(StatusLine):
    """Starts a run over a folder, and shows how far it is."""

    def __init__(self, panel):
        """Build the section in the place that the panel has for it; a run that goes on is followed."""
        self.panel = panel
        widget = slicer.util.loadUI(str(RESOURCES / "UI" / "Archive.ui"))
        panel.ui.sectionsPlace.layout().addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.line = self.ui.archiveStatus
        self._process, self._before = None, None
        self._ending = self._following = False
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
    def output(self):
        """The folder of results, None for an empty line."""
        path = self.ui.archiveOutput.currentPath
        return Path(path) if path else None

    @property
    def running(self):
        """Whether a run is at work on the results, or just starts."""
        from SpectBoneMetSegLib.batch.state import is_running

        started = self._process is not None and self._process.poll() is None
        return started or (self.output is not None and is_running(self.output))

    def recover(self):
        """Update the buttons after an error."""
        self.updateButtons()

    def look(self):
        """Follow a run that writes to the named results, or clear the message."""
        if self.running:
            self._following = True
            self._timer.start()
            self.showState()
        self.updateButtons()

    @slot
    def onOutput(self, path):
        """Other results: perhaps of a run that is at work."""
        if not self._following:
            self.say("")
            self.look()

    @slot
    def onStartOrCancel(self, checked=False):
        """Start a run, or end the one at work."""
        if self.running:
            self.end()
        else:
            self.start()
        self.updateButtons()

    def start(self):
        """Start the command.

        Raises:
            UserError: a folder is missing or makes no sense, packages are missing, it cannot be started.
        """
        from SpectBoneMetSegLib.batch.state import read_state
        from SpectBoneMetSegLib.cli.background import Archive, start_run

        ui, output = self.ui, self.output
        if not ui.archivePath.currentPath or output is None:
            self.say(_("Choose the folder of the studies and another one for the results first."), "error")
            return
        model, engine, device = self.panel.choices.current()
        self.panel.logic.ensureRequirements(engine, model, device)
        archive = Archive(
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
        self._ending, self._following = False, True
        ui.archiveBar.setValue(0)
        self.say(_("Looking for studies..."))
        self._timer.start()

    def end(self):
        """Ask the run to end; asked again it is killed."""
        from SpectBoneMetSegLib.batch.state import is_running, read_state, stop_run
        from SpectBoneMetSegLib.common.processes import kill_tree

        if read_state(self.output) is None or not is_running(self.output):
            # It still searches for studies, and has written nothing.
            if self._process is None:
                self.fail(_("A run that was started elsewhere is running in this folder: end it there."))
                return
            kill_tree(self._process)
        else:
            stop_run(self.output, at_once=self._ending)
        self._ending = True
        self.say(_("The run is ending: studies already read are kept, and the tables are written."))

    @slot
    def onTimer(self):
        """Poll the progress of the run."""
        if self.running:
            self.showState()
        elif self._following:
            self._timer.stop()
            self._following = False
            self.showEnd()
        self.updateButtons()

    def showState(self):
        """How far the run at work is."""
        from SpectBoneMetSegLib.batch.state import is_running, read_state

        state = read_state(self.output)
        # Until the lock is taken the file is that of the run before.
        if self._ending or state is None or not is_running(self.output):
            return
        self.ui.archiveBar.setValue(round(100 * state.done / state.total) if state.total else 0)
        if not state.total + state.before + state.failed_before:
            # It has the lock, and looks at what earlier runs have read.
            return
        words = [_("{done} of {total} read").format(done=state.done, total=state.total)]
        if state.seconds_left is not None:
            words.append(_("about {time} left").format(time=durationWords(state.seconds_left)))
        words.append(_("{failed} failed").format(failed=state.failed + state.failed_before))
        if state.before:
            words.append(_("{before} read before").format(before=state.before))
        self.say(", ".join(words) + ".")
        self.showFailures(state.failed + state.failed_before)

    def showEnd(self):
        """Show how the run ended."""
        from SpectBoneMetSegLib.batch.state import read_state
        from SpectBoneMetSegLib.cli.background import last_message

        state, code = read_state(self.output), self._process.poll() if self._process is not None else None
        # A run that ended before it took the lock left the state of the one before. Its number is not compared:
        # PythonSlicer starts a process of its own.
        mine = state is not None and (self._process is None or state != self._before)
        self._process = None
        if mine:
            self.showFailures(state.failed + state.failed_before)
        if mine and state.stage == "ended":
            self.say(state.sentence, "warning" if state.failed + state.failed_before else "")
        elif mine and state.stage == "failed":
            self.fail(state.sentence)
        elif self._ending or (mine and state.stage == "stopped"):
            self.say(_("Stopped. Start resumes the run."), "warning")
        elif mine:
            self.say(_("The run was interrupted. Start resumes it."), "error")
        else:
            self.fail(last_message(self.output) or _("The run could not start (code {code}).").format(code=code))
        self._ending = False

    def showFailures(self, count):
        """List what could not be read."""
        lines = []
        if count:
            try:
                with (self.output / "failures.csv").open(encoding="utf-8", newline="") as file:
                    lines = [failureWords(*row[:2]) for row in list(csv.reader(file))[1 : LISTED + 1]]
            except (OSError, ValueError, TypeError, csv.Error):
                # It is just being written anew.
                return
        text = "\n".join(lines)
        if self.ui.archiveFailures.plainText != text:
            self.ui.archiveFailures.setPlainText(text)
        self.ui.archiveFailures.visible = bool(lines)

    def updateButtons(self):
        """Enable the buttons that can be used now."""
        ui, running = self.ui, self.running
        ui.archiveButton.text = (_("End at once") if self._ending else _("Cancel")) if running else _("Start")
        ui.archiveBar.visible = running
        for widget in (ui.archivePath, ui.archiveOutput, ui.archiveRegion, ui.archiveQuick, ui.archiveRetry):
            widget.enabled = not running
        there = self.output is not None
        ui.archivePageButton.enabled = bool(not running and there and (self.output / "summary.html").is_file())
        ui.archiveFolderButton.enabled = bool(there and self.output.is_dir())

    @slot
    def onOpenPage(self, checked=False):
        """Show the page about all studies in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.output / "summary.html")))

    @slot
    def onOpenFolder(self, checked=False):
        """Show the results in the system's window of files."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.output)))

    def close(self):
        """Stop following when the panel is closed; the run continues."""
        self._timer.stop()


def failureWords(path, reason):
    """What could not be read, in a line; most reasons name the file."""
    name = Path(path).name
    return reason if name in reason else f"{name}: {reason}"
