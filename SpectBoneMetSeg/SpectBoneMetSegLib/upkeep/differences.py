"""Differences of a stored result from a new reading of its scan."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import UserError
from ..export.receipt import is_reviewed
from ..loading.images import open_image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..lesions.results import Reading

__all__ = ["PROBABILITY_TOLERANCE", "Deviation", "differences"]

#: Maximum difference of a probability due to the rounding of other engines, devices and processors.
PROBABILITY_TOLERANCE = 1e-4
#: Largest share of the pixels of a region map that this rounding may change.
REGION_TOLERANCE = 1e-4
#: Files compared as tables, as JSON and as segmentations, besides the table of lesions.
TABLES, DOCUMENTS = ("quantification.csv",), ("quantification.json", "regions.json", "contours.mrk.json")
SEGMENTATIONS = ("segmentation.seg.nrrd", "regions.seg.nrrd")
#: Parts of a JSON file that say nothing about the scan and depend on the version of the program.
ABOUT_FILE = {"schema_version", "notice", "rules", "program", "@schema"}
#: Largest number of names in a message.
NAMED = 3


@dataclass(frozen=True)
class Deviation:
    """A difference from the receipt or its files.

    Attributes:
        what: name of what differs.
        message: sentence for the user.
    """

    what: str
    message: str


@dataclass
class _Found:
    """Differences found so far.

    Attributes:
        cause: end of a message: why a file may differ.
        relevant: relevant differences.
        notes: minor differences.
    """

    cause: str
    relevant: list[Deviation] = field(default_factory=list)
    notes: list[Deviation] = field(default_factory=list)

    def add(self, what: str, message: str) -> None:
        """Add a relevant difference."""
        self.relevant.append(Deviation(what, message))


def differences(
    reading: Reading, receipt: Mapping[str, Any], folder: Path
) -> tuple[list[Deviation], list[Deviation], bool]:
    """Compare a new reading with the stored result.

    Args:
        reading: the new reading of the scan.
        receipt: receipt of the result.
        folder: folder of the result.

    Returns:
        (relevant differences, minor differences, whether all masks and region maps are identical)

    Raises:
        UserError: an image of the result is damaged.
    """
    from .._version import __version__

    version = (receipt.get("program") or {}).get("version")
    reviewed = is_reviewed(receipt)
    found = _Found(
        "a physician reviewed or edited the result" if reviewed else "the file was changed, or the reading differs"
    )
    if reviewed:
        text = "A physician reviewed or edited this result: what follows from that cannot be reproduced from the scan."
        found.add("review", text)
    if version != __version__:
        found.notes.append(Deviation("program", f"It was read by version {version}; this is {__version__}."))
    crop: dict[str, Any] = reading.receipt["crop"]  # type: ignore[assignment]
    then = receipt.get("crop") or {}
    if any(list(then.get(name) or []) != list(crop[name]) for name in ("rows", "columns")):
        found.add("crop", f"The box is now {_box(crop)}, it was {_box(then)}.")
    same = _compare_masks(reading, folder, found)
    _compare_probability(reading, folder, found)
    same &= _compare_regions(reading, folder, found)
    count = receipt.get("lesions")
    if isinstance(count, int) and count != len(reading.lesions):
        found.add("lesions", f"{len(reading.lesions)} areas are found now, {count} were found then.")
    _find_missing(reading, receipt, folder, found)
    _compare_written(reading, folder, found, same_version=version == __version__)
    return found.relevant, found.notes, same


def _box(crop: Mapping[str, Any]) -> str:
    return f"rows {crop.get('rows')}, columns {crop.get('columns')}"


def _stored(path: Path) -> Any:
    """Return the (rows, columns) array of a result file, with layers (rows, columns, layers); None if it is missing."""
    import SimpleITK

    try:
        return SimpleITK.GetArrayFromImage(open_image(path))[0] if _filled(path) else None
    except UserError as error:
        raise UserError(f"{path} is damaged; restore it or read the scan again.") from error


def _compare_masks(reading: Reading, folder: Path, found: _Found) -> bool:
    masks: dict[str, Any] = {"mask": reading.mask}
    masks |= {f"mask_{name}": ids for name, ids in reading.view_masks.items()}
    same = True
    for name, mask in masks.items():
        stored = _stored(folder / f"{name}.nrrd")
        if stored is None:
            same = False
            found.add(name, f"{name}.nrrd is missing or empty in the folder of the receipt and cannot be compared.")
        elif differing := _differing(stored, mask, name, found):
            same = False
            if differing > 0:
                found.add(name, f"{differing} pixels of {name}.nrrd differ: {found.cause}.")
    return same


def _differing(stored: NDArray[Any], now: NDArray[Any], name: str, found: _Found) -> int:
    """Return the number of pixels that differ; -1 if the images differ in shape, which is added to the differences."""
    if stored.shape != now.shape:
        found.add(name, f"{name}.nrrd has {stored.shape} pixels, the scan {now.shape}.")
        return -1
    return int((stored != now).sum())


def _compare_probability(reading: Reading, folder: Path, found: _Found) -> None:
    stored = _stored(folder / "probability.nrrd")
    if stored is None or _differing(stored, reading.probability, "probability", found) <= 0:
        return
    most = float(np.abs(stored - reading.probability).max())
    text = f"Probabilities differ by at most {most:.2g}; {PROBABILITY_TOLERANCE:g} is allowed."
    # A value that is no number is never within the limit.
    (found.notes if most <= PROBABILITY_TOLERANCE else found.relevant).append(Deviation("probability", text))


def _compare_regions(reading: Reading, folder: Path, found: _Found) -> bool:
    same = True
    for view, regions in reading.regions.items():
        name = f"regions_{view}"
        stored = _stored(folder / f"{name}.nrrd")
        if stored is None:
            same = False
        elif differing := _differing(stored, regions, name, found):
            same = False
            if differing > REGION_TOLERANCE * regions.size:
                found.add(name, f"{differing} pixels of {name}.nrrd differ: {found.cause}.")
            elif differing > 0:
                text = f"{differing} pixels of {name}.nrrd differ; {REGION_TOLERANCE:.2%} of its pixels are allowed."
                found.notes.append(Deviation(name, text))
    return same


def _find_missing(reading: Reading, receipt: Mapping[str, Any], folder: Path, found: _Found) -> None:
    """Add the files of the result, and of the outputs in its receipt, that are missing or empty."""
    from ..export.result_folder import output_files, result_files

    expected = result_files(reading.scan.views, quick=bool(receipt.get("quick")), regions=bool(reading.regions))
    seen_in = [lesion.seen_in for lesion in reading.lesions]
    # After a review it is not known which views still show a lesion.
    seen_in = [] if is_reviewed(receipt) else seen_in
    expected |= output_files(receipt.get("outputs") or [], receipt.get("warnings") or [], seen_in)
    for name in sorted(expected):
        # The receipt was read; masks and the table of lesions are missed when they are compared.
        if name in ("receipt.json", "lesions.csv") or name.startswith("mask"):
            continue
        path = folder / name
        if not path.is_file() or not path.stat().st_size:
            found.add(name, f"{name} is missing or empty in the folder of the receipt; restore it or read again.")


def _compare_written(reading: Reading, folder: Path, found: _Found, *, same_version: bool) -> None:
    """Compare the tables, JSON files and segmentations with those of the new reading."""
    import tempfile

    from ..export.result_folder import save_reading

    with tempfile.TemporaryDirectory() as temporary:
        now = Path(temporary) / "now"
        save_reading(reading, str(now))
        _compare_table("table", "lesions.csv", folder, now, found)
        for name in (*TABLES, *DOCUMENTS, *SEGMENTATIONS):
            # A missing file is already among the differences; a model may write no regions.
            if not _filled(folder / name) or not (now / name).is_file():
                continue
            if name in TABLES:
                _compare_table(name, name, folder, now, found)
            elif name in DOCUMENTS:
                _compare_document(name, folder, now, found, same_version=same_version)
            else:
                _compare_segmentation(name, folder, now, found)


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _compare_table(what: str, name: str, folder: Path, now: Path, found: _Found) -> None:
    try:
        stored = (folder / name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        found.add(what, f"{name} cannot be read and cannot be compared.")
        return
    texts = (stored, (now / name).read_text(encoding="utf-8"))
    then_rows, now_rows = (list(csv.DictReader(io.StringIO(text))) for text in texts)
    if len(then_rows) != len(now_rows):
        found.add(what, f"{name} has {len(then_rows)} rows, the reading {len(now_rows)}: {found.cause}.")
        return
    changed = sorted(
        {
            column
            for then, new in zip(then_rows, now_rows, strict=True)
            for column in new
            if column in then and not _equal(then[column], new[column])
        }
    )
    if changed:
        found.add(what, f"{name} differs in {_listed(changed)}: {found.cause}.")


def _compare_document(name: str, folder: Path, now: Path, found: _Found, *, same_version: bool) -> None:
    try:
        then = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found.add(name, f"{name} cannot be read and cannot be compared.")
        return
    new = json.loads((now / name).read_text(encoding="utf-8"))
    # Another version may write more, or less.
    changed = list(dict.fromkeys(_changed_parts(then, new, "", complete=same_version)))
    if changed:
        found.add(name, f"{name} differs in {_listed(changed)}: {found.cause}.")


def _changed_parts(then: Any, new: Any, at: str, *, complete: bool) -> list[str]:
    """Return the places of JSON values that differ, such as "scan.lesions".

    Args:
        then: stored value.
        new: value of the new reading.
        at: place of both; "" for the whole document.
        complete: also return the places that only one of them has.
    """
    changed: list[str] = []
    if isinstance(then, dict) and isinstance(new, dict):
        for key in sorted((then.keys() | new.keys()) - (set() if at else ABOUT_FILE)):
            place = f"{at}.{key}" if at else key
            if key in then and key in new:
                changed += _changed_parts(then[key], new[key], place, complete=complete)
            elif complete:
                changed.append(place)
        return changed
    if isinstance(then, list) and isinstance(new, list) and len(then) == len(new):
        for one, two in zip(then, new, strict=True):
            changed += _changed_parts(one, two, at, complete=complete)
        return changed
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (then, new))
    return [] if then == new or (numbers and _equal(str(then), str(new))) else [at or "its content"]


def _compare_segmentation(name: str, folder: Path, now: Path, found: _Found) -> None:
    stored, new = _stored(folder / name), _stored(now / name)
    if stored.shape != new.shape:
        found.add(name, f"{name} has {stored.shape} pixels, the reading {new.shape}: {found.cause}.")
        return
    differing = int((stored != new).sum())
    allowed = REGION_TOLERANCE * new.size if name.startswith("regions") else 0
    if differing > allowed:
        found.add(name, f"{differing} pixels of {name} differ: {found.cause}.")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _equal(one: str | None, other: str | None) -> bool:
    try:
        return bool(np.isclose(float(one or "nan"), float(other or "nan"), rtol=1e-3, atol=1e-6, equal_nan=True))
    except ValueError:
        return one == other
