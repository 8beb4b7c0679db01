"""Compare the files of a public set with the lists of files that come with it: manifest.csv and SHA256SUMS.txt.

The lists are found at any depth below the set's folder, as its files are. Their paths begin in their own folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.common.plural import pluralize

from .description import PublicSet, Role
from .listing import Listing, Place, files_in, place_of, read_text

__all__ = ["compare_with_lists"]

MANIFEST, SUMS = "manifest.csv", "sha256sums.txt"


@dataclass(frozen=True)
class Entry:
    """A file that a list names.

    Attributes:
        names: its possible paths below the list's folder; the last one holds all folders that a pattern begins with.
        digest: SHA-256, "" where not stated.
        split: training, validation or test set that the list puts it into, "" where not stated.
    """

    names: tuple[str, ...]
    digest: str
    split: str = ""


def compare_with_lists(found: PublicSet, folder: Path, listing: Listing) -> None:
    """Check the SHA-256 of listed files, and record in the listing which are not there, and the stated split.

    Label files that are missing are recorded one by one. Scans and bones that are missing are only counted; without
    bones a view has its lesions all the same.

    Args:
        found: description of the set.
        folder: where it was unpacked.
        listing: its files.

    Raises:
        UserError: a file differs, a list is damaged, or there are several manifests.
    """
    counted: dict[Role, list[str]] = {}
    for path, entries in _read_lists(folder).items():
        if not entries:
            listing.notes.append(f"{path.relative_to(folder).as_posix()} lists no files: nothing was compared with it.")
        for entry in entries:
            roles = _roles(found, entry)
            _check_digest(entry, path.parent, [listing.of(role).get(place) for role, place in roles])
            for role, place in roles:
                if entry.split and found.listed_split:
                    listing.sides.setdefault(place[0], set()).add(entry.split)
                if place in listing.of(role):
                    continue
                if role in ("scan", "bones"):
                    counted.setdefault(role, []).append(entry.names[-1])
                else:
                    listing.missing.setdefault(place, entry.names[-1])
    listing.notes += [
        f"{pluralize(len(names), 'listed file')} of the kind {role} not there; the first is {names[0]}."
        for role, names in counted.items()
    ]


def _roles(found: PublicSet, entry: Entry) -> list[tuple[Role, Place]]:
    """Return the role and the place of a listed file; nothing of a file that is not imported."""
    for item in found.files:
        place = place_of(found, item, entry.names[-1])
        if place is not None:
            return [(item.role, place[0])]
    return []


def _check_digest(entry: Entry, folder: Path, used: list[Path | None]) -> None:
    """Compare the listed file and, if the set lies elsewhere, the file that is imported in its place.

    Raises:
        UserError: a file differs.
    """
    if not entry.digest:
        return
    beside = next((folder / name for name in entry.names if (folder / name).is_file()), None)
    for path in dict.fromkeys([beside, *used]):
        if path is not None and sha256_of(path) != entry.digest:
            raise UserError(f"{path} is not the published file (its SHA-256 differs); download it again.")


def _read_lists(folder: Path) -> dict[Path, list[Entry]]:
    """Return {list of files: its entries}.

    Raises:
        UserError: a list is damaged, or there are several manifests.
    """
    result: dict[Path, list[Entry]] = {}
    for path in files_in(folder):
        name = path.name.lower()
        if name not in (MANIFEST, SUMS):
            continue
        other = next((each for each in result if name == MANIFEST and each.name.lower() == name), None)
        if other is not None:
            raise UserError(f"{folder} holds several manifests, {other} and {path}; give the folder of one set only.")
        try:
            result[path] = list((_of_manifest if name == MANIFEST else _of_sums)(read_text(path)))
        except csv.Error as error:
            raise UserError(f"{path} is damaged ({error}); download it again.") from error
    return result


def _of_manifest(text: str) -> Iterator[Entry]:
    """Yield an entry for every row; its path may begin inside its mask set's folder."""
    for row in csv.DictReader(io.StringIO(text, newline="")):
        name, within = (row.get("file") or "").strip("/"), row.get("mask_set") or ""
        if name:
            names = (name, f"{within}/{name}") if within else (name,)
            digest, split = ((row.get(column) or "").strip().lower() for column in ("sha256", "split"))
            yield Entry(names, digest, split)


def _of_sums(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        digest, _, name = line.strip().partition(" ")
        name = name.strip().lstrip("*")
        if len(digest) == 64 and name:
            yield Entry((name,), digest.lower())
