"""Progress of a long call in the panel: its button cancels, a bar and a line of text show the progress."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N803

from slicer.i18n import tr as _
from SpectBoneMetSegModule.panel_texts import panelWords
from SpectBoneMetSegModule.problems import note

from .task_runner import Listener


class LongCall:
    """The button, bar and text of one kind of call."""

    def __init__(self, button, bar, label):
        """Take over a QPushButton, a QProgressBar and a QLabel."""
        self.button, self.bar, self.label = button, bar, label
        self._text = button.text
        self.running = False

    def listener(self, onDone):
        """A Listener that shows how the call goes on; `onDone` gets its answer."""

        def done(answer):
            self.ended("")
            onDone(answer)

        return Listener(done, self.failed, self.progress)

    def started(self, words):
        """The call is under way."""
        self.running = True
        self.button.text = _("Cancel")
        self.bar.setValue(0)
        self.bar.visible = True
        self.label.text = words

    def progress(self, event):
        """So many scans are done."""
        self.bar.setValue(round(100 * event.done / event.total) if event.total else 0)
        self.label.text = _("Scan {done} of {total}").format(done=event.done, total=event.total)

    def failed(self, error):
        """The call did not come to its end, of a UserError; the log keeps why."""
        words = panelWords(error)
        note(words)
        self.ended(words)

    def ended(self, words):
        """The call is over, or was cancelled."""
        self.running = False
        self.bar.visible = False
        self.button.text = self._text
        self.label.text = words
