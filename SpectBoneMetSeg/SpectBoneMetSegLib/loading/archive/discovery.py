"""The whole-body scans in a folder tree: files grouped by study, copies counted once, everything else named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...common.errors import UserError
from ...common.files import paths_under, sha256_of
from ..dicom import NotPlanarError, looks_like_dicom, read_header
from ..dicom_values import items, text
from ..grouping import group_files
from ..images import IMAGE_SUFFIXES
from .choice import choose
from .series import Candidate, candidate

__all__ = ["Archive", "FoundScan", "LeftOut", "files_in", "find_scans", "scans_among"]

#: Scans or not: files that systems write beside images, which nobody needs to be told about.
_SILENT_SUFFIXES = (".txt", ".csv", ".json", ".xml", ".pdf", ".html", ".md", ".db", ".ini", ".log", ".exe", ".raw")
#: Pictures in formats that are not read, which is said.
_OTHER_PICTURES = (".bmp", ".gif", ".webp", ".heic", ".jp2", ".hdr", ".img", ".mat", ".npy", ".npz", ".h5", ".avi")


#: Files that may hold scans and are not unpacked, and how Interfile's headers begin, which is said as well.
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
_INTERFILE = b"!INTERFILE"


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read, and why, as a clause without a full stop; `failed` when it ought to have been read."""

    path: Path
    reason: str
    failed: bool = False


@dataclass(frozen=True)
class FoundScan:
    """The files of one scan.

    Attributes:
        files: one, or several with one view each.
        study_uid: StudyInstanceUID, "" for pictures without a header.
        sop_uids: of the files that have one.
        notes: sentences about what lies beside it and is not read.
        copies: per file others that hold the same object, to be read where it cannot.
        excluded: files of the same study that are not read, with the reason.
    """

    files: tuple[Path, ...]
    study_uid: str = ""
    sop_uids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    copies: dict[Path, tuple[Path, ...]] = field(default_factory=dict)
    excluded: dict[Path, str] = field(default_factory=dict)


@dataclass
class Archive:
    """What a folder holds: scans in the order of their files, and what is not read."""

    scans: list[FoundScan] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass
class _Objects:
    """DICOM objects by study; `copies` holds all files of an object, the first one stands for it."""

    studies: dict[str, list[Path]] = field(default_factory=dict)
    uids: dict[Path, str] = field(default_factory=dict)
    copies: dict[tuple[str, ...], list[Path]] = field(default_factory=dict)


def find_scans(folder: Path, skipped: Path | None = None) -> Archive:
    """The scans under a folder, at any depth.

    Args:
        folder: where to look. Hidden files, results of earlier readings and data sets for training are passed over.
        skipped: a folder that is passed over, such as that of the results.
    """
    return scans_among(files_in(folder, skipped))


def scans_among(files: Sequence[Path]) -> Archive:
    """The scans that some files hold, and what is not read of them."""
    archive, objects = Archive(), _Objects()
    pictures: list[Path] = []
    for path in files:
        if path.name.lower().endswith(IMAGE_SUFFIXES):
            pictures.append(path)
        else:
            _take_up(path, objects, archive)
    for uid, files in objects.studies.items():
        _add_study(uid, files, objects, archive)
    _add_pictures(pictures, archive)
    notes = tuple(_sentences(archive.left_out))
    # What belongs to no study in particular is told with the first scan.
    if archive.scans and notes:
        first = archive.scans[0]
        archive.scans[0] = replace(first, notes=(*notes, *first.notes))
    return archive


def files_in(folder: Path, skipped: Path | None = None) -> list[Path]:
    """The files under a folder, sorted; without hidden ones, results of earlier readings and data sets for training."""
    without = skipped.resolve() if skipped is not None else None
    found = []
    for path in paths_under(folder):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file() or (without is not None and path.resolve().is_relative_to(without)):
            continue
        inside = (parent for parent in path.parents if parent.is_relative_to(folder))
        if not any((parent / "receipt.json").is_file() or _is_data_set(parent) for parent in inside):
            found.append(path)
    return found


def _is_data_set(folder: Path) -> bool:
    """Whether a folder has nnU-Net's layout: crops of scans and their labels, which are no scans to read."""
    return (folder / "dataset.json").is_file() and any((folder / f"images{part}").is_dir() for part in ("Tr", "Ts"))


def _take_up(path: Path, objects: _Objects, archive: Archive) -> None:
    """Sort a file that is no picture by name into its study, or leave it out."""
    if path.name.upper() == "DICOMDIR" or path.suffix.lower() in _SILENT_SUFFIXES:
        return
    try:
        if not looks_like_dicom(path):
            why = _why_not_read(path)
            archive.left_out += [LeftOut(path, why)] if why else []
            return
        header = read_header(path)
        uid = text(header, "SOPInstanceUID") or f"sha256:{sha256_of(path)}"
    except NotPlanarError as error:
        archive.left_out.append(LeftOut(path, error.kind))
        return
    except UserError as error:
        archive.left_out.append(LeftOut(path, str(error).rstrip("."), failed=True))
        return
    except OSError as error:
        archive.left_out.append(LeftOut(path, f"it cannot be opened ({error.strerror})", failed=True))
        return
    # Careless pseudonyms give one UID to different views: only what also says the same of itself is a copy.
    views = [text(code, "CodeValue") for item in items(header, "DetectorInformationSequence") for code in
             items(item, "ViewCodeSequence")]  # fmt: skip
    same = (uid, *(text(header, word) for word in ("InstanceNumber", "ImageID", "SeriesDescription", "Rows")), *views)
    objects.copies.setdefault(same, []).append(path)
    if len(objects.copies[same]) > 1:
        return
    objects.uids[path] = uid
    objects.studies.setdefault(text(header, "StudyInstanceUID"), []).append(path)


def _why_not_read(path: Path) -> str:
    """Why a file that is no DICOM is not read; "" for one that nobody would take for a scan."""
    suffix = path.suffix.lower()
    if suffix in _OTHER_PICTURES:
        return f"{suffix} is a format that is not read"
    if suffix in _PACKED:
        return "packed files are not looked into: unpack it"
    with path.open("rb") as stream:
        start = stream.read(len(_INTERFILE)).upper()
    return "Interfile is a format that is not read: export it as DICOM" if start == _INTERFILE else ""


def _add_study(uid: str, files: list[Path], objects: _Objects, archive: Archive) -> None:
    """The whole-body scans of one study, with what was left out beside them."""
    candidates: list[Candidate] = []
    for group in group_files(files):
        try:
            candidates.append(candidate(group))
        except UserError as error:
            archive.left_out += [LeftOut(path, str(error).rstrip("."), failed=True) for path in group]
    copies = {same[0]: tuple(same[1:]) for same in objects.copies.values() if len(same) > 1}
    chosen, nothing_beside = choose(candidates)
    archive.left_out += [LeftOut(path, why) for each, why in nothing_beside for path in each.files]
    for scan, beside in chosen:
        files_of = tuple(sorted(scan.files))
        out = [
            LeftOut(path, f"{why} ({each.title})" if each.title else why) for each, why in beside for path in each.files
        ]
        own = {path: copies[path] for path in files_of if path in copies}
        uids = tuple(objects.uids[path] for path in files_of)
        reasons = {each.path: each.reason for each in out}
        archive.scans.append(FoundScan(files_of, uid, uids, tuple(_sentences(out)), own, reasons))


def _add_pictures(pictures: list[Path], archive: Archive) -> None:
    """Pictures without a header are a scan of their own only where no DICOM scan lies."""
    if archive.scans:
        archive.left_out += [LeftOut(path, "a picture beside DICOM files") for path in pictures]
    elif pictures and len(pictures) <= 2:
        archive.scans.append(FoundScan(tuple(pictures)))
    elif pictures:
        archive.left_out += [
            LeftOut(path, f"one of {len(pictures)} pictures; give each study a folder of its own", failed=True)
            for path in pictures
        ]


def _sentences(left_out: list[LeftOut]) -> list[str]:
    """One sentence a reason: the path of an only file, the number and the first path of several."""
    first: dict[str, Path] = {}
    for each in left_out:
        first.setdefault(each.reason, each.path)
    counted = Counter(each.reason for each in left_out)
    return [
        f"Left out: {path} ({reason})."
        if counted[reason] == 1
        else f"Left out: {counted[reason]} files ({reason}), the first of them {path}."
        for reason, path in first.items()
    ]
