"""Read from the headers of a possible scan what decides whether it is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ...scan.planar import ViewName
from ..dicom import covers_photopeak, read_header, view_of
from ..dicom_pixels import frame_count
from ..dicom_values import number, numbers, text, texts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["Candidate", "candidate"]

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: A field of the first length is a whole body whatever the image type, one shorter than the second a spot image (mm).
WHOLE_BODY_MM, SPOT_MM = 1000.0, 650.0


@dataclass(frozen=True)
class Candidate:
    """The files of one possible scan.

    Attributes:
        files: one, or an anterior and a posterior one.
        title: series description and acquisition time, for messages.
        coloured: it is a colour image.
        capture: it is a screen capture.
        static: it is a spot image, of a part of the body.
        declared_static: its image type is STATIC as well.
        processed: it was derived from other images.
        photopeak: False if its only energy window misses the 99mTc photopeak.
        taken: date and time of acquisition, None if unknown.
        order: series and instance number, which order repeated series without a time.
        frames: number of frames.
        side: the single view; None if there are several or the header names none.
    """

    files: tuple[Path, ...]
    title: str
    coloured: bool
    capture: bool
    static: bool
    declared_static: bool
    processed: bool
    photopeak: bool
    taken: datetime | None
    order: tuple[float, float]
    frames: int
    side: ViewName | None


def candidate(files: tuple[Path, ...]) -> Candidate:
    """Describe a group of files by the header of the first.

    Raises:
        UserError: that header cannot be read.
    """
    header = read_header(files[0])
    kind = [value.upper() for value in texts(header, "ImageType")]
    capture = text(header, "SOPClassUID") == _SECONDARY_CAPTURE or any("SCREEN" in value for value in kind)
    taken = _taken(header)
    when = taken.strftime("%Y-%m-%d %H:%M") if taken else ""
    return Candidate(
        files=files,
        title=", ".join(part for part in (text(header, "SeriesDescription"), when) if part),
        coloured=int(number(header, "SamplesPerPixel") or 1) > 1,
        capture=capture,
        static=_is_static(header, kind),
        declared_static="STATIC" in kind and _is_static(header, kind),
        processed=bool(kind) and kind[0] == "DERIVED",
        photopeak=covers_photopeak(header),
        taken=taken,
        order=(number(header, "SeriesNumber") or 0.0, number(header, "InstanceNumber") or 0.0),
        frames=frame_count(header) * len(files),
        side=view_of(header, files[0]) if len(files) == 1 else None,
    )


def _is_static(header: Dataset, kind: list[str]) -> bool:
    spacing = numbers(header, "PixelSpacing")
    length = (number(header, "Rows") or 0.0) * spacing[0] if spacing else 0.0
    if length >= WHOLE_BODY_MM:
        return False
    return 0 < length < SPOT_MM or ("STATIC" in kind and "WHOLE BODY" not in kind)


def _taken(header: Dataset) -> datetime | None:
    for name in ("Acquisition", "Content", "Series", "Study"):
        # "2024.01.02" and "10:15:00" are the formats of ACR-NEMA, which some systems still write.
        day, time = text(header, f"{name}Date").replace(".", ""), text(header, f"{name}Time").replace(":", "")
        try:
            # Fractions of a second and missing seconds both occur.
            return datetime.strptime(day + time.split(".")[0].ljust(6, "0")[:6], "%Y%m%d%H%M%S")
        except ValueError:
            continue
    return None
