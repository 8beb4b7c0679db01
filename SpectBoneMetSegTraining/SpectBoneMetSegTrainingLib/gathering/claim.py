"""The folders of a gathered data set: claimed before gathering, and removed again if no scan was gathered."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import exclusive_access

from ..dataset.files import read_json, write_json
from .discovery.pseudonyms import KEY_FILE
from .discovery.scan_files import GATHERED_FILE
from .report import SUMMARY_FILE

__all__ = ["claimed", "holds_cases", "private_folder", "removed_without_cases"]

VERSION = 1


def private_folder(data: Path) -> Path:
    """Return the private folder next to a gathered data set; it is not to be shared with the data set."""
    # The path may be "." or end in a slash.
    own = Path(os.path.abspath(data))
    return own.parent / f"{own.name}-private"


def holds_cases(data: Path) -> bool:
    """Return whether a data set holds a complete case."""
    return any(data.glob("instances/*.json"))


@contextmanager
def claimed(data: Path, seed: int, test_share: float | None) -> Iterator[tuple[int, float]]:
    """Lock a data set, and yield the seed and the test share that apply.

    A new data set without a case is removed at the end, with the key of its pseudonyms; a report stays. A data set
    with cases stays after an error, too, so that gathering goes on with the next call.

    Raises:
        UserError: the folder was not made by gathering, or another process gathers into it.
        OSError: the folder cannot be written.
    """
    about, private = data / GATHERED_FILE, private_folder(data)
    if not about.exists() and data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise UserError(f"{data} exists and is not a gathered data set; choose another folder.")
    made = _missing(data)
    old = {path for path in (private, private / KEY_FILE) if path.exists()}
    new = False
    try:
        with exclusive_access(private):
            new = not about.exists()
            yield _agreed(about, seed, test_share)
    finally:
        # Another process's folders are not touched: `new` is true only for the one that had the lock.
        if new and not holds_cases(data):
            if private not in old and not (private / SUMMARY_FILE).exists():
                shutil.rmtree(private, ignore_errors=True)
            elif private / KEY_FILE not in old:
                (private / KEY_FILE).unlink(missing_ok=True)
            _remove(data, made)


def _agreed(about: Path, seed: int, test_share: float | None) -> tuple[int, float]:
    """Record seed and test share in a new data set; return those that apply."""
    if not about.exists():
        write_json(about, {"version": VERSION, "seed": seed, "test_share": test_share or 0})
        return seed, test_share or 0
    earlier = read_json(about, remedy="restore it, or gather into a new folder")
    share = float(earlier.get("test_share", 0) if test_share is None else test_share)
    if share != earlier.get("test_share", 0):
        write_json(about, {**earlier, "test_share": share})
    return int(earlier["seed"]), share


def _missing(data: Path) -> list[Path]:
    return [folder for folder in (data, *data.absolute().parents) if not folder.exists()]


@contextmanager
def removed_without_cases(data: Path, record: str) -> Iterator[None]:
    """Remove a data set that a call has begun, if it ends with an error and without a case.

    Args:
        data: its folder.
        record: the file that says how it was made; a folder that holds it was begun earlier and stays.
    """
    made, new = _missing(data), not (data / record).exists()
    empty = new and not (data.exists() and (not data.is_dir() or any(data.iterdir())))
    try:
        yield
    except BaseException:
        if empty and not holds_cases(data):
            _remove(data, made)
        raise


def _remove(data: Path, made: Sequence[Path]) -> None:
    """Remove what one call has written; folders that were there before stay."""
    for path in data.iterdir() if data.is_dir() else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    for folder in made:
        # One that holds a report stays.
        with suppress(OSError):
            folder.rmdir()
