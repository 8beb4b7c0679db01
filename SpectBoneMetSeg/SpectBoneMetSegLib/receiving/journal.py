"""What became of each study, on the disk: a small file a study, so that a restart goes on where it was broken off."""

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

#: A study is forgotten after this time, once its images are gone.
FORGET_SECONDS = 365 * 86400.0


@dataclass
class Entry:
    """What is known of a study.

    Attributes:
        key: its name in folders, tables and messages.
        study_uid: StudyInstanceUID.
        state: of the images in `read`.
        reason: why it could not be read, or not be sent.
        read: fingerprint of the images that were read last; "" before the first reading.
        images: names of the files that were read; a study is not read again without each of them.
        cases: rows of the table, one a scan.
        folders: the results, by name.
        sent: {destination: SOP Instance UIDs that it has taken}.
        refused: the same of those that it will not take.
        over: nothing is left to be sent.
        since: seconds since 1970 of the last change.
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
    """The entries of a folder; each is whole and on the disk when `write` returns."""

    def __init__(self, folder: Path, has_images: Callable[[str], bool]) -> None:
        """Read what lies there, without what is so old that it is forgotten.

        Args:
            folder: of the entries.
            has_images: whether a study's images are there; it is never forgotten then, or it would be taken for new.

        Raises:
            OSError: they cannot be had.
        """
        self._folder = folder
        self._entries = {entry.key: entry for entry in _stored(folder, has_images)}

    def of(self, key: str) -> Entry | None:
        """The entry of a study."""
        return self._entries.get(key)

    def all(self) -> list[Entry]:
        """Every entry, the oldest change first."""
        # A copy: others add to it meanwhile.
        return sorted(list(self._entries.values()), key=lambda entry: (entry.since, entry.key))

    def write(self, entry: Entry) -> None:
        """Put an entry on the disk.

        Raises:
            OSError: the disk takes nothing.
        """
        entry.since = time.time()
        write_durably(self._folder / f"{entry.key}.json", json.dumps(asdict(entry), indent=1).encode())
        self._entries[entry.key] = entry


def _stored(folder: Path, has_images: Callable[[str], bool]) -> Iterator[Entry]:
    known = {each.name for each in fields(Entry)}
    for path in sorted(folder.glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            entry = Entry(**{name: value for name, value in told.items() if name in known})
        except (ValueError, TypeError, AttributeError):
            # A damaged entry costs one more reading, whose result is found in its folder.
            continue
        if entry.over and time.time() - entry.since > FORGET_SECONDS and not has_images(path.stem):
            path.unlink(missing_ok=True)
        elif entry.key == path.stem:
            yield entry
