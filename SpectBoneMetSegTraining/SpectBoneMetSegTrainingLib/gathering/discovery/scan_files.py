"""Files of planar scans in a folder tree: which there are, which are copies, which belong together. Headers only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import paths_under, sha256_of
from SpectBoneMetSegLib.loading import case_name, group_files, looks_like_scan
from SpectBoneMetSegLib.loading.dicom import read_header
from SpectBoneMetSegLib.loading.images import IMAGE_SUFFIXES
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ...dataset.sealed import is_sealed
from .file_names import side_in, without_side
from .pseudonyms import KEY_FILE

__all__ = ["GATHERED_FILE", "Catalogue", "LeftOut", "ScanFiles", "is_image", "looks_like_dicom_scan", "readable_files"]


#: Marks a data set that was gathered.
GATHERED_FILE = "gathered.json"


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not used, and why, in one sentence.

    `failed`: it ought to have been used; else there is nothing wrong with leaving it out.
    """

    path: Path
    reason: str
    failed: bool = True


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan.

    Attributes:
        files: one, or an anterior and a posterior one.
        patient: ID in the header, "" where there is none; never to be written into a data set.
        uids: per file its SOP Instance UID, or "sha256:..." where it has none.
        copies: per file others that hold the same object, to be read where it cannot.
    """

    files: tuple[Path, ...]
    patient: str
    uids: tuple[str, ...]
    copies: dict[Path, tuple[Path, ...]] = field(default_factory=dict, compare=False)


@dataclass
class Catalogue:
    """Scan files as they are met; a file whose UID was met before is a copy.

    Attributes:
        first: UID -> file that stands for it.
        everywhere: UID -> all files with it.
        patients: file -> patient ID.
        left_out: what is not used.
    """

    first: dict[str, Path] = field(default_factory=dict)
    everywhere: dict[str, list[Path]] = field(default_factory=dict)
    patients: dict[Path, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)

    def add_dicom(self, path: Path) -> None:
        """Take a file up.

        Raises:
            UserError: it is no planar scan, or unreadable.
        """
        header = read_header(path)
        self._add(path, str(header.get("SOPInstanceUID") or "") or _digest(path))
        self.patients[path] = str(header.get("PatientID") or "").strip()

    def add_picture(self, path: Path) -> None:
        """Take up a picture file, which knows no patient."""
        self._add(path, _digest(path))
        self.patients[path] = ""

    def scans(self) -> list[ScanFiles]:
        """All scans, files that belong together in one."""
        uids = {path: uid for uid, path in self.first.items()}
        pictures = [path for path in uids if is_image(path)]
        groups = [*group_files([path for path in uids if not is_image(path)]), *_pairs(pictures)]
        copies = {path: tuple(self.everywhere[uid][1:]) for path, uid in uids.items() if self.everywhere[uid][1:]}
        return [
            ScanFiles(
                tuple(group),
                self.patients[group[0]],
                tuple(uids[path] for path in group),
                {path: copies[path] for path in group if path in copies},
            )
            for group in groups
        ]

    def _add(self, path: Path, uid: str) -> None:
        self.everywhere.setdefault(uid, []).append(path)
        if uid in self.first:
            self.left_out.append(LeftOut(path, f"It is a copy of {self.first[uid]}.", failed=False))
        self.first.setdefault(uid, path)


def readable_files(roots: Iterable[Path], left_out: list[LeftOut]) -> Iterator[Path]:
    """Every file in some folders, by name, hidden ones left out; a file in two of them once.

    Sealed test sets are passed over, because nobody may learn from them even without their labels, and so is what was
    gathered before.

    Raises:
        UserError: a root is no folder.
    """
    seen: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise UserError(f"{root} is no folder; give a folder that holds scans.")
        everything = paths_under(root)
        apart = {folder: why for folder in (root, *everything) if folder.is_dir() and (why := _set_apart(folder))}
        left_out += [LeftOut(folder, why, failed=False) for folder, why in sorted(apart.items())]
        for path in everything:
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if not hidden and apart.keys().isdisjoint(path.parents) and path.is_file() and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def is_image(path: Path) -> bool:
    """Whether a file's name is that of a picture that is no DICOM file."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def looks_like_dicom_scan(path: Path, left_out: list[LeftOut]) -> bool:
    """Whether to try a file as DICOM; one that cannot be opened is noted."""
    try:
        return not is_image(path) and looks_like_scan(path)
    except OSError as error:
        left_out.append(LeftOut(path, f"It cannot be opened ({error.strerror}); ask for the right to read it."))
        return False


def _set_apart(folder: Path) -> str:
    """Why a folder is passed over with all that is in it; "" for one that is not."""
    if is_sealed(folder):
        return "It is a sealed test, which is never learnt from."
    if (folder / GATHERED_FILE).is_file() or (folder / KEY_FILE).is_file():
        return "It was made by gathering."
    return ""


def _pairs(pictures: list[Path]) -> list[tuple[Path, ...]]:
    """Pictures of one folder whose names differ by the side alone make one scan, anterior first."""
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in pictures:
        groups.setdefault((path.parent, without_side(case_name(path))), []).append(path)
    found: list[tuple[Path, ...]] = []
    for group in groups.values():
        by_side = {side_in(case_name(path)): path for path in group}
        pair = len(group) == 2 and set(by_side) == set(VIEW_NAMES)
        found += [tuple(by_side[name] for name in VIEW_NAMES)] if pair else [(path,) for path in group]
    return found


def _digest(path: Path) -> str:
    return f"sha256:{sha256_of(path)}"
