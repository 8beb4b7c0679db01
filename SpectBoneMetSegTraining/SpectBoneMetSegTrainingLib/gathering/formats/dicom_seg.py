"""DICOM Segmentation objects (PS3.3 A.51) of planar scans.

The header of a planar image states no place in the patient, so a segmentation of one refers to the image and its frame
(Derivation Image Sequence). Frames that state their place instead, as of an export from patient space, are compared
with the scan's grids like any other label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.grids import on_frame_of, place, view_grid
from ..labels.marks import IGNORE_NAME, Mark

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["is_dicom_seg", "read_dicom_seg", "referenced_images"]

#: Segmentation Storage and Label Map Segmentation Storage.
SEG_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})


def is_dicom_seg(path: Path) -> bool:
    """Whether a file is a DICOM segmentation."""
    try:
        return str(_read(path, pixels=False).get("SOPClassUID")) in SEG_CLASSES
    except UserError:
        return False


def referenced_images(path: Path) -> frozenset[str]:
    """SOP Instance UIDs of the images a segmentation says it was drawn on; empty where it does not.

    Raises:
        UserError: no DICOM file.
    """
    header = _read(path, pixels=False)
    series = header.get("ReferencedSeriesSequence") or []
    listed = {str(image.ReferencedSOPInstanceUID) for item in series for image in item.ReferencedInstanceSequence}
    return frozenset(listed | {uid for group in _groups(header) for uid, _ in _sources(group)})


def read_dicom_seg(path: Path, scan: WholeBodyScan) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """The marks of a DICOM segmentation, and what it covers.

    Raises:
        UserError: damaged, compressed in a way that cannot be read, or drawn on another image.
    """
    header = _read(path, pixels=True)
    referenced = referenced_images(path)
    if referenced and scan.source.sop_instance_uids and referenced.isdisjoint(scan.source.sop_instance_uids):
        raise UserError(
            f"{path.name} was drawn on another image than the scan {scan.case}; put it beside its own scan."
        )
    try:
        frames = _frames(header)
        names = {int(item.SegmentNumber): str(item.get("SegmentLabel", "")) for item in header.SegmentSequence}
        placed = [_placed(header, index, frames[index], scan, path) for index in range(len(frames))]
        numbers = [_segment_of(header, index) for index in range(len(frames))]
    except UserError:
        raise
    except Exception as error:  # pydicom and its decoders raise whatever a damaged header makes them
        raise UserError(f"{path.name} is a damaged DICOM segmentation; export it again.") from error
    marks: list[Mark] = []
    for (pixels, view), number in zip(placed, numbers, strict=True):
        # A label map holds all segments in one frame, by their numbers.
        for value in [number] if number else sorted(set(np.unique(pixels).tolist()) - {0}):
            mask = (pixels > 0) if number else (pixels == value)
            name = f"{names.get(value, 'segment')} {value}"
            if mask.any():
                marks.append(Mark(name, mask, view, names.get(value, "").strip().lower() == IGNORE_NAME))
    # A view without any frame may be free of lesions or may not have been looked at: nothing is claimed about it.
    return marks, frozenset(view for _, view in placed) or frozenset(scan.views)


def _read(path: Path, *, pixels: bool) -> Dataset:
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # any bytes may lie in a file of this name
        raise UserError(f"{path.name} is not a readable DICOM file; export it again.") from error


def _frames(header: Dataset) -> NDArray[np.uint16]:
    """(frames, rows, columns): 0/1, or the segment numbers of a label map."""
    if not header.get("PixelData"):
        return np.zeros((0, int(header.Rows), int(header.Columns)), np.uint16)
    pixels = np.asarray(header.pixel_array).reshape(-1, int(header.Rows), int(header.Columns))
    if str(header.SegmentationType) == "FRACTIONAL":
        pixels = pixels.astype(np.uint32) * 2 > int(header.get("MaximumFractionalValue") or 255)
    return pixels.astype(np.uint16)


def _groups(header: Dataset, index: int | None = None) -> Iterator[Dataset]:
    """The functional groups that hold for all frames, and those of one frame (or of every frame)."""
    yield from header.get("SharedFunctionalGroupsSequence") or []
    own = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    yield from own if index is None else own[index : index + 1]


def _segment_of(header: Dataset, index: int) -> int:
    """Number of the segment that a frame shows; 0 for a label map, which shows all."""
    for group in _groups(header, index):
        for item in group.get("SegmentIdentificationSequence") or []:
            return int(item.ReferencedSegmentNumber)
    return 0


def _sources(group: Dataset) -> Iterator[tuple[str, int]]:
    """(SOP Instance UID, frame number) of the images that a frame was drawn on; frame 1 where none is named."""
    for derivation in group.get("DerivationImageSequence") or []:
        for source in derivation.get("SourceImageSequence") or []:
            frames = source.get("ReferencedFrameNumber") or 1
            for number in [frames] if isinstance(frames, (int, str)) else frames:
                yield str(source.ReferencedSOPInstanceUID), int(number)


def _placed(
    header: Dataset, index: int, pixels: NDArray[np.uint16], scan: WholeBodyScan, path: Path
) -> tuple[NDArray[np.uint16], ViewName | None]:
    """A frame on the anterior frame, and the view it marks."""
    for group in _groups(header, index):
        for uid, number in _sources(group):
            view = _view_of_frame(uid, number, scan)
            if view is not None:
                return _on_view(pixels, view, scan, path), view
    matrix = _matrix(header, index)
    if matrix is not None:
        return place(pixels, matrix, scan, path.name)
    if len(scan.views) == 1:
        only = next(iter(scan.views))
        return _on_view(pixels, only, scan, path), only
    raise UserError(
        f"{path.name} does not say which view of {scan.case} it was drawn on; export it with references to the frames."
    )


def _on_view(pixels: NDArray[np.uint16], view: ViewName, scan: WholeBodyScan, path: Path) -> NDArray[np.uint16]:
    shape = scan.views[view].shape
    if pixels.shape != shape:
        raise UserError(
            f"{path.name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, the {view} view of {scan.case} "
            f"{shape[1]} x {shape[0]}; export it in the pixels of that view."
        )
    return on_frame_of(pixels, view_grid(scan.views[view], view), scan)


def _view_of_frame(uid: str, number: int, scan: WholeBodyScan) -> ViewName | None:
    """The view whose counts a frame of a source image holds; None for another image."""
    source = scan.source
    if uid not in source.sop_instance_uids or len(source.files) != len(source.sop_instance_uids):
        return None
    header = _read(Path(source.files[source.sop_instance_uids.index(uid)]), pixels=True)
    stored = np.asarray(header.pixel_array).reshape(-1, int(header.Rows), int(header.Columns))
    if not 1 <= number <= len(stored):
        return None
    factor, offset = float(header.get("RescaleSlope") or 1), float(header.get("RescaleIntercept") or 0)
    counts = (stored[number - 1].astype(np.float64) * factor + offset).clip(0, None).astype(np.float32)
    return next((name for name, view in scan.views.items() if np.array_equal(view.counts, counts)), None)


def _matrix(header: Dataset, index: int) -> NDArray[np.float64] | None:
    """4x4 IJK to RAS mm that the functional groups state; None where they state none."""
    position = orientation = spacing = None
    for group in _groups(header, index):
        for item in group.get("PlanePositionSequence") or []:
            position = [float(value) for value in item.ImagePositionPatient]
        for item in group.get("PlaneOrientationSequence") or []:
            orientation = [float(value) for value in item.ImageOrientationPatient]
        for item in group.get("PixelMeasuresSequence") or []:
            spacing = [float(value) for value in item.PixelSpacing]
    if position is None or orientation is None or spacing is None:
        return None
    lps = np.eye(4)
    lps[:3, 0] = np.array(orientation[:3]) * spacing[1]
    lps[:3, 1] = np.array(orientation[3:]) * spacing[0]
    lps[:3, 2] = np.cross(orientation[:3], orientation[3:])
    lps[:3, 3] = position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
