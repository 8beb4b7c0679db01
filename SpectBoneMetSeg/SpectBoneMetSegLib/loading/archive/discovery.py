"""Find the whole-body scans in a folder tree: group files by study, detect copies, record what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...common.errors import UserError, reason_of
from ...common.files import paths_under, sha256_of
from ..dicom import NotPlanarError, looks_like_dicom, read_header
from ..dicom_values import items, patient, text
from ..grouping import group_files, study_folder
from ..images import IMAGE_SUFFIXES
from ..laterality import views_in_text
from .choice import choose
from .series import Candidate, candidate

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Archive", "FoundScan", "LeftOut", "files_in", "find_scans", "is_data_set", "is_packed", "scans_among"]

#: Files that systems write next to images; they are ignored without a message.
_IGNORED_SUFFIXES = (".txt", ".csv", ".json", ".xml", ".pdf", ".html", ".md", ".db", ".ini", ".log", ".exe", ".raw")
#: Image formats that are not read; they are reported.
_OTHER_PICTURES = (".bmp", ".gif", ".webp", ".heic", ".jp2", ".hdr", ".img", ".mat", ".npy", ".npz", ".h5", ".avi")


#: Compressed files, which are not unpacked, and the start of an Interfile header; both are reported.
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar")
_INTERFILE = b"!INTERFILE"
#: Reason for a file or folder whose name starts with a dot.
_HIDDEN = "hidden"


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read.

    Attributes:
        path: of the file.
        reason: a clause without a full stop.
        failed: whether it should have been readable.
    """

    path: Path
    reason: str
    failed: bool = False


@dataclass(frozen=True)
class FoundScan:
    """The files of one scan.

    Attributes:
        files: one, or several with one view each.
        study_uid: StudyInstanceUID, "" for images without a header.
        sop_uids: SOP instance UIDs of the files that have one.
        notes: messages about files next to it that are not read.
        copies: per file, other files with the same object, read if the file cannot be.
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
    """Content of a folder: scans, and files that are not read.

    Attributes:
        scans: scans found, DICOM before images without a header, both in the order of their files.
        left_out: files that are not read, with the reason.
    """

    scans: list[FoundScan] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass
class _Objects:
    """DICOM objects by patient, study and folder.

    The patient counts too, because faulty pseudonymisation gives several patients one study UID, or none. The folder
    is "" where there is a study UID.

    Attributes:
        studies: {(patient, study UID, folder): files}.
        uids: {file: SOP instance UID}.
        copies: {what copies agree in: files}, of which the first one is used.
        folders: {SHA-256 digest of a file: its study folder}, where the header does not name patient and study.
    """

    studies: dict[tuple[str, str, str], list[Path]] = field(default_factory=dict)
    uids: dict[Path, str] = field(default_factory=dict)
    copies: dict[tuple[str, ...], list[Path]] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)


def find_scans(folder: Path, skipped: Path | None = None) -> Archive:
    """Find the scans under a folder, at any depth; notes that belong to no scan are added to the first one.

    Args:
        folder: where to search. Hidden files, results of earlier readings and training data sets are skipped.
        skipped: a folder below it to skip, such as that of the results; one around it skips nothing.
    """
    files, passed_over = files_in(folder, skipped)
    archive = scans_among(files)
    if len(archive.scans) > 1:
        owners = _owners(archive.scans)
        notes = _sentences([each for each in archive.left_out if _owner(each.path, owners) is None])
        archive.scans[0] = replace(archive.scans[0], notes=(*notes, *archive.scans[0].notes))
    archive.left_out += passed_over
    return archive


def scans_among(files: Sequence[Path]) -> Archive:
    """Find the scans among some files, and list the files that are not read."""
    archive, objects = Archive(), _Objects()
    pictures: list[Path] = []
    for path in files:
        if path.name.lower().endswith(IMAGE_SUFFIXES):
            pictures.append(path)
        else:
            _add_dicom(path, objects, archive)
    for (owner, uid, _), files in objects.studies.items():
        _add_study(owner, uid, files, objects, archive)
    _add_pictures(pictures, archive)
    _add_notes(archive)
    return archive


def _add_notes(archive: Archive) -> None:
    """Add to every scan the notes about files next to it; those between several scans belong to none."""
    owners = _owners(archive.scans)
    notes: dict[int, list[LeftOut]] = {}
    for each in archive.left_out:
        owner = _owner(each.path, owners)
        if owner is not None:
            notes.setdefault(owner, []).append(each)
    for number, own in notes.items():
        scan = archive.scans[number]
        archive.scans[number] = replace(scan, notes=(*_sentences(own), *scan.notes))


def _owners(scans: Sequence[FoundScan]) -> dict[Path, set[int]]:
    """Return {folder: indices of the scans in it or below it}."""
    owners: dict[Path, set[int]] = {}
    for number, scan in enumerate(scans):
        for path in scan.files:
            for folder in path.parents:
                owners.setdefault(folder, set()).add(number)
    return owners


def _owner(path: Path, owners: Mapping[Path, set[int]]) -> int | None:
    """Return the index of the only scan in the nearest folder around a file that holds scans; None for several."""
    near = next((owners[folder] for folder in path.parents if folder in owners), set[int]())
    return next(iter(near)) if len(near) == 1 else None


def files_in(folder: Path, skipped: Path | None = None) -> tuple[list[Path], list[LeftOut]]:
    """List the files under a folder, sorted, and the hidden files and whole folders that are passed over.

    Args:
        folder: where to search.
        skipped: a folder below it to skip without a word, such as that of the results; one around it skips nothing.
    """
    without = skipped.resolve() if skipped is not None else None
    if without is not None and folder.resolve().is_relative_to(without):
        # Results may be written beside the study; the result folders are skipped by what they hold.
        without = None
    closed: list[OSError] = []
    found, reasons = list[Path](), dict[Path, LeftOut | None]()
    for path in paths_under(folder, closed.append):
        if not path.is_file() or (without is not None and path.resolve().is_relative_to(without)):
            continue
        around = _passed_over(path.parent, folder, reasons)
        if around is None and not path.name.startswith("."):
            found.append(path)
        elif around is None:
            reasons[path] = LeftOut(path, _HIDDEN)
    out = {each.path: each for each in reasons.values() if each is not None}
    for error in closed:
        path = Path(error.filename)
        out[path] = LeftOut(path, f"it cannot be opened ({reason_of(error)})", failed=True)
    return found, [out[path] for path in sorted(out)]


def _passed_over(inside: Path, folder: Path, known: dict[Path, LeftOut | None]) -> LeftOut | None:
    """Return the folder around `inside`, up to `folder`, whose files are not read, with the reason; None if none is."""
    if inside not in known:
        around = None if inside == folder else _passed_over(inside.parent, folder, known)
        reason = _why_passed_over(inside, named=inside == folder)
        known[inside] = around or (LeftOut(inside, reason) if reason else None)
    return known[inside]


def _why_passed_over(folder: Path, *, named: bool) -> str:
    """Return why the files of a folder are not read, "" if they are; one that the user `named` may be hidden."""
    if not named and folder.name.startswith("."):
        return _HIDDEN
    if all((folder / name).is_file() for name in ("receipt.json", "lesions.csv")):
        return "the results of an earlier reading"
    return "a training data set" if is_data_set(folder) else ""


def is_data_set(folder: Path) -> bool:
    """Whether a folder has nnU-Net's layout: crops and labels for training, not scans to read."""
    return (folder / "dataset.json").is_file() and any((folder / f"images{part}").is_dir() for part in ("Tr", "Ts"))


def _add_dicom(path: Path, objects: _Objects, archive: Archive) -> None:
    """Add a file without an image suffix to its study, or to the files left out."""
    if path.name.upper() == "DICOMDIR" or path.suffix.lower() in _IGNORED_SUFFIXES:
        return
    try:
        if not looks_like_dicom(path):
            why = _why_not_read(path)
            archive.left_out += [LeftOut(path, why)] if why else []
            return
        header = read_header(path)
        uid = text(header, "SOPInstanceUID") or f"sha256:{sha256_of(path)}"
        same = (uid, *_same_in_copies(path, header, objects))
    except NotPlanarError as error:
        archive.left_out.append(LeftOut(path, error.kind))
        return
    except UserError as error:
        archive.left_out.append(LeftOut(path, str(error).rstrip("."), failed=True))
        return
    except OSError as error:
        archive.left_out.append(LeftOut(path, f"it cannot be opened ({reason_of(error)})", failed=True))
        return
    objects.copies.setdefault(same, []).append(path)
    if len(objects.copies[same]) > 1:
        return
    objects.uids[path] = uid
    study = text(header, "StudyInstanceUID")
    folder = "" if study else str(study_folder(path))
    objects.studies.setdefault((patient(header), study, folder), []).append(path)


def _same_in_copies(path: Path, header: Dataset, objects: _Objects) -> tuple[str, ...]:
    """Return what files with one SOP instance UID agree in if they are copies of one object.

    Faulty pseudonymisation gives one UID to several patients or views. Without a study, copies have equal bytes; with
    a study but no patient, they have equal bytes or lie in one study folder.
    """
    owner, study, where = patient(header), text(header, "StudyInstanceUID"), ""
    if not (owner and study):
        digest = sha256_of(path)
        folder = objects.folders.setdefault(digest, str(study_folder(path)))
        where = folder if study else digest
    views = [text(code, "CodeValue") for item in items(header, "DetectorInformationSequence") for code in
             items(item, "ViewCodeSequence")]  # fmt: skip
    described = (text(header, keyword) for keyword in ("InstanceNumber", "ImageID", "SeriesDescription", "Rows"))
    return (owner, where, *described, *views)


def is_packed(path: Path) -> bool:
    """Whether a file's name is that of a compressed file, which is not unpacked."""
    return path.suffix.lower() in _PACKED


def _why_not_read(path: Path) -> str:
    """Return why a file that is not DICOM is not read; "" for one that is clearly not a scan."""
    suffix = path.suffix.lower()
    if suffix in _OTHER_PICTURES:
        return f"{suffix} is a format that is not read"
    if is_packed(path):
        return "compressed archives are not opened: unpack it"
    with path.open("rb") as stream:
        start = stream.read(len(_INTERFILE)).upper()
    return "Interfile is a format that is not read: export it as DICOM" if start == _INTERFILE else ""


def _add_study(owner: str, uid: str, files: list[Path], objects: _Objects, archive: Archive) -> None:
    """Add the whole-body scans of one study to the archive, with what was left out."""
    candidates: list[Candidate] = []
    for group in group_files(files):
        try:
            candidates.append(candidate(group))
        except UserError as error:
            archive.left_out += [LeftOut(path, str(error).rstrip("."), failed=True) for path in group]
    copies = {same[0]: tuple(same[1:]) for same in objects.copies.values() if len(same) > 1}
    chosen, rejected = choose(candidates, owner, uid)
    archive.left_out += [LeftOut(path, why) for each, why in rejected for path in each.files]
    for scan, excluded in chosen:
        files_of = tuple(sorted(scan.files))
        out = [
            LeftOut(path, f"{why} ({each.title})" if each.title else why)
            for each, why in excluded
            for path in each.files
        ]
        own = {path: copies[path] for path in files_of if path in copies}
        uids = tuple(objects.uids[path] for path in files_of)
        reasons = {each.path: each.reason for each in out}
        archive.scans.append(FoundScan(files_of, uid, uids, tuple(_sentences(out)), own, reasons))


def _add_pictures(pictures: list[Path], archive: Archive) -> None:
    """Add the images without a header of every study folder as a scan, but not next to a DICOM scan."""
    studies = _studies_below(archive.scans)
    folders: dict[Path, list[Path]] = {}
    for path in pictures:
        folders.setdefault(study_folder(path), []).append(path)
    for folder, images in folders.items():
        if _is_next_to(folder, studies, images):
            archive.left_out += [LeftOut(path, "an image next to DICOM files") for path in images]
        elif len(images) <= 2:
            archive.scans.append(FoundScan(tuple(images)))
        else:
            why = f"one of {len(images)} images in one folder; give each study a folder of its own"
            archive.left_out += [LeftOut(path, why, failed=True) for path in images]


def _studies_below(scans: Sequence[FoundScan]) -> dict[Path, set[str]]:
    """Return {folder: study UIDs, or else study folders, of the scans in it or below it}."""
    studies: dict[Path, set[str]] = {}
    for scan in scans:
        for path in scan.files:
            own = study_folder(path)
            for folder in (own, *own.parents):
                studies.setdefault(folder, set()).add(scan.study_uid or str(own))
    return studies


def _is_next_to(folder: Path, studies: Mapping[Path, set[str]], images: Sequence[Path]) -> bool:
    """Whether a folder's images were exported with DICOM scans, or shown by the viewer that came with them.

    They are if the folder holds DICOM scans, or if the nearest one around it that does holds a single study. In a
    folder of several studies each subfolder may be another patient's, but only one whose images all name a view: the
    images of a viewer, and pages that were exported, name none.
    """
    nearest = next((around for around in (folder, *folder.parents) if around in studies), None)
    if nearest is None or nearest == folder or len(studies[nearest]) == 1:
        return nearest is not None
    # An image in a subfolder lies in one that is named by a view.
    return any(path.parent == folder and not views_in_text(path.stem) for path in images)


def _sentences(left_out: list[LeftOut]) -> list[str]:
    """Return one message per reason: the path of a single file, or the number and the first path of several."""
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
