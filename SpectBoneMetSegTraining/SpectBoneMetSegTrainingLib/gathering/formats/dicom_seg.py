"""DICOM Segmentation objects (PS3.3 A.51) of planar scans.

The header of a planar image states no position in the patient, so its segmentation references the image and its frame
(Derivation Image Sequence). Frames with a stated position, as exported from patient coordinates, are compared with the
scan's grids like any other label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.stored_frames import StoredFrame, stored_frames, stored_views
from SpectBoneMetSegLib.scan.planar import ViewName, WholeBodyScan

from ..labels.frames import on_stored_frame
from ..labels.grids import place
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
    """Return the SOP Instance UIDs of the images that a segmentation references; empty if there are none.

    Raises:
        UserError: it is not a DICOM file, or is damaged.
    """
    header = _read(path, pixels=False)
    try:
        series = header.get("ReferencedSeriesSequence") or []
        images = [image for item in series for image in item.get("ReferencedInstanceSequence") or []]
        listed = {str(image.get("ReferencedSOPInstanceUID") or "") for image in images}
        listed |= {uid for group in _groups(header) for uid, _ in _sources(group)}
    except Exception as error:  # pydicom raises whatever a damaged header makes it
        raise UserError(f"{path.name} is a damaged DICOM segmentation; export it again.") from error
    return frozenset(listed - {""})


def read_dicom_seg(
    path: Path, scan: WholeBodyScan, notes: list[str] | None = None
) -> tuple[list[Mark], frozenset[ViewName | None]]:
    """Read the marks of a DICOM segmentation and the views that it covers; remarks are added to `notes`.

    Raises:
        UserError: it is damaged, its compression is not supported, it was drawn on another image or on an unknown view,
            or it is fractional and no pixel is above half.
    """
    header = _read(path, pixels=True)
    referenced = referenced_images(path)
    if referenced and scan.source.sop_instance_uids and referenced.isdisjoint(scan.source.sop_instance_uids):
        raise UserError(
            f"{path.name} was drawn on another image than the scan {scan.case}; put it next to its own scan."
        )
    try:
        frames = _frames(header, path.name, [] if notes is None else notes)
        names = {int(item.SegmentNumber): str(item.get("SegmentLabel", "")) for item in header.SegmentSequence}
        sources = _Sources(scan)
        placed = [_placed(header, index, frames[index], sources, path) for index in range(len(frames))]
        numbers = [_segment_of(header, index) for index in range(len(frames))]
    except (UserError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pydicom and its decoders raise whatever a damaged header makes them, even a panic
        raise UserError(f"{path.name} is a damaged DICOM segmentation; export it again.") from error
    marks: list[Mark] = []
    for (pixels, view), number in zip(placed, numbers, strict=True):
        # A label map holds all segments in one frame, by their numbers.
        for value in [number] if number else sorted(set(np.unique(pixels).tolist()) - {0}):
            mask = (pixels > 0) if number else (pixels == value)
            name = f"{names.get(value, 'segment')} {value}"
            if mask.any():
                marks.append(Mark(name, mask, view, names.get(value, "").strip().lower() == IGNORE_NAME))
    if not marks and frames.any():
        raise UserError(f"{path.name} marks only places outside of the scan {scan.case}; draw it on the scan itself.")
    # A view without any frame may be free of lesions or not assessed: it is not covered.
    return marks, frozenset(view for _, view in placed) or frozenset(scan.views)


def _read(path: Path, *, pixels: bool) -> Dataset:
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # any bytes may lie in a file of this name
        raise UserError(f"{path.name} is not a readable DICOM file; export it again.") from error


def _frames(header: Dataset, name: str, notes: list[str]) -> NDArray[np.uint16]:
    """(frames, rows, columns): 0/1, or the segment numbers of a label map."""
    if not header.get("PixelData"):
        return np.zeros((0, int(header.Rows), int(header.Columns)), np.uint16)
    pixels = np.asarray(header.pixel_array).reshape(-1, int(header.Rows), int(header.Columns))
    if str(header.SegmentationType) == "FRACTIONAL":
        return _above_half(pixels, int(header.get("MaximumFractionalValue") or 255), name, notes)
    return pixels.astype(np.uint16)


def _above_half(pixels: NDArray[np.integer[Any]], most: int, name: str, notes: list[str]) -> NDArray[np.uint16]:
    """Binarise fractions at half of the stated maximum; report frames of which nothing remains.

    Raises:
        UserError: there are fractions, but none above half.
    """
    largest = int(pixels.max(initial=0))
    if largest == 1 < most:
        notes.append(f"{name} is fractional with values 0 and 1 of {most}: 1 was read as marked.")
        return pixels.astype(np.uint16)
    marked = pixels.astype(np.uint32) * 2 > most
    lost = int((pixels.any((1, 2)) & ~marked.any((1, 2))).sum())
    if lost and not marked.any():
        raise UserError(
            f"{name} is fractional and nowhere above half of its stated maximum ({largest} of {most}), so that it is "
            "not known what it marks; export it as a binary segmentation."
        )
    if lost:
        notes.append(
            f"{name} is fractional; {lost} of its {len(pixels)} frames are nowhere above half and mark nothing."
        )
    return marked.astype(np.uint16)


def _groups(header: Dataset, index: int | None = None) -> Iterator[Dataset]:
    """Yield the shared functional groups, then those of one frame (or of every frame)."""
    yield from header.get("SharedFunctionalGroupsSequence") or []
    own = list(header.get("PerFrameFunctionalGroupsSequence") or [])
    yield from own if index is None else own[index : index + 1]


def _segment_of(header: Dataset, index: int) -> int:
    """Return the segment number of a frame; 0 for a label map, which contains all segments."""
    for group in _groups(header, index):
        for item in group.get("SegmentIdentificationSequence") or []:
            return int(item.ReferencedSegmentNumber)
    return 0


def _sources(group: Dataset) -> Iterator[tuple[str, int]]:
    """Yield (SOP Instance UID, frame number) of the images that a frame was drawn on; 0 for all frames.

    A reference without a frame number means every frame of the image (PS3.3 C.7.6.16 and 10.3).
    """
    for derivation in group.get("DerivationImageSequence") or []:
        for source in derivation.get("SourceImageSequence") or []:
            frames = source.get("ReferencedFrameNumber") or 0
            for number in [frames] if isinstance(frames, (int, str)) else frames:
                yield str(source.get("ReferencedSOPInstanceUID") or ""), int(number)


class _Sources:
    """The frames of a scan's files, each file read once."""

    def __init__(self, scan: WholeBodyScan) -> None:
        self.scan = scan
        files, uids = scan.source.files, scan.source.sop_instance_uids
        self._files = dict(zip(uids, files, strict=True)) if len(files) == len(uids) else {}
        self._read: dict[str, list[StoredFrame]] = {}

    def frames(self, uid: str, number: int) -> list[StoredFrame]:
        """Return the views in the frame of that number (a frame, or halves of one); for 0 those of the whole file."""
        if uid not in self._files:
            return []
        if uid not in self._read:
            file = Path(self._files[uid])
            halves = [half for half in stored_views(file, self.scan).values() if half.columns is not None]
            self._read[uid] = halves or stored_frames(file, self.scan)
        known = self._read[uid]
        chosen = known if number == 0 else [frame for frame in known if frame.number == number]
        return [frame for frame in chosen if frame.view is not None]


def _placed(
    header: Dataset, index: int, pixels: NDArray[np.uint16], sources: _Sources, path: Path
) -> tuple[NDArray[np.uint16], ViewName | None]:
    """Resample a frame to the anterior frame; return it with the view that it labels."""
    scan = sources.scan
    named = {
        frame for group in _groups(header, index) for source in _sources(group) for frame in sources.frames(*source)
    }
    # An outline cannot apply to two frames: in the posterior view the same columns are the other side.
    on = [frame for frame in named if frame.columns is None or pixels[:, slice(*frame.columns)].any()]
    if len(on) == 1:
        (frame,) = on
        return on_stored_frame(pixels, frame, scan, path.name), frame.view
    matrix = _matrix(header, index)
    if matrix is not None:
        return place(pixels, matrix, scan, path.name)
    if len(scan.views) == 1:
        only = next(iter(scan.views))
        return on_stored_frame(pixels, StoredFrame(only), scan, path.name), only
    raise UserError(
        f"{path.name} does not state which view of {scan.case} it was drawn on; export it with frame references."
    )


def _matrix(header: Dataset, index: int) -> NDArray[np.float64] | None:
    """Return the 4x4 IJK to RAS matrix (mm) in the functional groups; None if there is none."""
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
