"""State of each study on the disk, one small file per study, so that a restart continues an interrupted run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..common.files import write_durably

__all__ = ["Entry", "Journal", "State"]

State = Literal["received", "read", "failed", "no scan"]

#: Age at which the entry of a study is removed, if its images have been removed.
FORGET_SECONDS = 365 * 86400.0


@dataclass
class Entry:
    """State of a study.

    Attributes:
        key: its name in folders, tables and messages.
        study_uid: StudyInstanceUID.
        state: state of the images in `read`.
        reason: why it could not be read or sent.
        read: fingerprint of the images that were read last; "" before the first reading.
        images: names of the files that were read; a study that lacks one of them is not read again.
        cases: rows of the table, one per scan.
        folders: names of the result folders.
        sent: {destination: SOP Instance UIDs that it has stored}.
        refused: {destination: {SOP Instance UID that it refuses: reason}}.
        over: nothing is left to be sent.
        since: time of the last change (s since 1970).
    """

    key: str
    study_uid: str
    state: State = "received"
    reason: str = ""
    read: str = ""
    images: list[str] = field(default_factory=list)
    cases: list[dict[str, Any]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    sent: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, dict[str, str]] = field(default_factory=dict)
    over: bool = False
    since: float = 0.0


class Journal:
    """The entries in a folder; each is written atomically and flushed to the disk when `write` returns."""

    def __init__(self, folder: Path, has_images: Callable[[str], bool]) -> None:
        """Read the entries, and remove old ones.

        Args:
            folder: folder of the entries.
            has_images: returns whether a study's images exist; its entry is kept then, or it would be read as new.

        Raises:
            OSError: the entries cannot be read.
        """
        self._folder = folder
        self._entries = {entry.key: entry for entry in _stored(folder, has_images)}

    def of(self, key: str) -> Entry | None:
        """Return the entry of a study, None if there is none."""
        return self._entries.get(key)

    def all(self) -> list[Entry]:
        """Return all entries, the oldest change first."""
        # A copy: other threads may add entries.
        return sorted(list(self._entries.values()), key=lambda entry: (entry.since, entry.key))

    def write(self, entry: Entry) -> None:
        """Write an entry to the disk.

        Raises:
            OSError: the entry cannot be written.
        """
        entry.since = time.time()
        write_durably(self._folder / f"{entry.key}.json", json.dumps(asdict(entry), indent=1).encode())
        self._entries[entry.key] = entry


def _stored(folder: Path, has_images: Callable[[str], bool]) -> Iterator[Entry]:
    known = {each.name for each in fields(Entry)}
    for path in sorted(folder.glob("*.json")):
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            entry = Entry(**{name: value for name, value in values.items() if name in known})
        except (ValueError, TypeError, AttributeError):
            # Without its entry the study is processed again; existing results are found in its folder.
            continue
        if entry.over and time.time() - entry.since > FORGET_SECONDS and not has_images(path.stem):
            path.unlink(missing_ok=True)
        elif entry.key == path.stem:
            yield entry
