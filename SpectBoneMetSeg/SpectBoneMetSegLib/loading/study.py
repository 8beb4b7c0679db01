"""Read one study, a file or a folder, as a WholeBodyScan."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..common.errors import UserError
from ..common.files import sha256_of
from ..scan.eight_bit import STATURE_MM, pixel_size_of_body
from ..scan.planar import REFERENCE_SHAPE, REFERENCE_SPACING_MM, PlanarView, ScanSource, ViewName, WholeBodyScan
from .archive import Archive, FoundScan, find_scans, is_packed
from .dicom import looks_like_dicom, read_dicom
from .frames import Frame, FrameFile
from .grey_values import counts_dark_to_bright, without_negatives, without_overflow
from .images import IMAGE_SUFFIXES, read_image
from .laterality import assign_views, parse_views
from .orientation import orient_as_stated

__all__ = [
    "case_name", "looks_like_scan", "planar_view", "read_files", "read_found_scan", "read_scan", "single_scan",
    "view_warnings",
]  # fmt: skip

#: Limits beyond those of any whole-body camera; they catch wrong headers before memory is allocated.
LARGEST_COUNT = 1e9
SMALLEST_PIXEL_MM = 0.2
#: 256 x 1024 pixels usually have 2.26 mm. If the height of the body would then differ from the average by more than
#: this share, 2.5 standard deviations of adults, the picture was resampled.
UNLIKELY_STATURE = 0.15
LONGEST_FIELD_MM = 4000.0

_DOUBLE_SUFFIXES = (".seg.nrrd", ".nii.gz")


def read_scan(
    path: str | Path,
    *,
    views: Sequence[ViewName] | None = None,
    pixel_size_mm: float | None = None,
    views_override: bool = False,
) -> WholeBodyScan:
    """Read one planar whole-body study at its native matrix.

    DICOM is preferred where it exists. NRRD, NIfTI and MetaImage are oriented by their directions if these are those
    of a coronal plane; otherwise rows run from head to foot and columns as the detector sees them (the posterior view
    from behind, not mirrored).

    Args:
        path: a file, or a folder with the files of one study (subfolders included).
        views: the sides of the images in stored order, files sorted by name, where the file does not state them. Two
            names for one wide image mean two halves side by side.
        pixel_size_mm: pixel size for files that do not state one; overrides a stated one with a warning.
        views_override: use `views` even where the file states other sides, with a warning.

    Returns:
        The scan; `warnings` lists what was assumed.

    Raises:
        UserError: the input cannot be read as one or two whole-body views.
    """
    if not os.fspath(path):
        raise UserError("The input is an empty name; give a file, or the folder of one study.")
    location = Path(path)
    wanted = parse_views(views)
    if pixel_size_mm is not None and not (np.isfinite(pixel_size_mm) and pixel_size_mm > 0):
        raise UserError(
            f"The pixel size {pixel_size_mm} is not a length; give millimetres, for example 2.26.", "pixel_size"
        )
    found = single_scan(location, find_scans(location)) if _is_folder(location) else FoundScan((location,))
    return read_found_scan(
        found,
        case_name(location),
        _own_name(location),
        views=wanted,
        pixel_size_mm=pixel_size_mm,
        override=views_override,
    )


def read_files(paths: Sequence[str | Path]) -> WholeBodyScan:
    """Read the files of one scan, such as an anterior and a posterior one (see `grouping.group_files`).

    The case is named after the file, or after the folder if there are several files.

    Raises:
        UserError: as `read_scan`.
    """
    files = [Path(path) for path in paths]
    if len(files) == 1:
        return read_scan(files[0])
    folder = files[0].absolute().parent
    return read_found_scan(FoundScan(tuple(files)), case_name(folder if folder.name else files[0]), folder.name)


def read_found_scan(
    found: FoundScan,
    case: str,
    study: str = "",
    *,
    views: Sequence[ViewName] | None = None,
    pixel_size_mm: float | None = None,
    override: bool = False,
) -> WholeBodyScan:
    """Read the files of a scan that `archive.find_scans` found.

    Args:
        found: the files; a copy is read where a file cannot be.
        case: name of the results.
        study: name used in messages, by default the case.
        views: as `read_scan`.
        pixel_size_mm: as `read_scan`.
        override: as `read_scan`.

    Raises:
        UserError: as `read_scan`.
    """
    missing = [path for path in found.files if not _exists(path)]
    if missing:
        raise UserError(f"{missing[0]} does not exist; check the path.")
    notes = list(found.notes)
    # Messages name a single file by its name, one of several by its path.
    alone = len(found.files) == 1 and not notes
    try:
        files = [_read_first_sound(path, found.copies.get(path, ()), notes, alone=alone) for path in found.files]
    except PermissionError as error:
        raise UserError(f"{error.filename} may not be read; ask for permission to read it.") from error
    return _scan_of(files, notes, study or case, case, parse_views(views), pixel_size_mm, override=override)


def _read_first_sound(path: Path, copies: Sequence[Path], notes: list[str], *, alone: bool) -> FrameFile:
    """Read the frames of a file, or of the first of its copies that can be read."""
    try:
        found = _read_file(path, "" if alone else str(path))
        notes += [f"Left out: {copy} (a copy of {path})." for copy in copies]
        return found
    except UserError as error:
        for copy in copies:
            try:
                found = _read_file(copy, str(copy))
            except UserError:
                continue
            notes.append(f"{copy} was read in place of its copy, which cannot be read: {error}")
            return found
        raise


def _scan_of(
    files: list[FrameFile],
    skipped: list[str],
    study: str,
    case: str,
    wanted: tuple[ViewName, ...] | None = None,
    pixel_size_mm: float | None = None,
    *,
    override: bool = False,
) -> WholeBodyScan:
    """Make a scan of frames: assign sides, orient, set pixel sizes and collect warnings."""
    warnings = [*skipped, *(note for file in files for note in file.warnings)]
    frames = [counts_dark_to_bright(frame, warnings) for file in files for frame in file.frames]
    sides = assign_views(frames, wanted, study, warnings, override=override)
    sides = {name: orient_as_stated(frame, name, warnings) for name, frame in sides.items()}
    sides = _without_empty(sides, warnings)
    edge = _estimated_edge(list(sides.values()))
    found = {name: planar_view(name, frame, pixel_size_mm, warnings, edge) for name, frame in sides.items()}
    warnings.extend(_study_warnings(found, frames, files, named_by_user=wanted is not None))
    return WholeBodyScan(
        case=case,
        anterior=found.get("anterior"),
        posterior=found.get("posterior"),
        source=_source(files, found),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _without_empty(sides: dict[ViewName, Frame], warnings: list[str]) -> dict[ViewName, Frame]:
    """Drop views without counts, unless all are empty. A camera with one head may store an empty second frame."""
    filled = {name: frame for name, frame in sides.items() if not (frame.counts <= 0).all()}
    if not filled:
        return sides
    warnings += [
        f"The {name} view of {frame.name} holds no counts and was left out."
        for name, frame in sides.items()
        if name not in filled
    ]
    return filled


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, RuntimeError):
        # A loop of links, or a name that the file system rejects.
        return False


def case_name(path: Path) -> str:
    """Return the folder name, or the file name without suffix ("a" for "a.nii.gz" and for "a.seg.nrrd").

    Raises:
        UserError: no character is left for the name of a result folder.
    """
    # The given name, not that of a link's target; only "." and ".." are resolved.
    name = _own_name(path)
    stem = name if _is_folder(path) else _without_suffix(name)
    stem = "".join(letter if letter.isprintable() else "_" for letter in stem).strip(". ")
    if not stem:
        raise UserError(f"{name!r} cannot name a folder of results; rename the file.")
    return stem


def _own_name(path: Path) -> str:
    return path.name if path.name not in ("", "..") else Path(os.path.abspath(path)).name


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, RuntimeError):
        return False


def _without_suffix(name: str) -> str:
    for suffix in _DOUBLE_SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    # A file named by a UID ("1.2.840.10008") ends in digits, which are not a suffix.
    suffix = Path(name).suffix
    return name[: -len(suffix)] if suffix[1:2].isalpha() else name


def looks_like_scan(path: Path) -> bool:
    """Whether a file's name or first bytes match a format that `read_scan` reads."""
    return path.name.upper() != "DICOMDIR" and (_is_image(path) or looks_like_dicom(path))


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def _read_file(path: Path, display_name: str = "") -> FrameFile:
    if _is_image(path):
        return read_image(path, case_name(path), display_name)
    if path.name.upper() == "DICOMDIR":
        raise UserError(f"{path} is a table of contents; give the folder of one study instead.")
    if is_packed(path):
        name = display_name or path.name
        raise UserError(f"{name} is compressed and is not opened; unpack it and give what it holds.")
    return read_dicom(path, display_name or None)


def single_scan(folder: Path, archive: Archive) -> FoundScan:
    """Return the only whole-body scan found in a folder.

    Args:
        folder: name for messages.
        archive: what `find_scans` found in it.

    Raises:
        UserError: there is none, or more than one.
    """
    if len(archive.scans) == 1:
        return archive.scans[0]
    if archive.scans:
        studies = {scan.study_uid for scan in archive.scans}
        several = f"{len(studies)} studies" if len(studies) > 1 else f"{len(archive.scans)} whole-body scans"
        raise UserError(
            f"{folder} holds {several} ({', '.join(str(scan.files[0]) for scan in archive.scans[:3])}); name one file, "
            "or read them all.",
            command="batch",
        )
    failed = [each for each in archive.left_out if each.failed] or archive.left_out
    if not failed:
        raise UserError(f"{folder} holds no scan; give a folder with the files of one study.")
    if failed[0].reason.startswith("one of"):
        raise UserError(f"{folder} holds {len(failed)} images; give each study a folder of its own or name one file.")
    more = f" (and {len(failed) - 1} more files)" if len(failed) > 1 else ""
    raise UserError(f"{folder} holds no whole-body scan: {failed[0].path} is left out, {failed[0].reason}{more}.")


def _estimated_edge(frames: Sequence[Frame]) -> float | None:
    """Return the pixel edge in mm that the heights of the bodies give, the same for all views; None if none does."""
    edges = [pixel_size_of_body(frame.counts) for frame in frames if frame.picture and frame.spacing is None]
    known = [edge for edge in edges if edge is not None]
    return float(np.mean(known)) if known else None


def planar_view(
    name: ViewName, frame: Frame, pixel_size_mm: float | None, warnings: list[str], estimate: float | None = None
) -> PlanarView:
    """Make a view of a frame: check that counts are finite and not all zero, clip negative ones, set the pixel size.

    Args:
        name: of the view.
        frame: its counts.
        pixel_size_mm: as given by the user; None for what the file states.
        warnings: what is assumed is added to them.
        estimate: pixel edge in mm from the height of the body, for a picture that states none; None if unknown.

    Raises:
        UserError: the counts or the pixel size cannot be those of a whole-body scan, or no pixel size is known.
    """
    file, counts = frame.name, frame.counts
    if not np.isfinite(counts).all():
        raise UserError(f"{file} has pixels that are not numbers; export the scan again.")
    if np.any(counts < 0):
        counts = without_negatives(counts, f"the {name} view", file, warnings)
    if frame.picture:
        counts = without_overflow(counts, f"The {name} view of {file}", warnings)
    with np.errstate(over="ignore"):
        single = counts.astype(np.float32)
    if not single.any():
        raise UserError(f"The {name} view of {file} holds no counts; export the scan again.")
    if single.max() > LARGEST_COUNT:
        raise UserError(
            f"{file} has more than {LARGEST_COUNT:.0e} counts in a pixel, which no camera counts; export it again."
        )
    if counts.shape[1] > counts.shape[0]:
        warnings.append(f"The {name} view of {file} is wider than high: check that the head is at the top.")
    spacing = _spacing(frame, pixel_size_mm, warnings, estimate)
    length = max(counts.shape[0] * spacing[0], counts.shape[1] * spacing[1])
    if min(spacing) < SMALLEST_PIXEL_MM or length > LONGEST_FIELD_MM:
        raise UserError(
            f"{file} would have pixels of {spacing[0]:g} x {spacing[1]:g} mm and a field of {length / 1000:.3g} m, "
            "which is no whole-body scan; give the right pixel size.",
            "pixel_size",
        )
    return PlanarView(single, spacing, name)


def _spacing(
    frame: Frame, pixel_size_mm: float | None, warnings: list[str], estimate: float | None
) -> tuple[float, float]:
    file = frame.name
    if pixel_size_mm is not None:
        size = (float(pixel_size_mm), float(pixel_size_mm))
        if frame.spacing is not None and not np.allclose(frame.spacing, size, rtol=0.001):
            warnings.append(
                f"{file} states pixels of {frame.spacing} mm; {pixel_size_mm} mm, as given, were used instead."
            )
        return size
    if frame.spacing is not None:
        return frame.spacing
    usual = _is_image(frame.file) and frame.counts.shape == REFERENCE_SHAPE
    if usual and (estimate is None or abs(estimate / REFERENCE_SPACING_MM - 1) <= UNLIKELY_STATURE):
        warnings.append(
            f"{file} states no pixel size: {REFERENCE_SPACING_MM} mm was assumed from its 256 x 1024 pixels."
        )
        return (REFERENCE_SPACING_MM, REFERENCE_SPACING_MM)
    if estimate is not None:
        warnings.append(
            f"{file} states no pixel size: {estimate:.2f} mm was estimated from the height of the body, assumed to be "
            f"{STATURE_MM / 10:.0f} cm; areas may be off by an eighth, give the right pixel size where it is known."
        )
        return (estimate, estimate)
    raise UserError(f"{file} does not state its pixel size; give it in mm, for example 2.26.", "pixel_size")


def view_warnings(views: Mapping[ViewName, PlanarView]) -> list[str]:
    """Return warnings about a missing view, two views of unlike size, or one picture given as both."""
    if len(views) == 1:
        return [f"Only the {next(iter(views))} view exists: the aggregation of both views is skipped."]
    one, other = views["anterior"], views["posterior"]
    if one.shape != other.shape or not np.allclose(one.spacing, other.spacing, rtol=0.001):
        return ["The two views differ in size: they are matched by the middle of their fields."]
    # Counts are random: two measured views are never equal.
    for picture, how in ((other.counts, ""), (other.counts[:, ::-1], " mirrored")):
        if np.array_equal(one.counts, picture):
            return [f"Both views are one image{how}: export the scan again, or give one view alone."]
    return []


def _study_warnings(
    found: dict[ViewName, PlanarView], frames: list[Frame], files: list[FrameFile], *, named_by_user: bool
) -> list[str]:
    messages = view_warnings(found)
    if not named_by_user and any(_is_image(file.file) for file in files):
        messages.append("The views were taken from the file name only: check left and right.")
    if len(frames) == 1 and len(found) == 2:
        messages.append("Both views were cut from one image, at its middle.")
    return messages


def _source(files: list[FrameFile], found: dict[ViewName, PlanarView]) -> ScanSource:
    description = {key: value for file in files for key, value in file.description}
    for name, view in found.items():
        description[f"counts_{name}"] = f"{view.counts.sum(dtype=np.float64):.0f}"
    return ScanSource(
        # Absolute, so that a result can be read back from any folder; names that are not valid UTF-8 get replacements.
        files=tuple(str(file.file.absolute()).encode("utf-8", "replace").decode() for file in files),
        sha256=tuple(sha256_of(file.file) for file in files),
        sop_instance_uids=tuple(file.sop_uid for file in files if file.sop_uid),
        description=description,
        study_instance_uid=next((file.study_uid for file in files if file.study_uid), ""),
    )
