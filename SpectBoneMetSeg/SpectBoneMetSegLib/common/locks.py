"""A lock on a file that the system itself releases when its holder ends, however it ends.

It tells whether a process lives without its number, which another process may have by now.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import UserError

#: In a folder that one process at a time may write. It stays: taking it away would let two in at once.
LOCK = ".lock"

#: Seconds between two tries of a lock that is waited for.
RETRY = 0.05


class FileLock:
    """Held by one process at a time, from `acquire` to `release` or to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def acquire(self, patience: float = 0.0) -> bool:
        """Take the lock; False if somebody else holds it for longer than `patience` seconds.

        Raises:
            OSError: the file cannot be made, as in a folder that is gone.
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
        """File descriptor while it is held: a child process that inherits it holds the lock as well."""
        return None if self._file is None else self._file.fileno()

    def release(self) -> None:
        """Let it go; nothing happens if it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock; asking keeps nobody from taking it for longer than an instant."""
    try:
        with path.open("r+b") as file:
            return not _try(file, shared=True)
    except OSError:
        return False


def acquire_lock(path: Path, writing: Path, *fields: str, who: str = "process") -> FileLock:
    """A lock that is held already.

    Args:
        path: of the lock.
        writing: the folder that it guards.
        fields: that a refusal names.
        who: may hold it.

    Raises:
        UserError: another process holds it. OSError: it cannot be made.
    """
    lock = FileLock(path)
    if not lock.acquire():
        raise UserError(
            f"Another {who} is writing {writing}; wait until it has ended, or choose another folder.", *fields
        )
    return lock


@contextmanager
def exclusive_access(folder: Path) -> Iterator[None]:
    """Keep other processes that ask out of a folder.

    Args:
        folder: made where it does not exist.

    Raises:
        UserError: another process is in it. OSError: it cannot be written.
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
            # A shared lock: two who ask at the same time do not take each other for the holder.
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
