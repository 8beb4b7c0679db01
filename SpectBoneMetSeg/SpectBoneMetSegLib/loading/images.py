"""Read NRRD, NIfTI, MetaImage, PNG, JPEG and TIFF images as frames.

Stated directions are used if they are those of a coronal plane (see `orientation`); otherwise rows are assumed to run
from head to foot and columns as the detector sees them. A pixel size of 1 x 1 mm is the formats' default, and a TIFF's
resolution is usually that of a printer: both count as not stated.
"""

from __future__ import annotations

import bz2
import gzip
import math
import re
import struct
import tempfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import DamagedFileError, UserError
from ..common.native_output import native_output
from ..scan.bodies import find_bodies, human_length
from .frames import Frame, FrameFile
from .nifti import read_nifti
from .orientation import plane_directions, toward

if TYPE_CHECKING:
    import SimpleITK

__all__ = ["IMAGE_SUFFIXES", "open_image", "read_image"]

#: Most pixels of an image, so that a damaged header cannot exhaust the memory.
LARGEST = 2**26
#: Longest side of an image in pixels: 4 m of the smallest pixels.
LONGEST_SIDE = 20_000
JPEG_SUFFIXES = (".jpg", ".jpeg")
#: Messages of the JPEG library about picture data that it could not decode.
JPEG_DAMAGE = ("bad Huffman code", "premature end", "Premature end")
#: Its message about bytes that belong to no picture: from an odd writer, or the trace of a damaged byte before them.
JPEG_EXTRANEOUS = "extraneous bytes before marker"
IMAGE_SUFFIXES = (
    ".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".png", ".tif", ".tiff", ".jpg", ".jpeg",
)  # fmt: skip
_MM_PER_UNIT = {"um": 0.001, "micron": 0.001, "microns": 0.001, "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0}
#: Formats whose pixels may have colours or transparency.
_WITH_COLOURS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
#: Text headers end within this many bytes.
HEADER_BYTES = 2**16
#: Characters of a field of an NRRD header, or of a file name in it: a longer one, with its path in an error message,
#: overflows the library's buffer of 1,024. Three directions with all digits take about 250.
LONGEST_FIELD = 400
#: Bytes of an NRRD header.
LONGEST_HEADER = 2**20


@dataclass(frozen=True)
class _Picture:
    """Content of a file: pixels with the axes (slice, row, column), LPS directions and mm of the last two."""

    pixels: NDArray[Any]
    spacing: tuple[float, float]
    row_axis: NDArray[np.float64]
    column_axis: NDArray[np.float64]


def read_image(path: Path, label: str, display_name: str = "") -> FrameFile:
    """Read one or two grey images.

    Args:
        path: file with a suffix of IMAGE_SUFFIXES.
        label: the file name without suffix, which may name the side ("patient3_ANT").
        display_name: name of the file in messages about its views, "" for its own name.

    Raises:
        UserError: empty, damaged, colour, not a coronal plane, or more than two slices.
    """
    notes: list[str] = []
    if path.name.lower().endswith((".nii", ".nii.gz")):
        image = read_nifti(path)
        picture = _plane(image.pixels.T, image.spacing, image.directions, path.name)
    else:
        picture = _through_itk(path, notes)
    if len(picture.pixels) > 2:
        raise UserError(
            f"{path.name} holds {len(picture.pixels)} slices, not one or two planar views; give one image per view."
        )
    if picture.pixels.dtype == np.uint8:
        notes.append(
            f"{path.name} has 8-bit grey values, taken as counts as they stand: they may have been scaled or cut off."
        )
    if path.suffix.lower() in JPEG_SUFFIXES:
        notes.append(f"{path.name} was compressed with loss: its counts are not those that were measured.")
    # Axial directions are the formats' default and carry no information.
    across, down = plane_directions(toward(picture.column_axis), toward(picture.row_axis), path.name)
    known = _valid_spacing(path, picture, notes)
    inverted = _white_is_zero(path)
    frames = tuple(
        Frame(
            pixels.astype(np.float64),
            known,
            path,
            texts=(label,),
            across=across,
            down=down,
            shown_inverted=inverted,
            display_name=display_name,
            picture=picture.pixels.dtype == np.uint8 and path.name.lower().endswith(_WITH_COLOURS),
        )
        for pixels in picture.pixels
    )
    return FrameFile(path, frames, warnings=tuple(notes))


def _through_itk(path: Path, notes: list[str]) -> _Picture:
    import SimpleITK as sitk  # noqa: N813 - the library's own abbreviation

    image = open_image(path, notes)
    pixels = sitk.GetArrayFromImage(image)
    channels = image.GetNumberOfComponentsPerPixel()
    if channels == 2 and not path.name.lower().endswith(_WITH_COLOURS) and not np.iscomplexobj(pixels):
        # Two channels are the two views, not colours.
        pixels = np.moveaxis(pixels, -1, 0)
    elif channels > 1:
        pixels = _grey(pixels, path, notes)
    size = image.GetDimension()
    directions = np.zeros((3, 3))
    if size >= 3:
        directions = np.array(image.GetDirection()).reshape(size, size).T[:3, :3]
    unit = _unit_mm(path)
    return _plane(pixels, tuple(edge * unit for edge in image.GetSpacing()), directions, path.name)


def _grey(pixels: NDArray[Any], path: Path, notes: list[str]) -> NDArray[Any]:
    """Return the grey values of an image whose channels are equal, without its alpha channel."""
    channels = pixels.shape[-1]
    if channels in (2, 4) and path.suffix.lower() in (".png", ".tif", ".tiff"):
        if not (pixels[..., -1] == pixels[..., -1].flat[0]).all():
            notes.append(f"{path.name} has transparent parts; its grey values were read as they are stored.")
        pixels = pixels[..., :-1]
    if np.iscomplexobj(pixels) or not (pixels == pixels[..., :1]).all():
        raise UserError(
            f"{path.name} is a colour image, from which counts cannot be derived; give a grey image of counts."
        )
    return np.asarray(pixels[..., 0])


def _plane(pixels: NDArray[Any], spacing: tuple[float, ...], directions: NDArray[np.float64], name: str) -> _Picture:
    """Rearrange a (k, j, i) or (j, i) array into slices of the image plane.

    Args:
        pixels: axes in the order of the array, the file's first axis last.
        spacing: mm along the file's axes, first axis first.
        directions: (axis, LPS) along the file's axes.
        name: of the file, for messages.
    """
    if pixels.ndim > 3 and pixels.shape[0] <= 2:
        # Views stored along a time axis.
        parts = [_plane(part, spacing, directions, name) for part in pixels]
        return replace(parts[0], pixels=np.concatenate([part.pixels for part in parts]))
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim != 3:
        raise UserError(f"{name} is no image of one or two planar views; give one image per view.")
    mm = [*spacing[:3], 1.0, 1.0][:3]
    # The third axis is the slice axis, unless another one is flat: a coronal slice is 256 x 1 x 1024 in patient axes.
    flat = [axis for axis in range(3) if pixels.shape[2 - axis] <= 2]
    stack = 2 if 2 in flat or not flat else flat[0]
    column, row = (axis for axis in range(3) if axis != stack)
    turned = np.moveaxis(pixels, 2 - stack, 0)
    if toward(directions[column]) in ("head", "feet") and toward(directions[row]) in ("left", "right"):
        column, row, turned = row, column, turned.swapaxes(1, 2)
    return _Picture(turned, (float(mm[row]), float(mm[column])), directions[row], directions[column])


def _valid_spacing(path: Path, picture: _Picture, notes: list[str]) -> tuple[float, float] | None:
    """Return the stated pixel size in mm (row, column); None where it is a default or a print resolution."""
    suffix, spacing = path.suffix.lower(), picture.spacing
    if suffix in (".png", ".jpg", ".jpeg") or np.allclose(spacing, 1.0, atol=1e-4) or min(spacing) <= 0:
        return None
    if suffix in (".tif", ".tiff"):
        bodies = find_bodies(picture.pixels[0])
        length = max((body.rows[1] - body.rows[0] for body in bodies), default=0) * spacing[0]
        if not human_length(length):
            notes.append(
                f"{path.name} states a resolution of {25.4 / spacing[0]:.0f} dpi, which is that of a print and not of "
                "the patient: it was not used."
            )
            return None
    return spacing


def _white_is_zero(path: Path) -> bool:
    """Whether a TIFF file states that zero is white (PhotometricInterpretation, tag 262)."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    from PIL import Image

    try:
        with Image.open(path) as image:
            return bool(image.tag_v2.get(262) == 0)  # type: ignore[attr-defined]
    except (OSError, SyntaxError, AttributeError):
        # Another library has read the pixels already; a tag that this one cannot read counts as not stated.
        return False


def _unit_mm(path: Path) -> float:
    """Return the unit of length of an NRRD or MetaImage header in mm; 1 if it states none."""
    suffix = path.suffix.lower()
    if suffix not in (".nrrd", ".nhdr", ".mha", ".mhd"):
        return 1.0
    with path.open("rb") as stream:
        header = stream.read(HEADER_BYTES).split(b"\n\n")[0].decode("latin-1")
    found = re.search(r"^(?:space units|units):\s*(.*)$|^DistanceUnits\s*=\s*(.*)$", header, re.M | re.I)
    units = re.findall(r"[a-zA-Z]+", (found.group(1) or found.group(2) or "")) if found else []
    return next((_MM_PER_UNIT[unit.lower()] for unit in units if unit.lower() in _MM_PER_UNIT), 1.0)


def open_image(path: Path, notes: list[str] | None = None) -> SimpleITK.Image:
    """Read an image with SimpleITK, without the library's messages on the terminal.

    Args:
        path: the file.
        notes: takes a sentence about a doubt whether the file is whole.

    Raises:
        DamagedFileError: empty or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    if path.stat().st_size == 0:
        raise DamagedFileError(f"{path.name} is empty; export it again.")
    if _is_truncated_jpeg(path):
        raise DamagedFileError(f"{path.name} is cut short or damaged; copy or export it again.")
    if _has_invalid_dimension(path) or _has_overlong_field(path) or _has_circular_directories(path):
        raise DamagedFileError(f"{path.name} is damaged or not the kind of file its name states; export it again.")
    display = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.GlobalWarningDisplayOff()
    try:
        if _is_bzip2(path):
            image = _read_bzip2(path)
        elif _is_grey_with_alpha(path):
            image = _read_grey_with_alpha(path)
        else:
            with native_output(wanted=path.suffix.lower() in JPEG_SUFFIXES) as messages:
                reader = sitk.ImageFileReader()
                reader.SetFileName(str(path))
                reader.ReadImageInformation()
                if math.prod(reader.GetSize()) > LARGEST or max(reader.GetSize()) > LONGEST_SIDE:
                    raise RuntimeError("too many pixels for a planar scan")
                image = reader.Execute()
            if any(sign in message for message in messages for sign in JPEG_DAMAGE):
                raise RuntimeError("damaged picture data")
            if notes is not None and any(JPEG_EXTRANEOUS in message for message in messages):
                notes.append(
                    f"{path.name} has bytes that belong to no picture: it may be damaged, compare the original."
                )
    except (RuntimeError, OSError, EOFError, ValueError, SyntaxError) as error:
        raise DamagedFileError(
            f"{path.name} is damaged or not the kind of file its name states; export it again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(display)
    if 0 in image.GetSize() or not _is_whole(path, image):
        raise DamagedFileError(f"{path.name} is cut short or damaged; copy or export it again.")
    return image


def _is_truncated_jpeg(path: Path) -> bool:
    """Whether a JPEG has no end marker after its last scan; the library fills up a truncated file with grey."""
    if path.suffix.lower() not in JPEG_SUFFIXES:
        return False
    content = path.read_bytes()
    # Compressed data hold neither marker; a thumbnail in the header holds both and comes before.
    return content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda")


def _has_invalid_dimension(path: Path) -> bool:
    """Whether a MetaImage states an impossible number of dimensions, which would make the library loop endlessly."""
    if path.suffix.lower() not in (".mha", ".mhd"):
        return False
    with path.open("rb") as file:
        stated = re.search(rb"NDims\s*=\s*(-?\d+)", file.read(4096))
    return stated is not None and not 1 <= int(stated[1]) <= 4


def _has_circular_directories(path: Path) -> bool:
    """Whether a directory of a TIFF is followed by an earlier one, which the library would follow endlessly.

    Format: TIFF 6.0, Sec. 2; BigTIFF has longer fields.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        return False
    content = path.read_bytes()
    order, big = "<" if content[:2] == b"II" else ">", content[2:4] in (b"+\0", b"\0+")
    offset, count, entry = ("Q", "Q", 20) if big else ("I", "H", 12)
    seen: set[int] = set()
    try:
        (place,) = struct.unpack_from(order + offset, content, 8 if big else 4)
        while place and place not in seen:
            seen.add(place)
            (entries,) = struct.unpack_from(order + count, content, place)
            (place,) = struct.unpack_from(order + offset, content, place + struct.calcsize(count) + entries * entry)
    except (struct.error, OverflowError):
        # Cut short: the library itself notices.
        return False
    return bool(place)


def _has_overlong_field(path: Path) -> bool:
    """Whether a field of an NRRD header is so long that the library's error message would crash the process.

    Comments, key/value pairs (":=") and the content field may have any length. Headers of a megabyte or more are
    rejected.
    """
    if path.suffix.lower() not in (".nrrd", ".nhdr"):
        return False
    with path.open("rb") as file:
        content = file.read(LONGEST_HEADER).replace(b"\r\n", b"\n")
        whole = b"\n\n" in content or not file.read(1)
    header = content.split(b"\n\n")[0]
    fields = [line for line in header.split(b"\n") if _is_field(line)]
    if re.search(rb"^data ?file:\s*LIST", header, re.M | re.I):
        # The names of the pixel files follow, up to the end of the file.
        fields += content[len(header) :].split(b"\n")
    return not whole or any(len(line) > LONGEST_FIELD for line in fields)


def _is_field(line: bytes) -> bool:
    """Whether a header line is a field of limited length: ": " comes before any ":=", and it is not a comment."""
    pair, field = line.find(b":="), line.find(b": ")
    return not line.startswith((b"#", b"content:")) and (pair < 0 or 0 <= field < pair)


def _is_bzip2(path: Path) -> bool:
    if path.suffix.lower() != ".nrrd":
        return False
    with path.open("rb") as stream:
        header = stream.read(HEADER_BYTES).split(b"\n\n")[0]
    return re.search(rb"^encoding:\s*bz", header, re.M | re.I) is not None


def _read_bzip2(path: Path) -> SimpleITK.Image:
    """Read a bzip2-compressed NRRD file, which the library cannot decompress."""
    import SimpleITK as sitk  # noqa: N813

    header, packed = path.read_bytes().split(b"\n\n", 1)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.nrrd")
        raw = re.sub(rb"^encoding:.*$", b"encoding: raw", header, flags=re.M | re.I)
        plain.write_bytes(raw + b"\n\n" + bz2.decompress(packed))
        return sitk.ReadImage(str(plain))


def _is_grey_with_alpha(path: Path) -> bool:
    """Whether a PNG has a grey and an alpha channel (colour type 4), which the library does not support."""
    if path.suffix.lower() != ".png":
        return False
    with path.open("rb") as stream:
        return stream.read(26)[25:] == b"\x04"


def _read_grey_with_alpha(path: Path) -> SimpleITK.Image:
    import SimpleITK as sitk  # noqa: N813
    from PIL import Image

    with Image.open(path) as picture:
        # Loading checks no checksums.
        picture.verify()
    with Image.open(path) as picture:
        return sitk.GetImageFromArray(np.asarray(picture), isVector=True)


def _is_whole(path: Path, image: SimpleITK.Image) -> bool:
    """Whether a NIfTI file holds all its pixels; the library pads a truncated file with zeros.

    Args:
        path: the file. For other formats the library itself detects truncation.
        image: the image that the library read from it.
    """
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return True
    size = path.stat().st_size
    if name.endswith(".gz"):
        try:
            with gzip.open(path) as stream:
                size = sum(map(len, iter(lambda: stream.read(2**20), b"")))
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return False
    dimensions = int(image.GetMetaData("dim[0]"))
    pixels = math.prod(max(int(image.GetMetaData(f"dim[{axis}]")), 1) for axis in range(1, dimensions + 1))
    return bool(size >= float(image.GetMetaData("vox_offset")) + pixels * int(image.GetMetaData("bitpix")) // 8)
