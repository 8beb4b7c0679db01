"""Find the files of a public set."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import ViewName

from .description import VIEW_WORDS, Files, PublicSet, Role

__all__ = ["Listing", "Place", "files_in", "list_files", "packed_in", "place_of", "read_text"]

Place = tuple[str, ViewName]


@dataclass
class Listing:
    """The files of a public set.

    Attributes:
        files: {role: {(patient, view): file}}.
        groups: {(patient, view): group}.
        missing: {(patient, view): label file that the set's manifest names and that is not there}.
        abnormal: {(patient, view): whether the set's list of labels calls it abnormal}.
        sides: {patient: splits that the set's manifest states, as it spells them}.
        notes: remarks about irregular files.
    """

    files: dict[Role, dict[Place, Path]] = field(default_factory=dict)
    groups: dict[Place, str] = field(default_factory=dict)
    missing: dict[Place, str] = field(default_factory=dict)
    abnormal: dict[Place, bool] = field(default_factory=dict)
    sides: dict[str, set[str]] = field(default_factory=dict)
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
        UserError: the folder is missing or holds nothing of the set, a list of labels is damaged, or two patients have
            one name.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give the one that {found.title} was unpacked into.")
    listing = into or Listing()
    twice: Counter[str] = Counter()
    unread: list[Path] = []
    any_of_it = not found.files
    for path in files_in(folder):
        name = path.relative_to(folder).as_posix()
        listed = re.fullmatch(f"(?:.*/)?{found.label_lists}", name, re.IGNORECASE) if found.label_lists else None
        if listed is not None:
            view = VIEW_WORDS[listed["view"].lower()]
            listing.abnormal |= {(patient, view): label for patient, label in _read_labels(path).items()}
        for item in found.files:
            place = place_of(found, item, name)
            if place is None:
                continue
            any_of_it = True
            key, group = place
            if key in listing.of(item.role):
                _check_group(found, key, group, listing)
                twice[item.role] += 1
            else:
                listing.files.setdefault(item.role, {})[key] = path
                if group:
                    listing.groups[key] = group
            break
        else:
            unread.append(path)
    if not any_of_it:
        raise UserError(_nothing(found, folder))
    listing.notes += [
        f"{count} files of the kind {role} are in it twice; the first was used." for role, count in twice.items()
    ]
    listing.notes += _strays(listing, unread)
    return listing


def _strays(listing: Listing, unread: list[Path]) -> Iterator[str]:
    """Note files beside those of the set, with their suffix, that are named in another way, such as "972(1).jpg"."""
    used = {path for places in listing.files.values() for path in places.values()}
    kinds = {(path.parent, path.suffix.lower()) for path in used}
    strays = [path for path in unread if path not in used and (path.parent, path.suffix.lower()) in kinds]
    if strays:
        count = pluralize(len(strays), "file")
        yield f"{count} named otherwise than those beside, and not used; the first is {strays[0]}."


def _check_group(found: PublicSet, key: Place, group: str, listing: Listing) -> None:
    """Refuse patients of two groups with one name: group "a-1" and patient 2, group "a" and patient 1-2.

    Raises:
        UserError: there are such patients.
    """
    other = listing.groups.get(key, group)
    if found.grouped and other != group:
        raise UserError(
            f"Patients of the groups {other!r} and {group!r} of {found.title} would have one name, {key[0]}; rename "
            "the files or folders of one of them, then import again."
        )


def place_of(found: PublicSet, item: Files, name: str) -> tuple[Place, str] | None:
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
