"""What is still to be sent, and when it is tried again; each object that an archive has taken is noted at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .journal import Entry, Journal, several
from .sending import Destination, Parcel, objects_in, send

__all__ = ["Delivery"]

#: Seconds to the next try, doubled with each; without an end, because archives come back.
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0
#: So often an object is offered that the archive refuses by name.
OFFERS = 5


@dataclass
class _Due:
    """A study on its way: when it is tried next, how often it was, and what was said of it."""

    at: float = 0.0
    tries: int = 0
    told: str = ""


class Delivery:
    """Sends the results of studies to every destination, once."""

    def __init__(
        self,
        journal: Journal,
        output: Path,
        destinations: list[Destination],
        own_title: str,
        tell: Callable[[str], None],
    ) -> None:
        """Nothing is sent before `work`.

        Args:
            journal: tells which studies have something to send, and is told what was.
            output: of all results.
            destinations: where to.
            own_title: our application entity title.
            tell: is given sentences.
        """
        self._journal, self._output, self._destinations = journal, output, destinations
        self._own_title, self._tell = own_title, tell
        self._due: dict[str, _Due] = {}
        #: Held while an entry is changed.
        self.guard = threading.RLock()
        for entry in journal.all():
            if entry.read and not entry.over:
                self.add(entry.key)

    def add(self, key: str) -> None:
        """A study has results to send."""
        with self.guard:
            self._due[key] = _Due()

    def work(self, stop: threading.Event) -> bool:
        """Try the study that is due; False where none is."""
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
        problem = self._deliver(entry, state.tries, stop)
        with self.guard:
            if problem:
                state.at = time.monotonic() + min(FIRST_DELAY * 2 ** (state.tries - 1), LONGEST_DELAY)
                if problem != state.told:
                    state.told = problem
                    self._tell(f"{key}: {problem}; it is tried again.")
            elif entry.read == reading and self._due[key] is state:
                entry.over = True
                self._journal.write(entry)
                del self._due[key]
        return True

    def _deliver(self, entry: Entry, tries: int, stop: threading.Event) -> str:
        """Send what a study has to send; why it is to be tried again, "" where nothing is left."""
        problems = []
        for destination in self._destinations:
            try:
                parcels = self._left(entry, str(destination))
            except OSError as error:
                problems.append(f"its results cannot be read ({error.strerror})")
                continue
            if parcels:
                problems.append(self._send(entry, parcels, destination, tries, stop))
        return "; ".join(problem for problem in problems if problem)

    def _left(self, entry: Entry, name: str) -> list[Parcel]:
        settled = {*entry.sent.get(name, ()), *entry.refused.get(name, ())}
        found = [parcel for folder in entry.folders for parcel in objects_in(self._output / folder)]
        return [parcel for parcel in found if parcel.sop_uid not in settled]

    def _send(
        self, entry: Entry, parcels: list[Parcel], destination: Destination, tries: int, stop: threading.Event
    ) -> str:
        name = str(destination)

        def taken(uid: str) -> None:
            with self.guard:
                entry.sent.setdefault(name, []).append(uid)
                self._journal.write(entry)

        outcome = send(parcels, destination, self._own_title, taken, stop)
        if outcome.taken:
            self._tell(f"{entry.key}: sent {len(outcome.taken)} of {several(len(parcels), 'object')} to {name}.")
        if outcome.broken:
            return outcome.broken
        if outcome.refused and tries < OFFERS:
            return "; ".join(outcome.refused.values())
        if outcome.refused:
            with self.guard:
                entry.refused.setdefault(name, {}).update(outcome.refused)
            self._tell(f"{entry.key}: given up: {'; '.join(outcome.refused.values())}.")
        return ""
