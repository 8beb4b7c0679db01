"""Find the files of a public set, and check their SHA-256 against the published ones."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import ViewName

from .description import VIEW_WORDS, Files, PublicSet, Role

__all__ = ["Listing", "Place", "check_hashes", "files_in", "list_files", "note_missing", "packed_in"]

Place = tuple[str, ViewName]


@dataclass
class Listing:
    """The files of a public set.

    Attributes:
        files: {role: {(patient, view): file}}.
        groups: {(patient, view): group}.
        missing: {(patient, view): label file that the set's manifest names and that is not there}.
        abnormal: {(patient, view): whether the set's list of labels calls it abnormal}.
        notes: remarks about irregular files.
    """

    files: dict[Role, dict[Place, Path]] = field(default_factory=dict)
    groups: dict[Place, str] = field(default_factory=dict)
    missing: dict[Place, str] = field(default_factory=dict)
    abnormal: dict[Place, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, role: Role) -> Mapping[Place, Path]:
        """Return the files of one role."""
        return self.files.get(role, {})

    def patients(self) -> list[str]:
        """Return all patients with a scan, in numerical order."""
        found = {patient for patient, _ in self.of("scan")}
        return sorted(found, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))

    def has_any(self, role: Role, view: ViewName) -> bool:
        """Whether there is any file of a role for a view."""
        return any(own == view for _, own in self.of(role))


def list_files(found: PublicSet, folder: Path, into: Listing | None = None) -> Listing:
    """Find the files of a set in a folder, at any depth below it.

    Args:
        found: description of the set.
        folder: folder of the unpacked set.
        into: files of the base set, to which the files are added.

    Raises:
        UserError: the folder is missing or holds nothing of the set, or a list of labels is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give the one that {found.title} was unpacked into.")
    listing = into or Listing()
    twice: Counter[str] = Counter()
    any_of_it = not found.files
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        listed = re.fullmatch(f"(?:.*/)?{found.label_lists}", name, re.IGNORECASE) if found.label_lists else None
        if listed is not None:
            view = VIEW_WORDS[listed["view"].lower()]
            listing.abnormal |= {(patient, view): label for patient, label in _read_labels(path).items()}
        for item in found.files:
            place = _place(found, item, name)
            if place is None:
                continue
            any_of_it = True
            key, group = place
            if key in listing.of(item.role):
                twice[item.role] += 1
            else:
                listing.files.setdefault(item.role, {})[key] = path
                if group:
                    listing.groups[key] = group
            break
    if not any_of_it:
        raise UserError(_nothing(found, folder))
    listing.notes += [
        f"{count} files of the kind {role} are in it twice; the first was used." for role, count in twice.items()
    ]
    return listing


def _place(found: PublicSet, item: Files, name: str) -> tuple[Place, str] | None:
    """Return the place and the group of a file with one role; None for another file."""
    place = item.match(name)
    if place is None:
        return None
    patient, view, group = place
    return (f"{group}-{patient}" if found.grouped else patient, view), group


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files at any depth below a folder, in the order of their names; hidden ones are skipped."""
    for place, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            # Hidden files of the operating system are not part of the set.
            if not name.startswith("."):
                yield Path(place, name)


def _nothing(found: PublicSet, folder: Path) -> str:
    packed = packed_in(folder)
    if packed:
        return f"{folder} holds {packed} still packed; unpack it there, then import again."
    return f"{folder} holds no file of {found.title} ({found.home}); give the folder it was unpacked into."


def packed_in(folder: Path) -> str:
    """Return the name of the first zip file in a folder; "" if there is none."""
    return min((path.name for path in folder.glob("*.zip")), default="")


def _read_labels(path: Path) -> dict[str, bool]:
    """{patient: whether abnormal} of lines such as "12.jpg 1".

    Raises:
        UserError: it is no text, or none of its lines is of that form.
    """
    lines = re.findall(r"^\s*(\d+)\.jpe?g\s+([01])\s*$", read_text(path), re.MULTILINE | re.IGNORECASE)
    if not lines:
        raise UserError(f"{path} lists no picture with its label, 0 or 1; download it again.")
    return {str(int(patient)): label == "1" for patient, label in lines}


def read_text(path: Path) -> str:
    """Read a text file of a set.

    Raises:
        UserError: it cannot be read or is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged or cannot be read; download it again.") from error


def check_hashes(folder: Path) -> None:
    """Compare files with the SHA-256 in a manifest.csv or SHA256SUMS.txt in their folder.

    Raises:
        UserError: a file differs, or a list of files is damaged.
    """
    for names, digest in chain.from_iterable(_stated(folder).values()):
        path = next((folder / name for name in names if (folder / name).is_file()), None)
        if path is not None and digest and sha256_of(path) != digest:
            raise UserError(f"{path} is not the published file (its SHA-256 differs); download it again.")


def note_missing(found: PublicSet, folder: Path, listing: Listing) -> None:
    """Record the label files that a manifest.csv or SHA256SUMS.txt names and that are not there.

    Scans and bones that are missing are only counted; without bones a view has its lesions all the same.

    Raises:
        UserError: a list of files is damaged.
    """
    counted: dict[Role, list[str]] = {}
    stated = _stated(folder)
    listing.notes += [f"{name} lists no files: nothing was compared with it." for name in stated if not stated[name]]
    for names, _ in chain.from_iterable(stated.values()):
        # The longest path holds the folders that a pattern begins with.
        for item in found.files:
            place = _place(found, item, names[-1])
            if place is None or place[0] in listing.of(item.role):
                continue
            if item.role in ("scan", "bones"):
                counted.setdefault(item.role, []).append(names[-1])
            else:
                listing.missing.setdefault(place[0], names[-1])
    listing.notes += [
        f"{pluralize(len(names), 'listed file')} of the kind {role} not there; the first is {names[0]}."
        for role, names in counted.items()
    ]


def _stated(folder: Path) -> dict[str, list[tuple[list[str], str]]]:
    """{list of files: its (paths, SHA-256 or "")} of the lists in a folder.

    Raises:
        UserError: a list is damaged.
    """
    result = {}
    for name, read in (("manifest.csv", _of_manifest), ("SHA256SUMS.txt", _of_sums)):
        if (folder / name).is_file():
            try:
                result[name] = list(read(read_text(folder / name)))
            except csv.Error as error:
                raise UserError(f"{folder / name} is damaged ({error}); download it again.") from error
    return result


def _of_manifest(text: str) -> Iterator[tuple[list[str], str]]:
    """(paths, SHA-256 or "") of every row; its paths may begin inside its mask set's folder."""
    for row in csv.DictReader(io.StringIO(text, newline="")):
        name, within = (row.get("file") or "").strip("/"), row.get("mask_set") or ""
        if name:
            yield [name, f"{within}/{name}"] if within else [name], (row.get("sha256") or "").strip().lower()


def _of_sums(text: str) -> Iterator[tuple[list[str], str]]:
    for line in text.splitlines():
        digest, _, name = line.strip().partition(" ")
        name = name.strip().lstrip("*")
        if len(digest) == 64 and name:
            yield [name], digest.lower()
