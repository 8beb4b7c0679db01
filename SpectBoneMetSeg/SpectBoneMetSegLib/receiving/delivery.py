"""What is still to be sent, and when it is tried again; each object that an archive has taken is noted at once."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..common.plural import pluralize
from .journal import Entry, Journal
from .sending import Destination, DicomObject, objects_in, send

__all__ = ["Delivery"]

#: Seconds to the next try, doubled with each; without an end, because archives come back.
FIRST_DELAY, LONGEST_DELAY = 10.0, 600.0
#: The file that every result has.
RECEIPT = "receipt.json"
#: So often an object is offered that the archive refuses by name.
OFFERS = 5


@dataclass
class _Due:
    """A study on its way.

    Attributes:
        at: when it is tried next.
        tries: how often it was.
        told: what was said of it.
        refusals: how often each (destination, SOP Instance UID) was refused by name.
    """

    at: float = 0.0
    tries: int = 0
    told: str = ""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)


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
        problem = self._deliver(entry, state, stop)
        with self.guard:
            if problem:
                # No more doublings than are needed: after a week they would be more than a number holds.
                state.at = time.monotonic() + min(FIRST_DELAY * 2.0 ** min(state.tries - 1, 20), LONGEST_DELAY)
                if problem != state.told:
                    state.told = problem
                    self._tell(f"{key}: {problem}; it is tried again.")
            elif entry.read == reading and self._due[key] is state:
                entry.over = True
                self._journal.write(entry)
                del self._due[key]
        return True

    def _deliver(self, entry: Entry, state: _Due, stop: threading.Event) -> str:
        """Send what a study has to send; why it is to be tried again, "" where nothing is left."""
        problems = []
        for destination in self._destinations:
            try:
                parcels = self._left(entry, str(destination))
            except Exception as error:  # noqa: BLE001
                # Also what a damaged file does to its parser.
                problems.append(f"its results cannot be read ({_in_words(error)})")
                continue
            try:
                problems.append(self._send(entry, parcels, destination, state, stop) if parcels else "")
            except Exception as error:  # noqa: BLE001
                # One odd object must keep neither others nor other archives waiting.
                problems.append(f"its results cannot be sent to {destination} ({_in_words(error)})")
        return "; ".join(dict.fromkeys(problem for problem in problems if problem))

    def _left(self, entry: Entry, name: str) -> list[DicomObject]:
        settled = {*entry.sent.get(name, ()), *entry.refused.get(name, ())}
        found = [parcel for folder in entry.folders for parcel in objects_in(self._output / folder)]
        for folder in entry.folders:
            # After the look: a share that is away for a moment holds no objects either.
            if not (self._output / folder / RECEIPT).is_file():
                raise FileNotFoundError(errno.ENOENT, f"{folder} is not there or holds no {RECEIPT}")
        return [parcel for parcel in found if parcel.sop_uid not in settled]

    def _send(
        self, entry: Entry, parcels: list[DicomObject], destination: Destination, state: _Due, stop: threading.Event
    ) -> str:
        name = str(destination)

        def taken(uid: str) -> None:
            with self.guard:
                entry.sent.setdefault(name, []).append(uid)
                self._journal.write(entry)

        outcome = send(parcels, destination, self._own_title, taken, stop)
        if outcome.taken:
            self._tell(f"{entry.key}: sent {len(outcome.taken)} of {pluralize(len(parcels), 'object')} to {name}.")
        state.refusals.update((name, uid) for uid in outcome.refused)
        given_up = {uid: why for uid, why in outcome.refused.items() if state.refusals[name, uid] >= OFFERS}
        if given_up:
            with self.guard:
                entry.refused.setdefault(name, {}).update(given_up)
                self._journal.write(entry)
            self._tell(f"{entry.key}: given up: {'; '.join(given_up.values())}.")
        again = [why for uid, why in outcome.refused.items() if uid not in given_up]
        return "; ".join([outcome.broken] if outcome.broken else again)


def _in_words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"
