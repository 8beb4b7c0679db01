"""The folder of received images. An image is acknowledged only when it would survive a crash or power cut.

`studies/<study>/<image>.dcm` are the images, `journal/<study>.json` their states; `incoming/` holds incomplete images.
Names are digests of UIDs, because senders choose the UIDs: no name leads out of the folder, and none names a patient.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..common.errors import UserError, reason_of
from ..common.files import sha256_of, sync_folder, write_durably
from ..common.locks import LOCK, FileLock
from .journal import Entry, Journal

__all__ = ["FullError", "Spool", "study_key"]

#: Digits of the digests that name studies (a million of them collide with a probability of 2e-8) and images.
STUDY_LETTERS, IMAGE_LETTERS = 16, 24
#: Form of a UID (PS3.5 9.1).
UID = re.compile(r"[0-9.]{1,64}")
#: Bytes that stay free on the disk.
RESERVE_BYTES = 2**30
#: Age (s) at which an incomplete image belongs to a connection that has ended.
LEFTOVER_SECONDS = 900.0
#: Seconds to wait for the last process of a killed run.
LOCK_PATIENCE = 5.0


class FullError(Exception):
    """There is no space for another image."""


def study_key(study_uid: str) -> str:
    """Return the name of a study in folders, tables and messages."""
    return f"study-{_digest(study_uid, STUDY_LETTERS)}"


def _digest(text: str, letters: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:letters]


@dataclass
class Spool:
    """Images on the disk, and the arrival time of each study's last image; may be used from several threads.

    Attributes:
        folder: folder of the spool.
        limit_bytes: maximum size of all images together, incomplete ones included.
        journal: states of the studies.
        log: called with messages, also from several threads.
    """

    folder: Path
    limit_bytes: float
    journal: Journal
    _lock: FileLock
    log: Callable[[str], None] = lambda _: None
    _arrivals: dict[str, float] = field(default_factory=dict)
    _bytes: int = 0
    _guard: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def opened(cls, folder: Path, limit_bytes: float, log: Callable[[str], None] = lambda _: None) -> Spool:
        """Lock the folder for this process, and find the studies that an earlier process left unread.

        Args:
            folder: folder of the spool, created if it does not exist.
            limit_bytes: maximum size of all images together.
            log: called with messages, also from several threads.

        Raises:
            UserError: another receiver uses the folder, or it cannot be written.
        """
        try:
            # The images contain patients' names.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _close_to_others(folder, log)
            lock = FileLock(folder / LOCK)
            if not lock.acquire(LOCK_PATIENCE):
                raise UserError(f"Another receiver is using {folder}; end it, or choose another folder.")
            shutil.rmtree(folder / "incoming", ignore_errors=True)
            for name in ("incoming", "studies", "journal"):
                (folder / name).mkdir(exist_ok=True)
            journal = Journal(folder / "journal", lambda key: any((folder / "studies" / key).glob("*.dcm")))
            spool = cls(folder, limit_bytes, journal, lock, log)
            spool._find_unread()
        except OSError as error:
            raise UserError(f"{folder} cannot be used ({reason_of(error)}); choose another folder.") from error
        return spool

    @property
    def incoming(self) -> Path:
        """Folder of incomplete images."""
        return self.folder / "incoming"

    def study(self, key: str) -> Path:
        """Return the folder of a study's images."""
        return self.folder / "studies" / key

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()

    def _find_unread(self) -> None:
        for study in sorted((self.folder / "studies").iterdir()):
            if not study.is_dir():
                # For example a file of a file manager.
                continue
            for path in study.glob(".*.unfinished"):
                path.unlink()
            self._bytes += sum(path.stat().st_size for path in study.iterdir())
            entry = self.journal.of(study.name)
            if entry is None or entry.read != self.fingerprint(study.name):
                self._arrivals[study.name] = time.monotonic()
            elif not entry.images:
                # Written by an earlier version, which recorded no names.
                entry.images = self.images(study.name)

    def keep(self, file: Path, study_uid: str, sop_uid: str) -> bool:
        """Store an image; it is flushed to the disk when this returns.

        An image with a known UID and other content is a correction, and replaces the earlier one.

        Args:
            file: the image, which is copied.
            study_uid: its StudyInstanceUID.
            sop_uid: its SOPInstanceUID.

        Returns:
            False if the same image was already stored.

        Raises:
            FullError: there is no space.
            OSError: the image cannot be written.
        """
        key = study_key(study_uid)
        target = self.study(key) / f"{_digest(sop_uid, IMAGE_LETTERS)}.dcm"
        size = file.stat().st_size
        with self._guard:
            if target.is_file() and sha256_of(target) == sha256_of(file):
                return False
            self._make_space(size, key, file)
            if self.journal.of(key) is None:
                # A text that is not a UID may be anything, even a name: it is not recorded.
                self.journal.write(Entry(key, study_uid if UID.fullmatch(study_uid) else ""))
            if not target.parent.is_dir():
                target.parent.mkdir()
                sync_folder(target.parent.parent)
            before = target.stat().st_size if target.is_file() else 0
            write_durably(target, file)
            self._bytes += size - before
            self._arrivals[key] = time.monotonic()
        return True

    def _make_space(self, size: int, key: str, file: Path) -> None:
        """Remove the oldest images of finished studies, except those of `key`, to copy a received `file`.

        Images of failed studies are removed last: there is no result of them.

        Raises:
            FullError: there is not enough space nevertheless.
        """
        if self._has_space(size, file):
            return
        for entry in sorted(self.journal.all(), key=lambda each: each.state == "failed"):
            if entry.over and entry.key != key and self._forget_images(entry) and self._has_space(size, file):
                return
        raise FullError

    def _has_space(self, size: int, file: Path) -> bool:
        # The received file itself is gone as soon as it is copied.
        together = self._bytes + size + self._incoming_bytes(besides=file)
        return together <= self.limit_bytes and self.free_bytes() >= size

    def _incoming_bytes(self, besides: Path | None = None) -> int:
        """Return the size of the incomplete images."""
        found = 0
        for path in self.incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found += status.st_size if stat.S_ISREG(status.st_mode) and path != besides else 0
        return found

    def may_grow(self) -> bool:
        """Return whether incomplete images may go on growing, if the images of finished studies made way for them."""
        with self._guard:
            over = [self.study(entry.key) for entry in self.journal.all() if entry.over]
            removable = sum(
                path.stat().st_size
                for study in over
                if study.name not in self._arrivals and study.is_dir()
                for path in study.iterdir()
            )
            stays = self._bytes - removable + self._incoming_bytes()
        return stays <= self.limit_bytes and self.free_bytes() >= 0

    def free_bytes(self) -> int:
        """Return how many bytes may still be written to the disk."""
        return shutil.disk_usage(self.folder).free - RESERVE_BYTES

    def waiting(self, quiet_seconds: float) -> list[tuple[str, float]]:
        """Return (key, arrival time of the last image) of the unread studies that are complete, the oldest first."""
        now = time.monotonic()
        with self._guard:
            quiet = [(at, key) for key, at in self._arrivals.items() if now - at >= quiet_seconds]
        return [(key, at) for at, key in sorted(quiet)]

    def put_off(self, key: str, seconds: float) -> None:
        """Delay the reading of a study."""
        with self._guard:
            self._arrivals[key] = time.monotonic() + seconds

    def settle(self, key: str, mark: float) -> None:
        """Mark a study as read, unless an image has arrived since `mark`."""
        with self._guard:
            if self._arrivals.get(key) == mark:
                del self._arrivals[key]

    def images(self, key: str) -> list[str]:
        """Return the names of a study's images."""
        return sorted(path.name for path in self.study(key).glob("*.dcm"))

    def fingerprint(self, key: str) -> str:
        """Return a digest of the names, sizes and times of a study's images; "" without images."""
        with contextlib.suppress(FileNotFoundError):
            files = [(path.name, path.stat()) for path in sorted(self.study(key).glob("*.dcm"))]
            text = str([(name, status.st_size, status.st_mtime_ns) for name, status in files])
            return _digest(text, STUDY_LETTERS) if files else ""
        return ""

    def tidy(self, keep_seconds: float) -> list[str]:
        """Remove the images of studies finished long ago, and incomplete images of lost connections.

        Returns:
            Keys of the studies whose images were removed.
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
        """Remove the images of a study, unless it is waiting to be read; return whether they were removed."""
        folder = self.study(entry.key)
        if entry.key in self._arrivals or not folder.is_dir():
            return False
        size = sum(path.stat().st_size for path in folder.iterdir())
        removed = self.incoming / entry.key
        try:
            # In one step: after a power failure an incomplete study would be read as a changed one.
            folder.rename(removed)
        except OSError:
            return False
        self._bytes -= size
        shutil.rmtree(removed, ignore_errors=True)
        if entry.state == "failed":
            self.log(f"{entry.key}: its images are removed and were never read; send it again to have it read.")
        return True


def _close_to_others(folder: Path, log: Callable[[str], None]) -> None:
    """Remove other users' permissions on an existing folder; log a message if that is not possible."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        folder.chmod(0o700)
    if folder.stat().st_mode & 0o077:
        log(
            f"Other users of this machine can read {folder}, which contains patients' names: remove their access to it."
        )
