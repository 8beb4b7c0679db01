"""Find the files of planar scans in a folder tree, their copies and pairs of views. Only headers are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import paths_under, sha256_of
from SpectBoneMetSegLib.loading import case_name, group_files, looks_like_scan
from SpectBoneMetSegLib.loading.dicom import read_header
from SpectBoneMetSegLib.loading.dicom_values import patient, text
from SpectBoneMetSegLib.loading.images import IMAGE_SUFFIXES
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ...dataset.sealed import is_sealed
from .file_names import side_in, without_side
from .pseudonyms import KEY_FILE

__all__ = [
    "GATHERED_FILE",
    "Catalogue",
    "ScanFiles",
    "UnusedFile",
    "is_image",
    "looks_like_dicom_scan",
    "readable_files",
]


#: File that identifies a gathered data set.
GATHERED_FILE = "gathered.json"


@dataclass(frozen=True)
class UnusedFile:
    """A file or folder that is not used.

    Attributes:
        path: the file or folder.
        reason: one sentence.
        failed: whether an error caused it to be left out; else it is left out by design.
    """

    path: Path
    reason: str
    failed: bool = True


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan.

    Attributes:
        files: one, or an anterior and a posterior one.
        patient: ID in the header, "" if there is none; must never be written into a data set.
        uids: SOP Instance UID of each file, or "sha256:..." if it has none.
        copies: for each file its copies, which are read if the file is unreadable.
    """

    files: tuple[Path, ...]
    patient: str
    uids: tuple[str, ...]
    copies: dict[Path, tuple[Path, ...]] = field(default_factory=dict, compare=False)


@dataclass
class Catalogue:
    """Scan files found so far; a file whose UID is already known is a copy.

    Attributes:
        first: UID -> first file with it.
        everywhere: UID -> all files with it.
        patients: file -> patient ID. A name is no ID here: anonymised files often share one.
        owners: DICOM file -> what tells patients apart in its header, the ID or the name.
        left_out: files that are not used.
    """

    first: dict[str, Path] = field(default_factory=dict)
    everywhere: dict[str, list[Path]] = field(default_factory=dict)
    patients: dict[Path, str] = field(default_factory=dict)
    owners: dict[Path, str] = field(default_factory=dict)
    left_out: list[UnusedFile] = field(default_factory=list)

    def add_dicom(self, path: Path) -> None:
        """Add a DICOM file.

        Raises:
            UserError: it is not a planar scan, or is unreadable.
        """
        header = read_header(path)
        self.patients[path] = text(header, "PatientID")
        self.owners[path] = patient(header)
        self._add(path, text(header, "SOPInstanceUID") or _digest(path))

    def add_picture(self, path: Path) -> None:
        """Add an image file, which has no patient's ID."""
        self.patients[path] = ""
        self._add(path, _digest(path))

    def scans(self) -> list[ScanFiles]:
        """Return all scans; two files with one view each are one scan."""
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
        owners = {self.owners.get(each, "") for each in (path, self.first.get(uid, path))} - {""}
        if len(owners) > 1:
            # Labels name their scan by this UID.
            reason = f"It has the UID of {self.first[uid]} but is of another patient; give every scan its own UID."
            self.left_out.append(UnusedFile(path, reason))
            return
        self.everywhere.setdefault(uid, []).append(path)
        if uid in self.first:
            self.left_out.append(UnusedFile(path, f"It is a copy of {self.first[uid]}.", failed=False))
        self.first.setdefault(uid, path)


def readable_files(roots: Iterable[Path], left_out: list[UnusedFile]) -> Iterator[Path]:
    """Yield every file in some folders, by name, without hidden files; a file in two of them once.

    Sealed test sets are skipped, because they must not be used for training, not even unlabelled. Gathered data sets
    are skipped as well.

    Raises:
        UserError: a root is not a folder.
    """
    seen: set[Path] = set()
    for root in roots:
        if not root.is_dir():
            raise UserError(f"{root} is no folder; give a folder that holds scans.")
        everything = paths_under(root)
        apart = {folder: why for folder in (root, *everything) if folder.is_dir() and (why := _set_apart(folder))}
        left_out += [UnusedFile(folder, why, failed=False) for folder, why in sorted(apart.items())]
        for path in everything:
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if not hidden and apart.keys().isdisjoint(path.parents) and path.is_file() and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def is_image(path: Path) -> bool:
    """Whether a file's suffix is that of an image other than DICOM."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def looks_like_dicom_scan(path: Path, left_out: list[UnusedFile]) -> bool:
    """Whether to read a file as DICOM; a file that cannot be opened is added to `left_out`."""
    try:
        return not is_image(path) and looks_like_scan(path)
    except OSError as error:
        left_out.append(UnusedFile(path, f"It cannot be opened ({reason_of(error)}); ask for permission to read it."))
        return False


def _set_apart(folder: Path) -> str:
    """Return why a folder is skipped with all its files; "" for one that is not."""
    if is_sealed(folder):
        return "It is a sealed test, which is never trained on."
    if (folder / GATHERED_FILE).is_file() or (folder / KEY_FILE).is_file():
        return "It is a data set that was gathered before."
    return ""


def _pairs(pictures: list[Path]) -> list[tuple[Path, ...]]:
    """Pair images of one folder whose names differ only by the view as one scan, anterior first."""
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
