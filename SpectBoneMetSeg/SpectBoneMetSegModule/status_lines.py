"""Messages of the panel: progress, errors, warnings and results."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from slicer.i18n import tr as _

from .panel_texts import engineWords, panelWords
from .problems import note

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.worker.client import Event as WorkerEvent

    from .slicer_types import Ui, Widget

#: Styles of a line; what must not be overlooked brings its own ground, for light and for dark windows.
STYLES = {
    "": "",
    "error": "background: #fde7e9; color: #7a0c14; border: 1px solid #d13438; border-radius: 3px; padding: 4px;",
    "warning": "background: #fff4ce; color: #513c00; border: 1px solid #c19c00; border-radius: 3px; padding: 4px;",
    "notice": "font-weight: bold;",
}


def showText(label: Widget, text: str) -> None:
    """Show a text in a label; without a text the label takes no place in the panel."""
    label.text = text
    label.visible = bool(text)


class Say(Protocol):
    """Shows one line, of kind "", "warning" or "error"."""

    def __call__(self, text: str, kind: str = "") -> None:
        """See `StatusLine.say`."""


class StatusLine:
    """Shows progress and errors in one label, `line`."""

    line: Widget

    def say(self, text: str, kind: str = "") -> None:
        """Show one line, of kind "", "warning" or "error"."""
        showText(self.line, text)
        self.line.toolTip = text
        self.line.styleSheet = STYLES[kind]

    def fail(self, sentence: str | UserError) -> None:
        """Show an error, a message or a UserError, and add it to the log."""
        words = panelWords(sentence)
        logging.error(words)
        note(words)
        self.say(words, "error")


class Messages(StatusLine):
    """The message lines of the panel; none opens a dialog."""

    def __init__(self, ui: Ui) -> None:
        """Take over the labels of a panel."""
        self.ui, self.line = ui, ui.statusLabel
        ui.noticeLabel.styleSheet = STYLES["notice"]

    def warn(self, sentences: Iterable[str]) -> None:
        """Show warnings; hide the line without any."""
        words = [panelWords(str(sentence)) for sentence in sentences]
        self.ui.warningLabel.styleSheet = STYLES["warning"]
        showText(self.ui.warningLabel, "\n".join(words))

    def hint(self, hasScan: bool) -> None:
        """Show in an empty panel how to begin."""
        words = _("Load a file, or choose the views of a scan that is loaded already.")
        if not hasScan and not self.ui.statusLabel.text:
            self.say(words)
        elif hasScan and self.ui.statusLabel.text == words:
            self.say("")

    def progress(self, event: WorkerEvent, step: str) -> None:
        """Show the progress of the worker; `step` describes the current step."""
        self.ui.progressBar.setValue(round(100 * event.fraction))
        if event.remaining is not None:
            step = _("{step} - about {seconds:.0f} s left").format(step=step, seconds=event.remaining)
        self.say(step)

    def ready(self, facts: Mapping[str, Any], busy: bool) -> None:
        """Show that the model is loaded, before the first scan is read."""
        self.ui.deviceLabel.text = _("{engine} (ready)").format(engine=engineWords(facts))
        if facts["warnings"] and not busy:
            self.warn(facts["warnings"])

    def found(self, live: LiveReading | None) -> None:
        """Show the summary of a reading; clear it without one."""
        if live is None:
            showText(self.ui.summaryLabel, "")
            self.warn([])
            return
        receipt, count = live.reading.receipt, len(live.reading.lesions)
        area = sum(lesion.area_mm2 for lesion in live.reading.lesions) / 100
        if count == 0:
            words = [_("No area of abnormal uptake at this threshold.")]
        elif count == 1:
            words = [_("One area of abnormal uptake, {area:.1f} cm².").format(area=area)]
        else:
            words = [_("{n} areas of abnormal uptake, {area:.1f} cm² in all.").format(n=count, area=area)]
        if live.result.crop.method == "whole-body":
            words.append(_("The whole body was read."))
        else:
            words.append(_("Only the region in the box was read."))
        if live.edited:
            words.append(_("Edited manually; the sliders do not change edited areas."))
        showText(self.ui.summaryLabel, " ".join(words))
        warnings = receipt.get("warnings")
        self.warn(warnings if isinstance(warnings, list) else [])
        self.ui.deviceLabel.text = engineWords(receipt)


class RunningBar:
    """Progress of a reading, extrapolated between the worker's events."""

    def __init__(self, event: WorkerEvent, before: RunningBar | None = None) -> None:
        """Take over an event of kind "progress"; the bar does not go back behind the one `before`."""
        self._event, self._start = event, time.monotonic()
        self._floor = max(event.fraction, before.now().fraction if before is not None else 0.0)

    def now(self) -> WorkerEvent:
        """The event with the time left and the share done as they are now."""
        if self._event.remaining is None:
            return replace(self._event, fraction=self._floor)
        passed = time.monotonic() - self._start
        expected = max(self._event.remaining, passed)
        share = passed / (expected + passed) if expected > 0 else 0.0
        left = max(0.0, self._event.remaining - passed)
        return replace(self._event, remaining=left, fraction=self._floor + (1 - self._floor) * share)
