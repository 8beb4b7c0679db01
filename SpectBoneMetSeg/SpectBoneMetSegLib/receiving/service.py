"""The receiver at work: one thread reads the studies that are complete, another sends results on."""

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
from ..common.errors import UserError
from ..common.plural import pluralize
from .delivery import Delivery
from .journal import Entry
from .reading import StudyResult, read_study
from .sending import Destination
from .spool import Spool
from .table import write_studies

__all__ = ["ReceiverOptions", "Service"]

#: Seconds between two looks, between two tries of what could not be written, and between two rounds of tidying.
POLL, RETRY, TIDY_EVERY = 0.2, 60.0, 3600.0
#: Why a late image is not read.
REMOVED = "Images of this study were removed; send all of it again."
#: Seconds that the threads get to end.
PATIENCE = 5.0


@dataclass(frozen=True)
class ReceiverOptions:
    """How a receiver works.

    Attributes:
        quiet_seconds: a study is complete when nothing was added to it for so long.
        keep_seconds: images are removed so long after their results were written and sent.
        own_title: our application entity title.
        destinations: where results are sent.
        retry_failed: also read again what could not be read before, and offer again what was refused.
    """

    quiet_seconds: float = 30.0
    keep_seconds: float = 30 * 86400.0
    own_title: str = "SPECTBONEMETSEG"
    destinations: tuple[Destination, ...] = field(default=())
    retry_failed: bool = False


class Service:
    """Reads what comes into a spool and sends the results on, until it is ended."""

    def __init__(
        self,
        spool: Spool,
        output: Path,
        done: Callable[[Case], bool],
        read: ReadCases,
        options: ReceiverOptions,
        tell: Callable[[str], None],
        told: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """Nothing is done before `start`.

        Args:
            spool: of the images.
            output: folder of all results.
            done: see `read_study`.
            read: see `read_study`.
            options: how to work.
            tell: is given sentences, told what came of each study ("study", "state", "reason", "cases").
        """
        self._spool, self._output, self._done, self._read = spool, output, done, read
        self._options, self._tell, self._told = options, tell, told
        if options.retry_failed:
            self._begin_failed_again()
        self._delivery = Delivery(spool.journal, output, list(options.destinations), options.own_title, tell)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._reading, self._sending)]

    def start(self) -> None:
        """Begin; returns at once."""
        self._write_table()
        for thread in self._threads:
            thread.start()

    def ask_to_end(self) -> None:
        """Begin nothing any more; what ends meanwhile is taken for no fault."""
        self._stop.set()

    def end(self) -> None:
        """Stop between two steps; what is under way is begun again by the next receiver."""
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
                # Whatever it is, images go on coming.
                self._tell(f"Reading broke off ({type(error).__name__}: {error}); it is tried again.")
                self._stop.wait(RETRY)

    def _sending(self) -> None:
        while not self._stop.is_set():
            try:
                if self._delivery.work(self._stop):
                    self._write_table()
                else:
                    self._stop.wait(POLL)
            except Exception as error:  # noqa: BLE001
                # One odd answer must not end all sending.
                self._tell(f"Sending broke off ({type(error).__name__}: {error}); it is tried again.")
                self._stop.wait(RETRY)

    def _read_one(self, key: str, mark: float) -> None:
        """Read a study, and note what came of it."""
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
        self._tell(f"{key}: complete with {pluralize(len(names), 'image')}; reading.")
        try:
            found = self._found(images)
            with self._delivery.guard:
                _note(entry, found, fingerprint, self._output)
                entry.images = names
                spool.journal.write(entry)
        except (UserError, OSError) as error:
            if not self._stop.is_set():
                self._tell(f"{key}: {error}; it is tried again in {RETRY:.0f} s.")
                # What waits does so for the quiet seconds as well.
                spool.put_off(key, RETRY - self._options.quiet_seconds)
            return
        spool.settle(key, mark)
        self._delivery.add(key)
        self._say(entry)
        self._write_table()

    def _leave_unread(self, entry: Entry, fingerprint: str, names: list[str]) -> None:
        """Late images whose study's others are gone: a result of them alone would replace that of all."""
        with self._delivery.guard:
            entry.state, entry.reason, entry.read = "failed", REMOVED, fingerprint
            entry.images = sorted({*entry.images, *names})
            self._spool.journal.write(entry)
        self._tell(f"{entry.key}: {REMOVED}")
        self._told(_told(entry))
        self._write_table()

    def _found(self, images: Path) -> StudyResult:
        try:
            return read_study(images, self._output, self._done, self._read)
        except (UserError, OSError):
            raise
        except Exception as error:  # noqa: BLE001
            # One odd study must not stop the others.
            sentence = f"It could not be read ({type(error).__name__}: {error}); please report it."
            return StudyResult(failures=[sentence])

    def _say(self, entry: Entry) -> None:
        for row in entry.cases:
            if row["state"] != "failed":
                found = f"{pluralize(row['areas'], 'area')}, {row['area_cm2']} cm2"
                self._tell(f"{entry.key}: {found} -> {self._output / row['case']}")
        if entry.reason:
            self._tell(f"{entry.key}: {entry.state}: {entry.reason}")
        self._told(_told(entry))

    def _tidy(self) -> None:
        with contextlib.suppress(OSError):
            removed = self._spool.tidy(self._options.keep_seconds)
            if removed:
                self._tell(f"Removed the images of {pluralize(len(removed), 'study', 'studies')} read long ago.")

    def _write_table(self) -> None:
        try:
            with self._delivery.guard:
                write_studies(self._output, self._spool.journal.all())
        except OSError as error:
            self._tell(f"The table of studies cannot be written ({error.strerror}); it is tried again.")


def _told(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in ("study_uid", "state", "reason", "cases")} | {"study": entry.key}


def _note(entry: Entry, found: StudyResult, fingerprint: str, output: Path) -> None:
    """What came of a reading, in the entry of its study."""
    entry.state = "failed" if found.failures else "no scan" if found.none else "read"
    entry.reason = " ".join(dict.fromkeys(found.failures)) or found.none
    entry.read, entry.over, entry.cases = fingerprint, False, found.rows
    entry.folders = sorted({*entry.folders, *(str(folder.relative_to(output)) for folder in found.folders)})
