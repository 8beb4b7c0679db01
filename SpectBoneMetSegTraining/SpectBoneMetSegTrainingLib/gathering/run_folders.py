"""The folders that a training gathers: recorded before the first scan, and compared when the command is run again.

    RUN/folders.json  digest of the folders
    RUN/data  data-private  the gathered scans

A run that was started keeps its scans. One that only gathered, because it was refused or interrupted, starts again if
the folders differ: scans of a folder that was given by mistake would stay otherwise.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.common.locks import LOCK, exclusive_access
from SpectBoneMetSegLib.loading.archive.discovery import files_in
from SpectBoneMetSegLib.model.store import CARD_FILE

from ..dataset.files import read_json, write_json
from .claim import private_folder

__all__ = ["gather_once"]

FOLDERS_FILE = "folders.json"


def gather_once(
    run: Path,
    output: Path,
    labelled: Sequence[Path],
    unlabelled: Sequence[Path],
    *,
    started: bool,
    gather: Callable[[], object],
) -> str:
    """Gather the scans of a run into RUN/data, unless the run was started before.

    Args:
        run: folder of the run.
        output: model folder that the run writes.
        labelled: folders of scans with labels.
        unlabelled: folders of scans without.
        started: whether the run was started before.
        gather: gathers the folders into RUN/data; continues if it was interrupted.

    Returns:
        A sentence about a run that continues; "" for a new one.

    Raises:
        UserError: the run is finished, and the folders have changed since.
    """
    record = run / FOLDERS_FILE
    earlier = read_json(record, remedy=f"remove {run} to start again") if record.exists() else None
    now = _digests(labelled, unlabelled, (run, output))
    if not started:
        if earlier is not None and earlier != now:
            _remove_gathered(run / "data")
        made = not run.exists()
        write_json(record, now)
        try:
            gather()
        finally:
            _remove_empty(run, record, made=made)
        return ""
    if earlier is None or earlier == now:
        return f"{run} continues with the scans that were gathered when it started."
    if (output / CARD_FILE).exists():
        raise UserError(
            f"{output} was made before these folders changed; choose another folder for a new model, or remove "
            f"{output} and {run} to make it again."
        )
    return (
        f"{run} continues with the scans that were gathered when it started, although the folders have changed since; "
        "remove it to start again."
    )


def _remove_gathered(data: Path) -> None:
    """Remove the scans that an earlier call has gathered, and their report."""
    private = private_folder(data)
    with exclusive_access(private):
        if data.exists():
            shutil.rmtree(data)
        for path in private.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()


def _remove_empty(run: Path, record: Path, *, made: bool) -> None:
    """Remove the record again if nothing was gathered, and the folder if it was made here and is empty."""
    if (run / "data").exists():
        return
    record.unlink(missing_ok=True)
    if made and not any(run.iterdir()):
        run.rmdir()


def _digests(labelled: Sequence[Path], unlabelled: Sequence[Path], own: tuple[Path, Path]) -> dict[str, str]:
    """Return digests of both kinds of folders; outlines by content, scans without by their names and sizes."""
    return {
        "labelled": _digest(labelled, own, sha256_of),
        "unlabelled": _digest(unlabelled, own, lambda path: str(path.stat().st_size)),
    }


def _digest(folders: Sequence[Path], own: tuple[Path, Path], content: Callable[[Path], str]) -> str:
    without = [path.resolve() for path in own]
    entries = []
    for folder in folders:
        for path in files_in(folder)[0]:
            if not any(path.resolve().is_relative_to(each) for each in without):
                entries.append(f"{path.relative_to(folder).as_posix()} {_read(path, content)}")
    # Names on old disks may not be valid UTF-8.
    return hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()


def _read(path: Path, content: Callable[[Path], str]) -> str:
    try:
        return content(path)
    except OSError:
        # Gathering reports it.
        return "unreadable"
