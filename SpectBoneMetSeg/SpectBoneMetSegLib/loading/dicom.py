"""Read DICOM nuclear medicine images, and secondary captures of modality NM, as frames.

Whole-body planar images follow DICOM PS3.3 C.8.4 (NM Image): the energy window vector (0054,0010) and the detector
vector (0054,0020) assign each frame to a window and a detector; a detector item may carry a view code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..scan.planar import ViewName
from .dicom_pixels import check_pixels, decode_counts, frame_count
from .dicom_values import items, normalise_integers, number, numbers, text
from .frames import Frame, FrameFile
from .laterality import VIEW_CODES, is_wide, views_in_text
from .orientation import Across, Down, plane_directions, toward
from .patient_position import position_warnings

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = [
    "NotPlanarError",
    "covers_photopeak",
    "load_dataset",
    "looks_like_dicom",
    "read_dicom",
    "read_header",
    "texts_of",
    "view_of",
]

#: The 99mTc photopeak in keV.
PHOTOPEAK_KEV = 140.5
_NM_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.5"})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_NOT_PLANAR = ("TOMO", "GATED", "DYNAMIC")
#: Other formats that are read.
FORMATS = "NRRD, NIfTI, MetaImage, PNG, JPEG or TIFF"
#: Elements with short texts that may name the view where the view code is missing.
_TEXTS = ("ImageID", "ViewPosition", "SeriesDescription", "AcquisitionDeviceProcessingDescription", "ImageComments")


class NotPlanarError(UserError):
    """A valid DICOM file that is not a planar nuclear medicine image; `kind` describes it, such as "a tomo study"."""

    def __init__(self, message: str, kind: str = "no planar scan") -> None:
        super().__init__(message)
        self.kind = kind


def looks_like_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its suffix, its "DICM" prefix (PS3.10) or, without one, its first bytes."""
    if path.suffix.lower() in (".dcm", ".dicom", ".ima"):
        return True
    with path.open("rb") as stream:
        start = stream.read(132)
    # Old exports have no preamble: they begin with an element of group 0008.
    return start[128:] == b"DICM" or (start[:2] == b"\x08\x00" and start[3:4] == b"\x00" and len(start) == 132)


def _has_prefix(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def read_header(path: Path, display_name: str | None = None, only: Sequence[str] = ()) -> Dataset:
    """Read the header of a planar NM file.

    Args:
        path: of the file.
        display_name: name used in messages (the file's own name by default).
        only: keywords of the elements to read; empty for all.

    Raises:
        NotPlanarError, UserError: as `read_dicom`.
    """
    name = display_name or path.name
    with _parser_errors_as_user_error(name):
        dataset, _ = load_dataset(path, pixels=False, name=name, only=only)
        _check_kind(dataset, name)
        return dataset


def texts_of(path: Path, *keywords: str) -> list[str]:
    """Read elements of any DICOM file as texts, "" for a missing one.

    Raises:
        UserError: the file is not DICOM, or is damaged.
    """
    with _parser_errors_as_user_error(path.name):
        dataset, _ = load_dataset(path, pixels=False, name=path.name, only=("SOPClassUID", *keywords))
        return [text(dataset, keyword) for keyword in keywords]


def view_of(dataset: Dataset, path: Path) -> ViewName | None:
    """Return the view of a file's only 140 keV frame; None if it has several frames or the header names no view.

    Raises:
        UserError: the photopeak window is ambiguous.
    """
    with _parser_errors_as_user_error(path.name):
        count, shape = frame_count(dataset), (int(dataset.Rows), int(dataset.Columns))
        frames = _frames(dataset, path, np.broadcast_to(np.float64(0), (count, *shape)), path.name)
        return _only_side(frames) if len(frames) == 1 and not is_wide(shape) else None


def read_dicom(path: Path, display_name: str | None = None) -> FrameFile:
    """Read the 140 keV frames of one file, rescaled to counts.

    Args:
        path: of the file.
        display_name: name used in messages (the file's own name by default).

    Raises:
        NotPlanarError: another modality, or a tomographic, gated or dynamic study.
        UserError: not DICOM, colour, inverted grey, truncated, or a compression that cannot be read.
    """
    name = display_name or path.name
    with _parser_errors_as_user_error(name):
        dataset, notes = load_dataset(path, pixels=True, name=name)
        _check_kind(dataset, name)
        check_pixels(dataset, name)
        pixels, decode_notes = decode_counts(dataset, name)
        frames = _frames(dataset, path, pixels, name)
        return FrameFile(
            file=path,
            frames=frames,
            study_uid=text(dataset, "StudyInstanceUID"),
            sop_uid=text(dataset, "SOPInstanceUID"),
            description=_description(dataset),
            warnings=(
                *notes,
                *decode_notes,
                *_lossy(dataset, name),
                *_other_energy(dataset, name, len(pixels)),
                *position_warnings(dataset, name, _only_side(frames)),
            ),
        )


@contextmanager
def _parser_errors_as_user_error(name: str) -> Iterator[None]:
    """Turn every exception of the parser into a UserError, and suppress its warnings.

    pydicom converts values on access, so that a damaged value may fail, or warn, anywhere.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except (UserError, PermissionError):
            raise
        except Exception as error:
            raise UserError(
                f"{name} is not a readable DICOM file, its header is damaged; export the scan again."
            ) from error


def load_dataset(path: Path, *, pixels: bool, name: str, only: Sequence[str] = ()) -> tuple[Dataset, list[str]]:
    """Read the data set of a file, and return it with notes for the receipt.

    Args:
        path: of the file.
        pixels: whether to read the pixel data.
        name: of the file, for messages.
        only: keywords of the elements to read; empty for all.

    Raises:
        UserError: empty, truncated, or not DICOM. A damaged header may make the parser raise other exceptions.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    if path.stat().st_size == 0:
        raise UserError(f"{name} is empty; export the scan again.")
    notes = []
    read = partial(pydicom.dcmread, path, stop_before_pixels=not pixels, specific_tags=list(only) or None)
    try:
        dataset: Dataset = read()
    except InvalidDicomError:
        # Old exports lack the preamble, but hold a valid data set.
        dataset = read(force=True)
        notes = [f"{name} lacks the DICOM file preamble."]
    if "SOPClassUID" not in dataset:
        # The parser returns an empty data set where a compressed file is truncated.
        if _has_prefix(path):
            raise UserError(f"{name} is cut short or damaged; copy or export the file again.")
        raise UserError(
            f"{name} is not a DICOM file; give the NM file that the camera exported, or an image in {FORMATS}."
        )
    _name_encoding(dataset)
    normalise_integers(dataset)
    return dataset, notes


def _name_encoding(dataset: Dataset) -> None:
    """Set the transfer syntax that the parser detected, where the file does not state one."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    implicit, little = dataset.original_encoding
    if "TransferSyntaxUID" not in dataset.file_meta:
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _check_kind(dataset: Dataset, name: str) -> None:
    modality = text(dataset, "Modality")
    if not modality and text(dataset, "SOPClassUID") not in _NM_CLASSES:
        raise UserError(f"{name} does not name its modality or is cut short; give the whole-body NM file.")
    if modality not in ("", "NM"):
        raise NotPlanarError(
            f"{name} is of modality {modality}, not a nuclear medicine image; give the whole-body NM file.",
            f"modality {modality}",
        )
    kind = text(dataset, "ImageType").upper()
    for value in _NOT_PLANAR:
        if value in kind:
            raise NotPlanarError(
                f"{name} is a {value.lower()} study ({kind}), not a planar scan; give the planar whole-body NM file.",
                f"a {value.lower()} study",
            )
    if "Rows" not in dataset:
        if text(dataset, "SOPClassUID") not in (*_NM_CLASSES, _SECONDARY_CAPTURE):
            raise NotPlanarError(f"{name} holds no image; give the planar whole-body NM file.", "no image")
        raise UserError(f"{name} holds no image or is cut short; give the planar whole-body NM file.")


def _frames(dataset: Dataset, path: Path, pixels: NDArray[np.float64], name: str) -> tuple[Frame, ...]:
    views = _detector_views(dataset, len(pixels))
    labels = tuple(text(dataset, keyword) for keyword in _TEXTS if text(dataset, keyword))
    spacing = _spacing(dataset)
    captured = text(dataset, "SOPClassUID") == _SECONDARY_CAPTURE
    inverted = text(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    return tuple(
        Frame(
            pixels[index],
            spacing,
            path,
            views[index].side,
            views[index].other,
            labels,
            captured,
            views[index].across,
            views[index].down,
            inverted,
            name,
        )
        for index in _photopeak_frames(dataset, len(pixels), name)
    )


def _only_side(frames: tuple[Frame, ...]) -> ViewName | None:
    """Return the view of a file's only frame; None if it has several frames or its header names no view."""
    if len(frames) != 1:
        return None
    named = {views[0] for views in map(views_in_text, frames[0].texts) if len(views) == 1}
    return frames[0].code or (named.pop() if len(named) == 1 else None)


def _photopeak_frames(dataset: Dataset, count: int, name: str) -> list[int]:
    """Return the indices of the frames in the energy window around 140 keV; all frames if there is one window."""
    vector = _vector(dataset, "EnergyWindowVector", count)
    if len(set(vector)) <= 1:
        return list(range(count))
    windows = items(dataset, "EnergyWindowInformationSequence")
    hit = {number for number in set(vector) if 0 < number <= len(windows) and _holds_photopeak(windows[number - 1])}
    if len(hit) != 1:
        raise UserError(
            f"{name} holds {len(set(vector))} energy windows and not exactly one of them covers 140 keV; export only "
            "the 99mTc photopeak frames."
        )
    return [index for index, number in enumerate(vector) if number in hit]


def _other_energy(dataset: Dataset, name: str, count: int) -> list[str]:
    """Return a warning if the only energy window does not cover the photopeak."""
    windows = items(dataset, "EnergyWindowInformationSequence")
    numbers = set(_vector(dataset, "EnergyWindowVector", count)) or {1}
    if len(numbers) != 1 or not 0 < min(numbers) <= len(windows):
        return []
    window = windows[min(numbers) - 1]
    limits = [
        (low, high)
        for part in items(window, "EnergyWindowRangeSequence")
        if (low := number(part, "EnergyWindowLowerLimit")) and (high := number(part, "EnergyWindowUpperLimit"))
    ]
    if not limits or _holds_photopeak(window):
        return []
    ranges = ", ".join(f"{low:g}-{high:g} keV" for low, high in limits)
    return [f"The only energy window of {name} ({ranges}) misses the 140 keV of 99mTc: check that it is a bone scan."]


def covers_photopeak(dataset: Dataset) -> bool:
    """Whether an energy window covers 140 keV; True also where the header does not state all windows."""
    windows = items(dataset, "EnergyWindowInformationSequence")
    stated = all(items(window, "EnergyWindowRangeSequence") for window in windows)
    return not windows or not stated or any(map(_holds_photopeak, windows))


def _holds_photopeak(window: Dataset) -> bool:
    return any(
        (number(part, "EnergyWindowLowerLimit") or np.inf)
        <= PHOTOPEAK_KEV
        <= (number(part, "EnergyWindowUpperLimit") or -np.inf)
        for part in items(window, "EnergyWindowRangeSequence")
    )


@dataclass(frozen=True)
class _DetectorView:
    """View information of one frame: side, name of another projection, directions of columns and rows."""

    side: ViewName | None = None
    other: str = ""
    across: Across = ""
    down: Down = ""


def _detector_views(dataset: Dataset, count: int) -> list[_DetectorView]:
    """Return the view information of every frame, from its detector's item or, for a single frame, the top level."""
    detectors = items(dataset, "DetectorInformationSequence")
    order = _vector(dataset, "DetectorVector", count)
    if not order and count == 1:
        order = [1]
    if len(order) != count:
        return [_DetectorView()] * count
    views = [
        _detector_view(detectors[number - 1]) if 0 < number <= len(detectors) else _DetectorView() for number in order
    ]
    if count == 1:
        top, own = _detector_view(dataset), views[0]
        if own.side is None and not own.other:
            own = replace(own, side=top.side, other=top.other)
        if not own.across:
            # Not for several frames: one direction for all of them cannot hold for both detectors.
            own = replace(own, across=top.across, down=top.down)
        views = [own]
    return views


def _detector_view(detector: Dataset) -> _DetectorView:
    side, other = _coded_view(detector)
    cosines = numbers(detector, "ImageOrientationPatient")
    across, down = (toward(cosines[:3]), toward(cosines[3:])) if len(cosines) == 6 else ("", "")
    if {across, down} & {"left", "right"} and {across, down} & {"head", "feet"}:
        return _DetectorView(side, other, *plane_directions(across, down, "The detector"))
    return _DetectorView(side, other)


def _coded_view(detector: Dataset) -> tuple[ViewName | None, str]:
    codes = items(detector, "ViewCodeSequence")
    if not codes:
        return None, ""
    value, meaning = text(codes[0], "CodeValue"), text(codes[0], "CodeMeaning")
    named = views_in_text(meaning)
    side = VIEW_CODES.get(value)
    if side is None:
        return (named[0], "") if len(named) == 1 else (None, meaning or value)
    if len(named) == 1 and named[0] != side:
        return None, f"{value} {meaning}"
    return side, ""


def _vector(dataset: Dataset, keyword: str, count: int) -> list[int]:
    """Return a frame vector of 1-based item numbers; empty if it is absent or has the wrong length."""
    vector = [int(value) for value in numbers(dataset, keyword)]
    if 0 in vector:
        # Some systems count from 0; unchanged, every frame would get its neighbour's detector and window.
        vector = [number + 1 for number in vector]
    return vector if len(vector) == count else []


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    values = numbers(dataset, "PixelSpacing")
    # A third value is a slice thickness, which a projection does not have.
    return (values[0], values[1]) if len(values) in (2, 3) and min(values[:2]) > 0 else None


def _description(dataset: Dataset) -> tuple[tuple[str, str], ...]:
    """Return camera and study date; nothing that identifies patient, staff or hospital."""
    wanted = {"manufacturer": "Manufacturer", "model": "ManufacturerModelName", "study_date": "StudyDate"}
    return tuple((key, text(dataset, keyword)) for key, keyword in wanted.items() if text(dataset, keyword))


def _lossy(dataset: Dataset, name: str) -> list[str]:
    if text(dataset, "LossyImageCompression") == "01":
        return [f"{name} was compressed with loss: its counts are not those that were measured."]
    return []
