"""Files and folders that appear whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: What a full disk, and a user's share of it that is used up, are called in an OSError.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def paths_under(folder: Path) -> list[Path]:
    """Everything in a folder at any depth, sorted; folders behind links too, every folder once."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            # A link back up would go on for ever.
            folders.clear()
            continue
        seen.add(real)
        # What is no link comes before links to it: a file is named by the place where it lies.
        folders.sort(key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        found += [Path(place, name) for name in (*folders, *files)]
    return sorted(found)


def temporary_path(target: Path) -> Path:
    """A free hidden name in the same folder, so that renaming never crosses file systems."""
    return target.with_name(f".{uuid.uuid4().hex[:12]}.unfinished")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path`, with the same ending, that takes its place once it is written."""
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except RuntimeError as error:
        # SimpleITK's own error is many lines long and does not tell why.
        raise OSError(f"{path.name} could not be written") from error
    finally:
        # Fails only where nothing could be written in the first place.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def sync_files(folder: Path) -> None:
    """Wait until all files in a folder are on the disk, so that a power cut leaves none of them empty.

    Raises:
        OSError: the disk does not take them.
    """
    for path in folder.rglob("*"):
        if path.is_dir():
            continue
        # Windows flushes only what is open for writing.
        with path.open("rb" if os.name == "posix" else "r+b") as file:
            os.fsync(file.fileno())


def write_durably(path: Path, content: bytes | Path) -> None:
    """Write a file that is whole and on the disk once this returns, or not there.

    Args:
        content: of the file, or another file that is copied piece by piece.

    Raises:
        OSError: the disk takes nothing.
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
    """Wait until a folder's own list of names is on the disk; Windows writes it with the file."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_folder(finished: Path, target: Path) -> None:
    """Rename the folder `finished` to `target`; an earlier folder stays until the new one stands in its place.

    Raises:
        OSError: a rename failed; the earlier folder is back under its name.
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
    shutil.rmtree(earlier, ignore_errors=True)
