"""File locks that the operating system releases when their process ends, for whatever reason.

A lock shows whether its process is alive. A process ID does not: another process may have it by now.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import UserError

#: Lock file of a folder that one process at a time may write. It is never removed: two processes could then enter.
LOCK = ".lock"

#: Seconds between two attempts to acquire a lock.
RETRY = 0.05


class FileLock:
    """A lock that one process at a time holds, from `acquire` to `release` or to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def acquire(self, patience: float = 0.0) -> bool:
        """Acquire the lock; return False if another process holds it for longer than `patience` seconds.

        Raises:
            OSError: the file cannot be created, as in a folder that was removed.
        """
        file = self._path.open("a+b")
        end = time.monotonic() + patience
        while not _try(file, shared=False):
            if time.monotonic() >= end:
                file.close()
                return False
            time.sleep(RETRY)
        self._file = file
        return True

    def fileno(self) -> int | None:
        """Return the file descriptor while the lock is held; a child process that inherits it holds the lock, too."""
        return None if self._file is None else self._file.fileno()

    def release(self) -> None:
        """Release the lock; do nothing if it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock; the check itself holds a shared lock for an instant."""
    try:
        with path.open("r+b") as file:
            return not _try(file, shared=True)
    except OSError:
        return False


def acquire_lock(path: Path, writing: Path, *fields: str, who: str = "process") -> FileLock:
    """Acquire a lock and return it.

    Args:
        path: lock file.
        writing: the folder that the lock protects, for the error message.
        *fields: fields of the error.
        who: what may hold the lock, for the error message.

    Raises:
        UserError: another process holds the lock.
        OSError: the lock file cannot be created.
    """
    lock = FileLock(path)
    if not lock.acquire():
        raise UserError(
            f"Another {who} is writing {writing}; wait until it has ended, or choose another folder.", *fields
        )
    return lock


@contextmanager
def exclusive_access(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes that use this function.

    Args:
        folder: created if it does not exist.

    Raises:
        UserError: another process holds the folder's lock.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(folder / LOCK, folder)
    try:
        yield
    finally:
        lock.release()


if sys.platform == "win32":
    import msvcrt

    def _try(file: BinaryIO, *, shared: bool) -> bool:
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        if shared:
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        return True

else:
    import fcntl

    def _try(file: BinaryIO, *, shared: bool) -> bool:
        try:
            # A shared lock: two processes that check at the same time do not take each other for the holder.
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
