"""Read one reader's label files of one scan, in any supported format, as `Labels`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.marks import LabelFile, Labels, Mark
from .dicom_seg import is_dicom_seg, read_dicom_seg
from .image_files import LABEL_SUFFIXES, SEGMENTATION_SUFFIX, read_label_image
from .labelme import read_labelme
from .mask_pictures import MASK_SUFFIXES, read_mask_picture, refuse_mask
from .result_folders import is_result, read_result

__all__ = ["join_labels", "read_labels"]


def read_labels(files: Sequence[LabelFile], scan: WholeBodyScan, reader: str = "") -> Labels:
    """Read one reader's labels from one or several files (for example one file per view).

    Args:
        files: label files; a segmentation inside a result folder is read as its correction.
        scan: the scan they were drawn on.
        reader: name for the report.

    Raises:
        UserError: a file cannot be read, does not lie on the scan, or two files mark the same view.
    """
    parts = []
    for file in files:
        notes: list[str] = []
        try:
            marks, covers = _read(file, scan, reader, notes)
        except (UserError, OSError):
            raise
        except Exception as error:  # any bytes may lie in a label, and one file must not cost the others
            raise UserError(
                f"{file.path.name} is damaged ({type(error).__name__}); save or export it again."
            ) from error
        parts.append(Labels(reader, tuple(marks), covers, (str(file.path),), tuple(notes)))
    return join_labels(parts, scan.case)


def join_labels(parts: Sequence[Labels], case: str) -> Labels:
    """Merge several labels of one reader.

    Args:
        parts: at least one.
        case: the scan's name, for messages.

    Raises:
        UserError: two of them mark the same view.
    """
    spoken: dict[ViewName | None, str] = {}
    for part in parts:
        source = Path(part.sources[0]).name
        other = [name for view, name in spoken.items() if view in part.covers or None in (view, *part.covers)]
        if other:
            raise UserError(
                f"{other[0]} and {source} of one reader both mark {case}; name them after their readers, or after the "
                "view that each was drawn on (_anterior, _posterior)."
            )
        spoken |= dict.fromkeys(part.covers, source)
    return Labels(
        parts[0].reader,
        tuple(mark for part in parts for mark in part.marks),
        frozenset(spoken),
        tuple(source for part in parts for source in part.sources),
        tuple(note for part in parts for note in part.notes),
    )


def _read(
    file: LabelFile, scan: WholeBodyScan, reader: str, notes: list[str]
) -> tuple[Iterable[Mark], frozenset[ViewName | None]]:
    path, name = file.path, file.path.name.lower()
    if not path.is_file():
        raise UserError(f"{path} does not exist; check the path.")
    if is_result(path.parent) and name.endswith(SEGMENTATION_SUFFIX):
        labels = read_result(path.parent, path, scan, reader)
        notes += labels.notes
        return labels.marks, labels.covers
    if name.endswith(LABEL_SUFFIXES):
        return read_label_image(path, scan, file.view, notes)
    if name.endswith(MASK_SUFFIXES):
        return read_mask_picture(path, scan, file.view)
    refuse_mask(path)
    if name.endswith(".json"):
        return read_labelme(path, scan, file.view, notes)
    if is_dicom_seg(path):
        return read_dicom_seg(path, scan, notes)
    raise UserError(
        f"{path.name} is no label that can be read; give .seg.nrrd, NRRD, NIfTI, MetaImage, LabelMe JSON, a "
        "PNG or TIFF mask, or a DICOM segmentation."
    )
