"""Find scans with their label files and readers in folders, and files left out. Only headers are read.

Labelled folders may use either layout, or both:

    FOLDER/scan1.dcm  scan1.seg.nrrd  scan1_READER.nii.gz         label files named after the scan beside them
    FOLDER/study1/ANT.dcm  POST.dcm  READER.seg.nrrd  READER/lesions_anterior.json     one scan in a folder of its own

READER is what remains of the name without the scan's name, a view and terms such as "mask"; if nothing remains, the
subfolder's name. A DICOM segmentation is matched to its scan by the image that it references, a result folder of
`segment` by its receipt. An image file (NRRD, NIfTI, MetaImage) is a label if it is in the folder of a DICOM scan, has
such a term in its name or is named after another image; PNG, TIFF and JPEG need such a term. Other images are scans.
A JPEG label is refused when it is read, with all of its reader's labels of the scan: a view that its reader outlined
must not count as one without outlines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, why_unread
from SpectBoneMetSegLib.loading import case_name
from SpectBoneMetSegLib.loading.archive import is_data_set
from SpectBoneMetSegLib.loading.dicom import NotPlanarError
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

from ...dataset.cases import FOLDERS
from ..formats.dicom_seg import is_dicom_seg, referenced_images
from ..formats.image_files import LABEL_SUFFIXES, SEGMENTATION_SUFFIX
from ..formats.labelme import is_labelme
from ..formats.mask_pictures import REFUSED_SUFFIXES
from ..formats.result_folders import SEGMENTATION, corrections_in, inputs_of, is_result
from ..labels.marks import LabelFile
from .file_names import extends, is_label_name, reader_in, side_in
from .scan_files import Catalogue, ScanFiles, UnusedFile, is_image, looks_like_dicom_scan, readable_files

__all__ = ["Found", "LabelledStudy", "find"]

#: Suffixes of other tools' outlines; such files are reported, not read.
_OTHER_LABELS = (".xml", ".roi", ".zip", ".mat", ".npy", ".npz")
_NO_LABEL = "It is of a kind that is not read; a label is NRRD, NIfTI, MetaImage, LabelMe JSON, a mask or a DICOM SEG."
_NO_LABELS = "No label file belongs to it; add one, or list its folder as unlabelled."
#: Why images in unlabelled folders are no scans.
_LABEL_AMONG_UNLABELLED = (
    "Its name or place is that of a label; list its folder as labelled, or rename it if it is a scan."
)
_OF_RESULT = "Its images are the result of a reading and are not used; list it as labelled if you corrected it."
_OF_DATA_SET = "Its images belong to a training data set and are not used; only its DICOM files are."
#: Folder of a data set that may have no dataset.json, because it has no labels.
_UNLABELLED_IMAGES = FOLDERS["unlabelled"][0]
#: Name of a reader whom neither file nor folder names.
UNNAMED_READER = "reader"


@dataclass(frozen=True)
class LabelledStudy:
    """A scan and the label files of each reader.

    Attributes:
        scan: files of the scan.
        readers: {reader: label files}.
        also_unlabelled: it is in an unlabelled folder too, and is used from there if none of its labels can be read.
    """

    scan: ScanFiles
    readers: dict[str, tuple[LabelFile, ...]]
    also_unlabelled: bool = False


@dataclass(frozen=True)
class Found:
    """Everything found in some folders.

    Attributes:
        labelled: scans with label files.
        unlabelled: scans of the unlabelled folders.
        left_out: files and folders that are not used.
    """

    labelled: tuple[LabelledStudy, ...] = ()
    unlabelled: tuple[ScanFiles, ...] = ()
    left_out: tuple[UnusedFile, ...] = ()


def find(labelled: Iterable[Path] = (), unlabelled: Iterable[Path] = ()) -> Found:
    """Find scans and labels in folders, recursively; hidden files and files that are not scans are skipped.

    Scans are identified by SOP Instance UID: a copy counts once, and a labelled scan is not also used as unlabelled.

    Raises:
        UserError: a folder does not exist.
    """
    known = Catalogue()
    studies, bare, left_out = _find_labelled(list(labelled), known)
    taken = {uid: study.scan.files[0] for study in studies for uid in study.scan.uids}
    scans, more, again = _find_unlabelled(list(unlabelled), taken)
    studies = [replace(study, also_unlabelled=not again.isdisjoint(study.scan.uids)) for study in studies]
    used = {uid for scan in scans for uid in scan.uids}
    left_out += [UnusedFile(scan.files[0], _NO_LABELS, failed=False) for scan in bare if used.isdisjoint(scan.uids)]
    left_out = [*known.left_out, *left_out]
    # A file that is in folders of both kinds is reported once, as what it is in the labelled one.
    reported = {path.resolve() for path in (*_files_of(studies), *(item.path for item in left_out))}
    left_out += [item for item in more if item.path.resolve() not in reported]
    return Found(tuple(studies), tuple(scans), tuple(left_out))


def _files_of(studies: list[LabelledStudy]) -> Iterator[Path]:
    """Yield every scan and label file."""
    for study in studies:
        yield from study.scan.files
        yield from (file.path for files in study.readers.values() for file in files)


def _find_unlabelled(roots: list[Path], taken: dict[str, Path]) -> tuple[list[ScanFiles], list[UnusedFile], set[str]]:
    """Return unlabelled scans, files left out, and the UIDs of scans that have labels; `taken`: their {UID: file}."""
    catalogue = Catalogue()
    left_out: list[UnusedFile] = []
    pictures: list[Path] = []
    no_scans: dict[Path, str] = {}
    for path in readable_files(roots, left_out):
        if is_image(path):
            reason = _why_no_scans(path, roots, no_scans)
            if not reason:
                pictures.append(path)
        elif looks_like_dicom_scan(path, left_out):
            try:
                catalogue.add_dicom(path)
            except (UserError, OSError) as error:
                left_out.append(UnusedFile(path, why_unread(error), failed=not isinstance(error, NotPlanarError)))
    left_out += [UnusedFile(folder, reason, failed=False) for folder, reason in no_scans.items() if reason]
    labels: list[Path] = []
    for path in _sort_pictures(pictures, labels, catalogue, left_out):
        catalogue.add_picture(path)
    left_out += [UnusedFile(path, _LABEL_AMONG_UNLABELLED, failed=False) for path in labels]
    scans: list[ScanFiles] = []
    again: set[str] = set()
    for scan in catalogue.scans():
        labelled = [taken[uid] for uid in scan.uids if uid in taken]
        if labelled:
            again.update(scan.uids)
            # Whether it is used with its labels is known, and reported of that file, when they have been read.
            reason = f"It is the scan {labelled[0]}, which has labels."
            left_out.append(UnusedFile(scan.files[0], reason, failed=False))
        else:
            scans.append(scan)
    return scans, [*catalogue.left_out, *left_out], again


def _why_no_scans(path: Path, roots: list[Path], known: dict[Path, str]) -> str:
    """Return why the images around an image file are no scans, "" if they may be; adds its folder to `known`."""
    for folder in path.parents:
        if folder not in known:
            of_data_set = is_data_set(folder) or (folder / _UNLABELLED_IMAGES).is_dir()
            known[folder] = _OF_RESULT if is_result(folder) else _OF_DATA_SET if of_data_set else ""
        if known[folder] or folder in roots:
            return known[folder]
    return ""


def _find_labelled(
    roots: list[Path], known: Catalogue
) -> tuple[list[LabelledStudy], list[ScanFiles], list[UnusedFile]]:
    """Return scans with labels, scans without, and files left out."""
    labels: list[Path] = []
    pictures: list[Path] = []
    results: set[Path] = set()
    left_out: list[UnusedFile] = []
    for path in readable_files(roots, left_out):
        if is_result(path.parent):
            results.add(path.parent)
        elif path.suffix.lower() == ".json":
            labels += _labelme(path, left_out)
        elif path.name.lower().endswith(SEGMENTATION_SUFFIX):
            labels.append(path)
        elif is_image(path):
            pictures.append(path)
        elif looks_like_dicom_scan(path, left_out):
            try:
                known.add_dicom(path)
            except (UserError, OSError) as error:
                if is_dicom_seg(path):
                    labels.append(path)
                else:
                    left_out.append(UnusedFile(path, why_unread(error), failed=not isinstance(error, NotPlanarError)))
        elif path.suffix.lower() in REFUSED_SUFFIXES and is_label_name(case_name(path)):
            labels.append(path)
        elif path.suffix.lower() in _OTHER_LABELS:
            left_out.append(UnusedFile(path, _NO_LABEL, failed=False))
    for path in _sort_pictures(pictures, labels, known, left_out):
        known.add_picture(path)
    scans = known.scans()
    readers: dict[ScanFiles, dict[str, list[LabelFile]]] = {scan: {} for scan in scans}
    matcher = _Matcher(scans, known)
    for path in labels:
        try:
            scan, reader, view = matcher.match(path)
        except UserError as error:
            left_out.append(UnusedFile(path, str(error)))
            continue
        readers[scan].setdefault(reader, []).append(LabelFile(path, view))
    for folder in sorted(results):
        try:
            scan = matcher.of_result(folder)
            for path in corrections_in(folder) or [folder / SEGMENTATION]:
                reader = reader_in(case_name(path)) or UNNAMED_READER
                readers[scan].setdefault(reader, []).append(LabelFile(path))
        except UserError as error:
            left_out.append(UnusedFile(folder, str(error)))
    studies = [
        LabelledStudy(scan, {name: tuple(files) for name, files in sorted(found.items())})
        for scan, found in readers.items()
        if found
    ]
    return studies, [scan for scan, found in readers.items() if not found], left_out


def _labelme(path: Path, left_out: list[UnusedFile]) -> list[Path]:
    """Return the JSON file if it is a label; report any other JSON file, so that no label is missed."""
    try:
        if is_labelme(path):
            return [path]
        left_out.append(UnusedFile(path, "It is JSON but no LabelMe annotation.", failed=False))
    except UserError as error:
        left_out.append(UnusedFile(path, str(error)))
    return []


def _sort_pictures(
    pictures: list[Path], labels: list[Path], known: Catalogue, left_out: list[UnusedFile]
) -> list[Path]:
    """Return the image files that are scans; add labels to `labels`, other files to `left_out`."""
    with_dicom = {path.parent for path in known.first.values()}
    stems = {path: case_name(path) for path in pictures}
    scans = []
    for path in pictures:
        volume = path.name.lower().endswith(LABEL_SUFFIXES)
        in_study = not with_dicom.isdisjoint(path.parents)
        named_after = any(
            path.is_relative_to(other.parent) and extends(stems[path], stems[other]) for other in pictures
        )
        if (volume and (in_study or named_after)) or is_label_name(stems[path]):
            labels.append(path)
        elif not in_study:
            scans.append(path)
        elif not path.with_suffix(".json").is_file():
            # A PNG next to a DICOM scan is a screenshot, or was annotated if there is a LabelMe file of its name.
            words = "It lies next to a DICOM scan and its name has no word such as mask or label: it was not used."
            left_out.append(UnusedFile(path, words, failed=False))
    return scans


class _Matcher:
    """Match labels to scans."""

    def __init__(self, scans: list[ScanFiles], known: Catalogue) -> None:
        self._by_uid = {uid: scan for scan in scans for uid in scan.uids}
        #: Folder -> (stem, scan, view of the file if it holds one of two) of every scan file, copies included.
        self._places: dict[Path, list[tuple[str, ScanFiles, ViewName | None]]] = {}
        for uid, paths in known.everywhere.items():
            scan = self._by_uid[uid]
            view = VIEW_NAMES[scan.uids.index(uid)] if len(scan.uids) == 2 else None
            for path in paths:
                self._places.setdefault(path.parent, []).append((case_name(path), scan, view))

    def match(self, path: Path) -> tuple[ScanFiles, str, ViewName | None]:
        """Return the scan of a label file, its reader, and the view in its name.

        Raises:
            UserError: no scan, or several that it could belong to.
        """
        stem = case_name(path)
        if is_dicom_seg(path):
            found = {self._by_uid[uid] for uid in referenced_images(path) if uid in self._by_uid}
            if len(found) == 1:
                return found.pop(), _reader(path, stem, path.parent), None
        for folder in path.parents:
            here = self._places.get(folder)
            if not here:
                continue
            named = [place for place in here if stem == place[0] or extends(stem, place[0])]
            if named:
                name, scan, view = max(named, key=lambda place: len(place[0]))
                rest = stem[len(name) :]
                return scan, _reader(path, rest, folder), side_in(rest) or view
            scans = {scan for _, scan, _ in here}
            if len(scans) == 1:
                return scans.pop(), _reader(path, stem, folder), side_in(stem)
            raise UserError(
                f"{path.name} could belong to any of the {len(scans)} scans in {folder}; begin its name with the "
                "scan's."
            )
        raise UserError(f"There is no scan next to {path.name}; put the scan into its folder.")

    def of_result(self, folder: Path) -> ScanFiles:
        """Return the scan that a result folder was read from.

        Raises:
            UserError: it is not among those found.
        """
        for entry in inputs_of(folder):
            for uid in (str(entry.get("sop_instance_uid")), f"sha256:{entry.get('sha256')}"):
                if uid in self._by_uid:
                    return self._by_uid[uid]
        raise UserError(f"The scan that {folder} was read from lies in none of the labelled folders; put it there.")


def _reader(path: Path, rest: str, folder: Path) -> str:
    """Return the reader from the rest of a label file's name, else from the subfolders between scan and label."""
    between = "_".join(path.parent.relative_to(folder).parts) if path.parent != folder else ""
    return reader_in(rest) or reader_in(between) or UNNAMED_READER
