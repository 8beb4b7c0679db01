"""The manifest of an archive: every file that is to be read, and every other file with the reason."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError, reason_of
from ..common.files import sha256_of, whole_file
from ..common.safe_text import safe_row
from .cases import Case, Identity, assign_folders, identity_of, names_in

if TYPE_CHECKING:
    from ..loading.archive import FoundScan, LeftOut

__all__ = ["COLUMNS", "NOT_AN_IMAGE", "ArchiveContents", "find_cases", "write_manifest"]

#: The columns of `manifest.csv`.
COLUMNS = ("file", "decision", "case", "reason")
#: Reason for a file that no rule of the search for studies covers.
NOT_AN_IMAGE = "no image"


@dataclass
class ArchiveContents:
    """Contents of an archive.

    Attributes:
        cases: the scans, in the order of their files.
        left_out: files that are not read.
        files: all files of the archive, and for hidden folders, results and data sets the folder.
    """

    cases: list[Case]
    left_out: list[LeftOut]
    files: list[Path]


def find_cases(folder: Path, output: Path, progress: Callable[[int], None] = lambda _: None) -> ArchiveContents:
    """Find the scans in an archive.

    The files in the folder itself are one unit, and each of its subfolders is another one. A scan that is alone in a
    subfolder has the subfolder's name. A scan that exists twice under the same name is read once.

    Args:
        folder: the archive.
        output: folder of the results, which is not searched.
        progress: called with the number of files searched so far.

    Raises:
        UserError: the folder does not exist or holds no study.
    """
    from ..loading import case_name
    from ..loading.archive import FoundScan, files_in, scans_among
    from ..loading.images import IMAGE_SUFFIXES

    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; give the folder that holds the studies.")
    _refuse_studies_in(output, folder)
    (every, passed_over), units = files_in(folder, output), dict[Path, list[Path]]()
    for path in every:
        top = folder / path.relative_to(folder).parts[0]
        units.setdefault(folder if top == path else top, []).append(path)
    wanted: list[tuple[Path, str, FoundScan | None, str, Identity | None]] = []
    left_out: list[LeftOut] = []
    searched = 0
    for unit, files in units.items():
        # Pictures in the archive folder itself belong to no study: each is a scan.
        loose = [path for path in files if unit == folder and path.name.lower().endswith(IMAGE_SUFFIXES)]
        archive = scans_among([path for path in files if path not in set(loose)])
        left_out += archive.left_out
        scans = [*archive.scans, *(FoundScan((path,)) for path in loose)]
        alone = len(scans) == 1 and unit != folder
        names = [case_name(unit)] if alone else names_in(unit, scans)
        entries = zip(scans, names, strict=True)
        wanted += [(unit if alone else scan.files[0], name, scan, "", identity_of(scan)) for scan, name in entries]
        searched += len(files)
        progress(searched)
    if not wanted and not any(each.failed for each in (*left_out, *passed_over)):
        first = next(iter((*left_out, *passed_over)), None)
        because = "" if first is None else f" ({first.path} is left out, {first.reason})"
        raise UserError(f"{folder} holds no study{because}; give the folder that holds the studies.")
    kept, repeated = _once(sorted(wanted, key=lambda entry: str(entry[0])))
    out = [*left_out, *repeated, *passed_over]
    return ArchiveContents(assign_folders(kept, output), out, sorted({*every, *(each.path for each in passed_over)}))


def _refuse_studies_in(output: Path, folder: Path) -> None:
    """Refuse a folder of results in the archive that holds studies: they would not be read.

    Raises:
        UserError: it does.
    """
    from ..loading.archive import find_scans

    if not output.is_dir() or not output.resolve().is_relative_to(folder.resolve()):
        return
    studies = [scan for scan in find_scans(output).scans if scan.sop_uids]
    if studies:
        raise UserError(
            f"{output} holds studies, such as {studies[0].files[0]}, which would not be read; choose another folder "
            "for the results.",
            "output",
        )


def _once(
    wanted: list[tuple[Path, str, FoundScan | None, str, Identity | None]],
) -> tuple[list[tuple[Path, str, FoundScan | None, str, Identity | None]], list[LeftOut]]:
    """Keep the first of several copies of a scan under one name; return it and the files of the others."""
    from ..loading.archive import LeftOut

    first: dict[tuple[str, Identity, tuple[str, ...]], Path] = {}
    kept, out = [], []
    for entry in wanted:
        path, name, scan, _, identity = entry
        if identity is None or scan is None:
            kept.append(entry)
            continue
        same = first.setdefault((name, identity, _content(scan, identity)), path)
        if same == path:
            kept.append(entry)
        else:
            files = [*scan.files, *(copy for several in scan.copies.values() for copy in several)]
            out += [LeftOut(file, f"the same scan as {same}, which is read") for file in files]
            out += [LeftOut(file, why) for file, why in scan.excluded.items()]
    return kept, out


def _content(scan: FoundScan, identity: Identity) -> tuple[str, ...]:
    """Return the digests of a scan's files if no study identifies it: faulty software gives one UID to many files."""
    return () if identity.study_uid else tuple(map(sha256_of, scan.files))


def write_manifest(found: ArchiveContents, done: dict[Path, str], output: Path) -> Path:
    """Write manifest.csv with one row per file, in the order of the files.

    Args:
        found: contents of the archive.
        done: decisions on cases that are not read now, by their folders, such as "read before".
        output: folder of all results.

    Returns:
        Path of the file.

    Raises:
        UserError: the file cannot be written.
    """
    path = output / "manifest.csv"
    try:
        with whole_file(path) as part, part.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(map(safe_row, _rows(found, done)))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({reason_of(error)}); choose another folder.", "output") from error
    return path


def _rows(found: ArchiveContents, done: dict[Path, str]) -> Iterator[tuple[str, str, str, str]]:
    decisions: dict[Path, tuple[str, str, str]] = {}
    for each in found.left_out:
        decisions[each.path] = ("cannot be read" if each.failed else "left out", "", each.reason)
    for case in found.cases:
        if case.scan is None:
            continue
        decisions |= {path: ("left out", case.name, reason) for path, reason in case.scan.excluded.items()}
        for path in case.scan.files:
            decisions[path] = (done.get(case.folder, "to read"), case.name, "")
            copies = case.scan.copies.get(path, ())
            decisions |= {copy: ("left out", case.name, f"a copy of {path}") for copy in copies}
    for path in found.files:
        yield (str(path), *decisions.get(path, ("left out", "", NOT_AN_IMAGE)))
