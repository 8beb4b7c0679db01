"""Progress of a long call in the panel: its button cancels, a bar and a line of text show the progress."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from slicer.i18n import tr as _
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note
from SpectBoneMetSegModule.status_lines import showText

from .task_runner import Listener

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import CallEvent, Values
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.slicer_types import Widget


class LongCall:
    """The button, bar and text of one kind of call."""

    def __init__(self, button: Widget, bar: Widget, label: Widget) -> None:
        """Take over a QPushButton, a QProgressBar and a QLabel."""
        self.button, self.bar, self.label = button, bar, label
        self._startText: str = button.text
        self.running = False

    def listener(self, onDone: Callable[[Values], object]) -> Listener:
        """Return a Listener that shows the progress of the call and passes its answer to `onDone`."""

        def done(answer: Values) -> None:
            self.ended("")
            onDone(answer)

        return Listener(done, self.failed, self.progress)

    def started(self, text: str) -> None:
        """Show that the call has started."""
        self.running = True
        self.button.text = _("Cancel")
        self.bar.setValue(0)
        self.bar.visible = True
        showText(self.label, text)

    def progress(self, event: CallEvent) -> None:
        """Show the number of scans done."""
        self.bar.setValue(round(100 * event.done / event.total) if event.total else 0)
        showText(self.label, _("Scan {done} of {total}").format(done=event.done, total=event.total))

    def failed(self, error: UserError | str) -> None:
        """Show and log why the call failed."""
        text = panelWords(error)
        note(text)
        self.ended(text)

    def ended(self, text: str) -> None:
        """Show that the call has ended or was cancelled."""
        self.running = False
        self.bar.visible = False
        self.button.text = self._startText
        showText(self.label, text)
