"""The sealed test set: its scans are open, its ground truth is in an archive, and every opening is logged first.

    DIR/imagesTs  DIR/dicom  DIR/dataset.json   open
    DIR/sealed_truth.zip                        labels, lesions, exact masks, readers: everything else of the data set
    DIR/seal.json                               SHA-256 of the archive
    DIR/openings.jsonl                          one line per opening, each with the SHA-256 of the previous line

The log is a hash chain: a line that was changed or removed from its middle is detected. It is no protection against
intent: the archive is not encrypted, and a truncated log is detected only by the numbers that were printed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from SpectBoneMetSegLib._version import __version__
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import sha256_of, whole_file
from SpectBoneMetSegLib.common.locks import FileLock

from .files import read_json, write_json

TRUTH_FILE, SEAL_FILE, LOG_FILE = "sealed_truth.zip", "seal.json", "openings.jsonl"
#: Parts of a data set that stay outside the archive.
OPEN_FOLDERS, OPEN_FILES = ("imagesTs", "dicom"), ("dataset.json",)
#: Two evaluations that open at the same time take turns; seconds to wait for the other one, which only writes a line.
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Opening:
    """One line of the log.

    Attributes:
        number: number of the opening, from 1.
        time: UTC, ISO 8601.
        reason: reason for the opening.
        model: name of the evaluated model.
        model_sha256: SHA-256 of the model.
        version: program version.
        previous: SHA-256 of the previous line; of the archive for the first one.
    """

    number: int
    time: str
    reason: str
    model: str
    model_sha256: str
    version: str
    previous: str


def is_sealed(folder: Path) -> bool:
    """Return whether the data set's ground truth is sealed."""
    return (folder / SEAL_FILE).is_file()


def seal(made: Path, folder: Path) -> None:
    """Move the data set `made` into `folder` (same file system), its ground truth archived; seal.json is written last.

    The archive is not compressed, sorted by name and without times, so that its bytes depend on the data only. An
    interrupted call can be repeated.

    Raises:
        OSError: a file cannot be moved or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / TRUTH_FILE
    if not archive.exists():
        with whole_file(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as packed:
            for path in sorted(made.rglob("*")):
                name = path.relative_to(made).as_posix()
                if path.is_file() and name.split("/")[0] not in OPEN_FOLDERS + OPEN_FILES:
                    packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), path.read_bytes())
    for name in OPEN_FOLDERS + OPEN_FILES:
        if (made / name).exists():
            (made / name).rename(folder / name)
    write_json(folder / SEAL_FILE, {"truth": TRUTH_FILE, "sha256": sha256_of(archive)})
    shutil.rmtree(made)


@contextmanager
def open_sealed(folder: Path, reason: str, model: str, model_sha256: str) -> Iterator[tuple[Path, Opening]]:
    """Log the opening, then yield a temporary data set with the ground truth; it is deleted when the block ends.

    Args:
        folder: the sealed data set.
        reason: reason for the opening, logged permanently.
        model: name of the evaluated model; empty if only baselines are evaluated.
        model_sha256: SHA-256 of the model; empty likewise.

    Yields:
        The folder of the opened data set, and the log entry.

    Raises:
        UserError: no reason, the archive or the log has been changed, or the log cannot be written.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise UserError(f"{folder} is sealed; give the reason for opening it.")
    opening = _log(folder, reason, model, model_sha256)
    with tempfile.TemporaryDirectory(prefix="opened-") as temporary:
        opened = Path(temporary)
        with zipfile.ZipFile(folder / TRUTH_FILE) as packed:
            packed.extractall(opened)
        for name in OPEN_FILES:
            shutil.copy2(folder / name, opened / name)
        shutil.copytree(folder / "imagesTs", opened / "imagesTs", copy_function=_link_or_copy)
        yield opened, opening


def check_openings(folder: Path) -> list[Opening]:
    """List all openings so far, after checking archive and log.

    Raises:
        UserError: the archive or the log is missing or has been changed.
    """
    digest = read_json(folder / SEAL_FILE)["sha256"]
    archive = folder / TRUTH_FILE
    if not archive.is_file() or sha256_of(archive) != digest:
        raise UserError(f"{archive} is missing or not the one that was sealed; make the benchmark again.")
    log = folder / LOG_FILE
    found: list[Opening] = []
    previous = digest
    for line in log.read_bytes().splitlines() if log.exists() else ():
        try:
            opening = Opening(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise UserError(f"{log}, line {len(found) + 1}, is damaged; restore the file from a copy.") from error
        if opening.previous != previous or opening.number != len(found) + 1:
            raise UserError(
                f"{log} has been changed before line {len(found) + 1}; restore the file from a copy or make the "
                "benchmark again."
            )
        found.append(opening)
        previous = hashlib.sha256(line).hexdigest()
    return found


def _log(folder: Path, reason: str, model: str, model_sha256: str) -> Opening:
    log = folder / LOG_FILE
    try:
        with _locked(folder):
            earlier = check_openings(folder)
            lines = log.read_bytes().splitlines() if earlier else []
            previous = hashlib.sha256(lines[-1]).hexdigest() if lines else read_json(folder / SEAL_FILE)["sha256"]
            now = datetime.now(UTC).isoformat(timespec="seconds")
            opening = Opening(len(earlier) + 1, now, reason, model, model_sha256, __version__, previous)
            with log.open("ab") as stream:
                stream.write(json.dumps(asdict(opening)).encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        raise UserError(
            f"{log} cannot be written ({reason_of(error)}), and every opening must be logged; make the folder writable."
        ) from error
    return opening


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the log; wait for another holder."""
    lock = FileLock(folder / ".openings.lock")
    if not lock.acquire(LOCK_SECONDS):
        raise UserError(f"Another evaluation is opening {folder}; try again when it has ended.")
    try:
        yield
    finally:
        lock.release()


def _link_or_copy(source: str, target: str) -> None:
    """Make a hard link if the file systems allow it, to save copying hundreds of images that are read once."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
