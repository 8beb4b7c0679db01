"""Convert the pixels of a DICOM file to counts: decoding, padding, rescaling."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..common.native_output import native_output
from .dicom_values import items, number, text, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["check_pixels", "decode_counts", "frame_count"]

_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_NM_CLASSES = ("1.2.840.10008.5.1.4.1.1.20", "1.2.840.10008.5.1.4.1.1.5")
#: Units (UCUM and DICOM) of a real world value mapping whose values are counts.
_COUNTS = frozenset({"{COUNTS}", "{COUNT}", "COUNTS", "CNTS", "1"})


def frame_count(dataset: Dataset) -> int:
    """Return the number of frames in a header: Number of Frames, or the length of the frame vectors."""
    count = int(number(dataset, "NumberOfFrames") or 1)
    vectors = {len(texts(dataset, keyword)) for keyword in ("EnergyWindowVector", "DetectorVector")} - {0}
    # Only where the number is missing or 1: some writers omit it, and a single frame needs no vector.
    return vectors.pop() if count == 1 and len(vectors) == 1 else count


def check_pixels(dataset: Dataset, name: str) -> None:
    """Check that a data set has grey values.

    Raises:
        UserError: no pixels, or a colour image.
    """
    if not any(keyword in dataset and dataset[keyword].value for keyword in _PIXELS):
        raise UserError(f"{name} is cut short or holds no pixels; copy or export the file again.")
    photometric = text(dataset, "PhotometricInterpretation")
    # An NM image may request a colour palette for display (PS3.3 C.8.4.8.1.2); its stored values are still counts.
    grey = photometric.startswith("MONOCHROME") or (
        photometric == "PALETTE COLOR" and text(dataset, "SOPClassUID") in _NM_CLASSES
    )
    if int(number(dataset, "SamplesPerPixel") or 1) != 1 or not grey:
        raise UserError(f"{name} is a colour image, from which counts cannot be derived; give the original NM file.")


def decode_counts(dataset: Dataset, name: str) -> tuple[NDArray[np.float64], list[str]]:
    """Return (frames, rows, columns) counts, and notes about what was assumed.

    Raises:
        UserError: truncated, or a compression that cannot be read.
    """
    notes: list[str] = []
    stored = _decoded(dataset, name, notes)
    padding = _padding(dataset, stored)
    pixels = _rescaled(dataset, stored, name, notes)
    if padding.any():
        pixels = np.where(padding, 0.0, pixels)
        notes.append(f"{name} marks {int(padding.sum())} pixels as padding: they were set to 0 counts.")
    notes += _private_scales(dataset, name)
    return pixels, notes


def _decoded(dataset: Dataset, name: str, notes: list[str]) -> NDArray[Any]:
    """Return (frames, rows, columns) stored values."""
    syntax = dataset.file_meta.TransferSyntaxUID
    # Nothing is known of a private encoding: the decoder refuses its pixels.
    encapsulated = syntax.is_transfer_syntax and syntax.is_encapsulated
    stated, count = int(number(dataset, "NumberOfFrames") or 1), frame_count(dataset)
    if not encapsulated:
        keyword = next(keyword for keyword in _PIXELS if keyword in dataset)
        bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword) or dataset.get("BitsAllocated", 16)
        size, stored_bytes = int(dataset.Rows * dataset.Columns * bits // 8), len(dataset[keyword].value)
        if stated == 1 and stored_bytes < count * size:
            # The vectors list frames that were not stored.
            count = 1
        if stored_bytes < count * size:
            raise UserError(
                f"{name} is cut short ({stored_bytes} of {count * size} pixel bytes); copy or export it again."
            )
        if stored_bytes >= (count + 1) * size:
            raise UserError(
                f"{name} states {count} frame{'' if count == 1 else 's'} but stores {stored_bytes // size}; export the "
                "scan again."
            )
    if count != stated:
        notes.append(f"{name} states {stated} frame but holds {count}: all were read.")
        dataset.NumberOfFrames = count
    with warnings.catch_warnings(record=True) as caught, native_output(wanted=encapsulated):
        warnings.simplefilter("always")
        try:
            stored = np.asarray(dataset.pixel_array)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # every decoder has its own; a panic of one in Rust is not even an Exception
            raise UserError(
                f"The pixels of {name} are damaged or compressed in a way that cannot be read "
                f"({syntax.name}); export it uncompressed."
            ) from error
    decoder_warnings = (str(note.message).split("\n")[0] for note in caught)
    notes += [f"{name}: {note}" for note in decoder_warnings if "truncat" in note.lower()]
    return stored.reshape(-1, dataset.Rows, dataset.Columns)


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask of the padding pixels (PS3.3 C.7.5.1.1.2), which are not counts."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    other = number(dataset, "PixelPaddingRangeLimit")
    ends = sorted((value, value if other is None else other))
    # Padding with 0 equals 0 counts: nothing to correct or report.
    return np.asarray((stored >= ends[0]) & (stored <= ends[1]) & (stored != 0))


def _rescaled(dataset: Dataset, stored: NDArray[Any], name: str, notes: list[str]) -> NDArray[np.float64]:
    """Rescale by the real world value mapping, the modality LUT, or slope and intercept: the first that is present."""
    pixels = stored.astype(np.float64)
    for mapping in items(dataset, "RealWorldValueMappingSequence"):
        units = [text(unit, "CodeValue").upper() for unit in items(mapping, "MeasurementUnitsCodeSequence")]
        slope, intercept = number(mapping, "RealWorldValueSlope"), number(mapping, "RealWorldValueIntercept")
        if slope and set(units) & _COUNTS:
            return pixels * slope + (intercept or 0.0)
        notes.append(
            f"{name} maps its values to {', '.join(units) or 'an unknown unit'}: they may have been scaled and may not "
            "be counts."
        )
    if items(dataset, "ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        try:
            changed = apply_modality_lut(stored, dataset).astype(np.float64)
        except Exception as error:  # a damaged table may raise any exception in the parser
            raise UserError(f"The modality table of {name} is damaged; export the scan again.") from error
        notes.append(f"The values of {name} were taken from its modality table.")
        return np.asarray(changed, np.float64)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope == 0:
        # As in NIfTI, a slope of 0 means that no scaling applies.
        notes.append(
            f"{name} states a rescale slope of 0, which was not used: its values are taken as counts as stored."
        )
        return pixels
    factor, offset = 1.0 if slope is None else slope, intercept or 0.0
    return pixels if (factor, offset) == (1, 0) else pixels * factor + offset


def _private_scales(dataset: Dataset, name: str) -> list[str]:
    """Return a warning for every private element of a manufacturer that states a scale factor."""
    from pydicom.datadict import private_dictionary_description

    notes = []
    for tag in list(dataset.keys()):
        if not tag.is_private or tag.is_private_creator:
            continue
        creator = dataset.private_creators(tag.group)
        for owner in creator:
            try:
                title = private_dictionary_description(tag, owner)
            except KeyError:
                continue
            if any(phrase in title.lower() for phrase in ("pixel scale factor", "rescale slope", "counts scale")):
                value = getattr(dataset.get(tag), "value", None)
                if isinstance(value, int | float | str) and str(value).strip() not in ("", "1", "1.0", "0", "0.0"):
                    notes.append(
                        f"{name} states a private scale factor ({title} {value}), which is not applied: its values may "
                        "not be counts."
                    )
    return notes
