"""The receiver's service: one thread reads complete studies, another sends their results."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..batch.cases import Case
from ..batch.run import ReadCases
from ..common.errors import UserError, reason_of
from ..common.plural import pluralize
from .delivery import Delivery
from .journal import Entry
from .reading import StudyResult, read_study
from .sending import Destination
from .spool import Spool
from .table import write_studies

__all__ = ["ReceiverOptions", "ReceivingService"]

#: Seconds between two checks for work, two attempts after an error, and two removals of old images.
POLL, RETRY, TIDY_EVERY = 0.2, 60.0, 3600.0
#: Why a late image is not read.
REMOVED = "Images of this study were removed; send all of it again."
#: Seconds to wait for the threads to end.
PATIENCE = 5.0


@dataclass(frozen=True)
class ReceiverOptions:
    """Options of a receiver.

    Attributes:
        quiet_seconds: time after its last image when a study is complete.
        keep_seconds: time after writing and sending its results when a study's images are removed.
        own_title: application entity title of this program.
        destinations: archives that receive the results.
        retry_failed: read again what has failed, and send again what was refused.
    """

    quiet_seconds: float = 30.0
    keep_seconds: float = 30 * 86400.0
    own_title: str = "SPECTBONEMETSEG"
    destinations: tuple[Destination, ...] = field(default=())
    retry_failed: bool = False


class ReceivingService:
    """Reads the studies of a spool and sends their results, until it is ended."""

    def __init__(
        self,
        spool: Spool,
        output: Path,
        done: Callable[[Case], bool],
        read: ReadCases,
        options: ReceiverOptions,
        log: Callable[[str], None],
        report: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """Prepare the service; it is started by `start`.

        Args:
            spool: holds the images.
            output: folder of all results.
            done: see `read_study`.
            read: see `read_study`.
            options: options of the receiver.
            log: called with messages.
            report: called with the state of each study ("study", "study_uid", "state", "reason", "cases").
        """
        self._spool, self._output, self._done, self._read = spool, output, done, read
        self._options, self._log, self._report = options, log, report
        if options.retry_failed:
            self._begin_failed_again()
        self._delivery = Delivery(spool.journal, output, list(options.destinations), options.own_title, log)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._reading, self._sending)]

    def start(self) -> None:
        """Start the threads; return at once."""
        self._write_table()
        for thread in self._threads:
            thread.start()

    def ask_to_end(self) -> None:
        """Start no more work; errors from now on are not logged."""
        self._stop.set()

    def end(self) -> None:
        """Stop between two steps; the next receiver repeats an interrupted step."""
        self.ask_to_end()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _begin_failed_again(self) -> None:
        for entry in self._spool.journal.all():
            unread = entry.state == "failed" and bool(self._spool.images(entry.key))
            if entry.refused or unread:
                entry.refused, entry.over = {}, False
                if unread:
                    entry.read = ""
                    self._spool.put_off(entry.key, 0.0)
                self._spool.journal.write(entry)

    def _reading(self) -> None:
        tidied = -TIDY_EVERY
        while not self._stop.is_set():
            if time.monotonic() - tidied > TIDY_EVERY:
                tidied = time.monotonic()
                self._tidy()
            try:
                waiting = self._spool.waiting(self._options.quiet_seconds)
                if waiting:
                    self._read_one(*waiting[0])
                else:
                    self._stop.wait(POLL)
            except Exception as error:  # noqa: BLE001
                # Reception continues after any error.
                self._log(f"Reading was interrupted ({type(error).__name__}: {error}); it is tried again.")
                self._stop.wait(RETRY)

    def _sending(self) -> None:
        while not self._stop.is_set():
            try:
                if self._delivery.work(self._stop):
                    self._write_table()
                else:
                    self._stop.wait(POLL)
            except Exception as error:  # noqa: BLE001
                # One unexpected response must not stop all sending.
                self._log(f"Sending was interrupted ({type(error).__name__}: {error}); it is tried again.")
                self._stop.wait(RETRY)

    def _read_one(self, key: str, mark: float) -> None:
        """Read a study, and record the result."""
        spool, images = self._spool, self._spool.study(key)
        entry = spool.journal.of(key) or Entry(key, "")
        fingerprint, names = spool.fingerprint(key), spool.images(key)
        if fingerprint in ("", entry.read):
            spool.settle(key, mark)
            return
        if not set(entry.images) <= set(names):
            self._leave_unread(entry, fingerprint, names)
            spool.settle(key, mark)
            return
        self._log(f"{key}: complete with {pluralize(len(names), 'image')}; reading.")
        try:
            found = self._found(images)
            with self._delivery.guard:
                _record_result(entry, found, fingerprint, self._output)
                entry.images = names
                spool.journal.write(entry)
        except (UserError, OSError) as error:
            if not self._stop.is_set():
                self._log(f"{key}: {reason_of(error)}; it is tried again in {RETRY:.0f} s.")
                # `waiting` adds the quiet seconds.
                spool.put_off(key, RETRY - self._options.quiet_seconds)
            return
        spool.settle(key, mark)
        self._delivery.add(key)
        self._log_study(entry)
        self._write_table()

    def _leave_unread(self, entry: Entry, fingerprint: str, names: list[str]) -> None:
        """Reject late images of a study whose other images were removed: their result would replace that of all."""
        with self._delivery.guard:
            entry.state, entry.reason, entry.read = "failed", REMOVED, fingerprint
            entry.images = sorted({*entry.images, *names})
            self._spool.journal.write(entry)
        self._log(f"{entry.key}: {REMOVED}")
        self._report(_summary_of(entry))
        self._write_table()

    def _found(self, images: Path) -> StudyResult:
        try:
            return read_study(images, self._output, self._done, self._read)
        except (UserError, OSError):
            raise
        except Exception as error:  # noqa: BLE001
            # One study must not stop the others.
            message = f"It could not be read ({type(error).__name__}: {error}); please report it."
            return StudyResult(failures=[message])

    def _log_study(self, entry: Entry) -> None:
        for row in entry.cases:
            if row["state"] != "failed":
                found = f"{pluralize(row['areas'], 'area')}, {row['area_cm2']} cm2"
                self._log(f"{entry.key}: {found} -> {self._output / row['case']}")
        if entry.reason:
            self._log(f"{entry.key}: {entry.state}: {entry.reason}")
        self._report(_summary_of(entry))

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            removed = self._spool.tidy(self._options.keep_seconds)
            if removed:
                self._log(f"Removed the images of {pluralize(len(removed), 'study', 'studies')} read long ago.")

    def _write_table(self) -> None:
        try:
            with self._delivery.guard:
                write_studies(self._output, self._spool.journal.all())
        except OSError as error:
            self._log(f"The table of studies cannot be written ({reason_of(error)}); it is tried again.")


def _summary_of(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("study_uid", "state", "reason", "cases")} | {"study": entry.key}


def _record_result(entry: Entry, found: StudyResult, fingerprint: str, output: Path) -> None:
    """Record the result of a reading in the entry of its study."""
    entry.state = "failed" if found.failures else "no scan" if found.none else "read"
    entry.reason = " ".join(dict.fromkeys(found.failures)) or found.none
    entry.read, entry.over, entry.cases = fingerprint, False, found.rows
    entry.folders = sorted({*entry.folders, *(str(folder.relative_to(output)) for folder in found.folders)})
