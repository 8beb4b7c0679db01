"""The folder of received images. What is in it survives whatever happens; who may be told "stored" is decided here.

`studies/<study>/<image>.dcm` are images, `journal/<study>.json` tells what became of them, `incoming/` holds what is
not complete. Names are digests of UIDs, which senders choose: none leads out of the folder, and none names a patient.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import UserError
from ..common.files import sha256_of, sync_folder, write_durably
from ..common.locks import LOCK, FileLock
from .journal import Entry, Journal

__all__ = ["FullError", "Spool", "study_key"]

#: Letters of a digest that names a study (a million of them collide with a probability of 2e-8) and an image.
STUDY_LETTERS, IMAGE_LETTERS = 16, 24
#: What a UID consists of (PS3.5 9.1).
UID = re.compile(r"[0-9.]{1,64}")
#: Bytes that stay free on the disk.
RESERVE_BYTES = 2**30
#: What lies incomplete for so many seconds belongs to a connection that is gone.
LEFTOVER_SECONDS = 900.0
#: Seconds that a killed run's last process may need to end.
LOCK_PATIENCE = 5.0


class FullError(Exception):
    """There is no room for another image."""


def study_key(study_uid: str) -> str:
    """What a study is called in folders, tables and messages."""
    return f"study-{_digest(study_uid, STUDY_LETTERS)}"


def _digest(text: str, letters: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:letters]


@dataclass
class Spool:
    """Images on the disk and when the last one of each study came; may be used from several threads.

    Attributes:
        folder: where.
        limit_bytes: of all images together.
        journal: what became of the studies.
        tell: is given sentences; may be called from several threads.
    """

    folder: Path
    limit_bytes: float
    journal: Journal
    _lock: FileLock
    tell: Callable[[str], None] = lambda _: None
    _arrivals: dict[str, float] = field(default_factory=dict)
    _bytes: int = 0
    _guard: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def opened(cls, folder: Path, limit_bytes: float, tell: Callable[[str], None] = lambda _: None) -> Spool:
        """Take the folder for this process alone, and find what an earlier one left to do.

        Args:
            folder: where; made where it is not there.
            limit_bytes: of all images together.
            tell: is given sentences; may be called from several threads.

        Raises:
            UserError: another process has it, or it cannot be written.
        """
        try:
            # Patients' names are in the images.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _close_to_others(folder, tell)
            lock = FileLock(folder / LOCK)
            if not lock.acquire(LOCK_PATIENCE):
                raise UserError(f"Another receiver is at work in {folder}; end it, or choose another folder.")
            shutil.rmtree(folder / "incoming", ignore_errors=True)
            for name in ("incoming", "studies", "journal"):
                (folder / name).mkdir(exist_ok=True)
            journal = Journal(folder / "journal", lambda key: any((folder / "studies" / key).glob("*.dcm")))
            spool = cls(folder, limit_bytes, journal, lock, tell)
            spool._find_unread()
        except OSError as error:
            raise UserError(f"{folder} cannot be used ({error.strerror}); choose another folder.") from error
        return spool

    @property
    def incoming(self) -> Path:
        """The folder of what is not complete."""
        return self.folder / "incoming"

    def study(self, key: str) -> Path:
        """The folder of a study's images."""
        return self.folder / "studies" / key

    def release(self) -> None:
        """Let others in."""
        self._lock.release()

    def _find_unread(self) -> None:
        for place in sorted((self.folder / "studies").iterdir()):
            if not place.is_dir():
                # Such as what a file manager leaves.
                continue
            for path in place.glob(".*.unfinished"):
                path.unlink()
            self._bytes += sum(path.stat().st_size for path in place.iterdir())
            entry = self.journal.of(place.name)
            if entry is None or entry.read != self.fingerprint(place.name):
                self._arrivals[place.name] = time.monotonic()
            elif not entry.images:
                # Of an earlier version, which noted no names.
                entry.images = self.images(place.name)

    def keep(self, file: Path, study_uid: str, sop_uid: str) -> bool:
        """Take over an image; it is on the disk when this returns.

        An image that is sent again replaces the one of its UID, if it is another: the archive has corrected it.

        Args:
            file: a copy is made of it.

        Returns:
            False where the very same image was there.

        Raises:
            FullError: no room. OSError: the disk takes nothing.
        """
        key = study_key(study_uid)
        target = self.study(key) / f"{_digest(sop_uid, IMAGE_LETTERS)}.dcm"
        size = file.stat().st_size
        with self._guard:
            if target.is_file() and sha256_of(target) == sha256_of(file):
                return False
            self._make_room(size, key)
            if self.journal.of(key) is None:
                # What is no UID may be anything, also a name.
                self.journal.write(Entry(key, study_uid if UID.fullmatch(study_uid) else ""))
            if not target.parent.is_dir():
                target.parent.mkdir()
                sync_folder(target.parent.parent)
            before = target.stat().st_size if target.is_file() else 0
            write_durably(target, file)
            self._bytes += size - before
            self._arrivals[key] = time.monotonic()
        return True

    def _make_room(self, size: int, key: str) -> None:
        """Give up the oldest images that are done with, never those of `key`; FullError where that is not enough.

        What could not be read goes last: nothing but its images is left of it.
        """
        if self._has_room(size):
            return
        for entry in sorted(self.journal.all(), key=lambda each: each.state == "failed"):
            if entry.over and entry.key != key and self._forget_images(entry) and self._has_room(size):
                return
        raise FullError

    def _has_room(self, size: int) -> bool:
        return self._bytes + size <= self.limit_bytes and self.free_bytes() >= size

    def free_bytes(self) -> int:
        """What may still be written to the disk."""
        return shutil.disk_usage(self.folder).free - RESERVE_BYTES

    def waiting(self, quiet_seconds: float) -> list[tuple[str, float]]:
        """(study, mark of its last image) of those to which nothing was added for a while, the longest first."""
        now = time.monotonic()
        with self._guard:
            quiet = [(at, key) for key, at in self._arrivals.items() if now - at >= quiet_seconds]
        return [(key, at) for at, key in sorted(quiet)]

    def put_off(self, key: str, seconds: float) -> None:
        """Let a study wait for longer."""
        with self._guard:
            self._arrivals[key] = time.monotonic() + seconds

    def settle(self, key: str, mark: float) -> None:
        """A study is read; it waits on only if images came meanwhile."""
        with self._guard:
            if self._arrivals.get(key) == mark:
                del self._arrivals[key]

    def images(self, key: str) -> list[str]:
        """The names of a study's images."""
        return sorted(path.name for path in self.study(key).glob("*.dcm"))

    def fingerprint(self, key: str) -> str:
        """What tells a study's images from others, and from themselves once they were replaced; "" without any."""
        with contextlib.suppress(FileNotFoundError):
            facts = [(path.name, path.stat()) for path in sorted(self.study(key).glob("*.dcm"))]
            told = str([(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts])
            return _digest(told, STUDY_LETTERS) if facts else ""
        return ""

    def tidy(self, keep_seconds: float) -> list[str]:
        """Remove images that were done with long ago, and what broken connections left.

        Returns:
            The studies whose images are removed.
        """
        for path in self.incoming.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                    path.unlink()
        removed = []
        for entry in self.journal.all():
            if entry.over and time.time() - entry.since > keep_seconds and self.study(entry.key).is_dir():
                with self._guard:
                    if self._forget_images(entry):
                        removed.append(entry.key)
        return removed

    def _forget_images(self, entry: Entry) -> bool:
        """Remove the images of a study, unless it waits to be read."""
        place = self.study(entry.key)
        if entry.key in self._arrivals or not place.is_dir():
            return False
        size = sum(path.stat().st_size for path in place.iterdir())
        going = self.incoming / entry.key
        try:
            # At once: half a study would be taken for one with something new in it after a power failure.
            place.rename(going)
        except OSError:
            return False
        self._bytes -= size
        shutil.rmtree(going, ignore_errors=True)
        if entry.state == "failed":
            self.tell(f"{entry.key}: its images are removed and were never read; send it again to have it read.")
        return True


def _close_to_others(folder: Path, tell: Callable[[str], None]) -> None:
    """Let nobody else look into a folder that was there before; tells where that cannot be had."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    if folder.stat().st_mode & 0o077:
        tell(f"Others on this machine can look into {folder}, where patients are named: take their rights away.")
