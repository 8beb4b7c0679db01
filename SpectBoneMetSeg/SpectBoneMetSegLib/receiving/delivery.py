"""Delivery of results: objects still to be sent, and the time of the next attempt; each stored object is recorded."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import reason_of
from ..common.plural import pluralize
from .journal import Entry, Journal
from .sending import Destination, DicomObject, objects_in, send

__all__ = ["Delivery"]

#: Seconds to the next attempt, doubled each time; attempts never stop, because archives come back.
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0
#: A file of every result.
RECEIPT = "receipt.json"
#: Attempts to send an object that the archive refuses individually.
OFFERS = 5


@dataclass
class _Due:
    """A study with results to send.

    Attributes:
        at: time of the next attempt (s, monotonic).
        tries: number of attempts.
        last_problem: problem that was logged last.
        refusals: number of times each (destination, SOP Instance UID) was refused individually.
    """

    at: float = 0.0
    tries: int = 0
    last_problem: str = ""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)


class Delivery:
    """Sends the results of studies to every destination, once."""

    def __init__(
        self,
        journal: Journal,
        output: Path,
        destinations: list[Destination],
        own_title: str,
        log: Callable[[str], None],
    ) -> None:
        """Prepare the delivery; results are sent by `work`.

        Args:
            journal: has the studies with results to send, and records what was sent.
            output: folder of all results.
            destinations: the archives.
            own_title: application entity title of this program.
            log: called with messages.
        """
        self._journal, self._output, self._destinations = journal, output, destinations
        self._own_title, self._log = own_title, log
        self._due: dict[str, _Due] = {}
        #: Lock for changes of entries.
        self.guard = threading.RLock()
        for entry in journal.all():
            if entry.read and not entry.over:
                self.add(entry.key)

    def add(self, key: str) -> None:
        """Add a study with results to send."""
        with self.guard:
            self._due[key] = _Due()

    def work(self, stop: threading.Event) -> bool:
        """Send the results of the study that is due; return False if none is."""
        with self.guard:
            due = [(each.at, key) for key, each in self._due.items() if each.at <= time.monotonic()]
        if not due:
            return False
        key = min(due)[1]
        entry, state = self._journal.of(key), self._due[key]
        if entry is None:
            del self._due[key]
            return True
        reading, state.tries = entry.read, state.tries + 1
        problem = self._deliver(entry, state, stop)
        with self.guard:
            if problem:
                # A bounded exponent: after a week of attempts the power would overflow.
                state.at = time.monotonic() + min(FIRST_DELAY * 2.0 ** min(state.tries - 1, 20), LONGEST_DELAY)
                if problem != state.last_problem:
                    state.last_problem = problem
                    self._log(f"{key}: {problem}; it is tried again.")
            elif entry.read == reading and self._due[key] is state:
                entry.over = True
                self._journal.write(entry)
                del self._due[key]
        return True

    def _deliver(self, entry: Entry, state: _Due, stop: threading.Event) -> str:
        """Send the results of a study; return the reason to try again, "" if nothing is left to send."""
        problems = []
        for destination in self._destinations:
            try:
                objects = self._left(entry, str(destination))
            except Exception as error:  # noqa: BLE001
                # Includes any error of a parser on a damaged file.
                problems.append(f"its results cannot be read ({_error_text(error)})")
                continue
            try:
                problems.append(self._send(entry, objects, destination, state, stop) if objects else "")
            except Exception as error:  # noqa: BLE001
                # One object must not block others, nor other archives.
                problems.append(f"its results cannot be sent to {destination} ({_error_text(error)})")
        return "; ".join(dict.fromkeys(problem for problem in problems if problem))

    def _left(self, entry: Entry, name: str) -> list[DicomObject]:
        settled = {*entry.sent.get(name, ()), *entry.refused.get(name, ())}
        found = [item for folder in entry.folders for item in objects_in(self._output / folder)]
        for folder in entry.folders:
            # Checked after the search: an unavailable network share has no objects either.
            if not (self._output / folder / RECEIPT).is_file():
                raise FileNotFoundError(errno.ENOENT, f"{folder} is not there or holds no {RECEIPT}")
        return [item for item in found if item.sop_uid not in settled]

    def _send(
        self, entry: Entry, objects: list[DicomObject], destination: Destination, state: _Due, stop: threading.Event
    ) -> str:
        name = str(destination)

        def on_stored(uid: str) -> None:
            with self.guard:
                entry.sent.setdefault(name, []).append(uid)
                self._journal.write(entry)

        outcome = send(objects, destination, self._own_title, on_stored, stop)
        if outcome.stored:
            self._log(f"{entry.key}: sent {len(outcome.stored)} of {pluralize(len(objects), 'object')} to {name}.")
        state.refusals.update((name, uid) for uid in outcome.refused)
        given_up = {uid: reason for uid, reason in outcome.refused.items() if state.refusals[name, uid] >= OFFERS}
        if given_up:
            with self.guard:
                entry.refused.setdefault(name, {}).update(given_up)
                self._journal.write(entry)
            self._log(f"{entry.key}: given up: {'; '.join(given_up.values())}.")
        again = [reason for uid, reason in outcome.refused.items() if uid not in given_up]
        return "; ".join([outcome.interruption] if outcome.interruption else again)


def _error_text(error: Exception) -> str:
    return reason_of(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
