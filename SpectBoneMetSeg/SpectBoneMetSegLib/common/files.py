"""Atomic writing of files and folders, and file hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError, reason_of

#: Error numbers of a full disk and of an exceeded disk quota.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def paths_under(folder: Path, on_error: Callable[[OSError], None] | None = None) -> list[Path]:
    """Return all files and folders below a folder, sorted; links are followed, every folder is listed once.

    Args:
        folder: where to search.
        on_error: called with the error of every folder that cannot be listed.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            # A link to a parent folder would be followed endlessly.
            folders.clear()
            continue
        seen.add(real)
        # Real folders before links to them: files get the path of the real folder.
        folders.sort(key=lambda name: (os.path.islink(os.path.join(parent, name)), name))
        found += [Path(parent, name) for name in (*folders, *files)]
    return sorted(found)


def ensure_writable(folder: Path, remedy: str = "choose another output folder") -> None:
    """Create a folder and try to write into it, before hours of work whose results could not be stored.

    Raises:
        UserError: the folder cannot be written; the message ends with the remedy.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({reason_of(error)}); {remedy}.", "output") from error


def temporary_path(target: Path) -> Path:
    """Return an unused hidden name in the same folder, so that renaming never crosses file systems."""
    return target.with_name(f".{uuid.uuid4().hex[:12]}.unfinished")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary file next to `path`, with the same suffix, that replaces `path` once it is written.

    Raises:
        OSError: the file cannot be written.
    """
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except RuntimeError as error:
        # SimpleITK's own error is many lines long and does not name the reason.
        raise OSError(f"{path.name} could not be written") from error
    finally:
        # Fails only if nothing could be written in the first place.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync_files(folder: Path) -> None:
    """Flush all files of a folder to the disk, so that a power cut leaves none of them empty.

    Raises:
        OSError: the files cannot be flushed.
    """
    from concurrent.futures import ThreadPoolExecutor

    files = [path for path in folder.rglob("*") if not path.is_dir()]
    # The disk flushes several files at once in less than half the time.
    with ThreadPoolExecutor(min(max(len(files), 1), 8)) as pool:
        list(pool.map(_sync_file, files))


def _sync_file(path: Path) -> None:
    # Windows flushes only files that are open for writing.
    with path.open("rb" if os.name == "posix" else "r+b") as file:
        os.fsync(file.fileno())


def write_durably(path: Path, content: bytes | Path) -> None:
    """Write a file atomically and flush it to the disk.

    Args:
        path: file to write.
        content: its bytes, or another file that is copied in pieces.

    Raises:
        OSError: the file cannot be written.
    """
    part = temporary_path(path)
    try:
        with part.open("wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                with content.open("rb") as source:
                    shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk; Windows writes it with the file."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(finished: Path, target: Path) -> None:
    """Rename the folder `finished` to `target`; an earlier `target` is removed last.

    Raises:
        OSError: a rename failed; the earlier folder has its name again.
    """
    if not target.exists():
        finished.rename(target)
        return
    earlier = temporary_path(target)
    target.rename(earlier)
    try:
        finished.rename(target)
    except OSError:
        earlier.rename(target)
        raise
    if earlier.is_symlink():
        # Only the link is replaced; the folder that it names is another's.
        earlier.unlink()
        return
    shutil.rmtree(earlier, ignore_errors=True)
