"""Write all output files of a reading into a folder that appears complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError, reason_of
from ..common.files import DISK_FULL, replace_folder, sync_files, temporary_path
from ..scan.planar import VIEW_NAMES
from .outputs import DICOM_FILES, DICOM_FOLDER, NO_DICOM, REPORT_FILES, Outputs, write_outputs
from .receipt import is_reviewed, stored_receipt

if TYPE_CHECKING:
    from ..lesions.results import Reading
    from ..quantification.results import Quantification


#: All files of a reading (masks of existing views; regions if the model segments them).
FILES = {
    "segmentation.seg.nrrd",
    "mask.nrrd",
    "mask_anterior.nrrd",
    "mask_posterior.nrrd",
    "probability.nrrd",
    "regions_anterior.nrrd",
    "regions_posterior.nrrd",
    "regions.seg.nrrd",
    "regions.json",
    "contours.mrk.json",
    "lesions.csv",
    "quantification.json",
    "quantification.csv",
    "receipt.json",
    "overview.png",
    *REPORT_FILES,
    DICOM_FOLDER,
}
#: Beginnings of the names that are written with `quick`.
QUICK = ("mask", "lesions", "quantification", "receipt")


def result_files(views: Iterable[str], *, quick: bool, regions: bool) -> set[str]:
    """Return the names of the files of a complete reading.

    Args:
        views: the scan's existing views.
        quick: only masks, tables and receipt were written.
        regions: the model segments regions.
    """
    optional = {*REPORT_FILES, DICOM_FOLDER}
    region_files = {name for name in FILES if name.startswith("regions")}
    absent = {f"{kind}_{name}.nrrd" for kind in ("mask", "regions") for name in VIEW_NAMES if name not in views}
    files = FILES - optional - absent - (set() if regions else region_files)
    return {name for name in files if name.startswith(QUICK)} if quick else files


def output_files(outputs: Iterable[str], warnings: Iterable[str], seen_in: Iterable[str]) -> set[str]:
    """Return the files of optional outputs, relative to the result folder with "/".

    Args:
        outputs: names of the outputs, as in `Outputs.wanted` and in the receipt.
        warnings: warnings of the receipt, which name an output that the scan does not allow.
        seen_in: where the lesions are seen, as in the column of the table of lesions.
    """
    outputs, seen = set(outputs), set(seen_in)
    files = set(REPORT_FILES) if "report" in outputs else set()
    if "dicom" in outputs and not any(str(warning).startswith(NO_DICOM) for warning in warnings):
        # A view without a lesion has no segmentation.
        absent = {f"seg_{name}.dcm" for name in VIEW_NAMES if not seen & {name, "both"}}
        files |= {f"{DICOM_FOLDER}/{name}" for name in DICOM_FILES if name not in absent}
    return files


class OutputNotWritableError(UserError):
    """No results can be written there at all: full disk, missing folder or missing permission."""


def save_reading(
    reading: Reading,
    folder: str,
    outputs: Outputs | None = None,
    *,
    quick: bool = False,
    staging: Path | None = None,
) -> list[str]:
    """Write all output files of a reading into a folder.

    The files are written into a hidden folder, which is renamed when it is complete and on the disk; only then an
    earlier reading of that name is replaced. One that a physician reviewed is replaced only by another that was opened
    for review.

    Args:
        reading: the reading.
        folder: the result folder.
        outputs: optional outputs in addition to the result files; None for none.
        quick: write only masks, tables and receipt.
        staging: folder on the same disk for the hidden folder; by default the parent of `folder`.

    Returns:
        One sentence for each optional output that this scan does not allow.

    Raises:
        OutputNotWritableError: the disk or the parent folder is not writable.
        UserError: the folder holds something other than an earlier reading, or a physician's review.
    """
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    _refuse_to_replace_foreign(target)
    # Only a reading in which a physician could decide has this entry, also if all its lesions are open.
    if "review" not in reading.receipt:
        _refuse_to_replace_review(target)
    from ..quantification.quantify import quantify

    unfinished = temporary_path(target if staging is None else staging / target.name)
    try:
        if staging is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        found = quantify(reading)
        notes = write_outputs(reading, unfinished, outputs, found) if outputs is not None else []
        _write_all(_with_outputs(reading, outputs, notes), found, str(unfinished), quick=quick)
        sync_files(unfinished)
        replace_folder(unfinished, target)
    except OSError as error:
        remedy = "free some space there, or choose" if error.errno in DISK_FULL else "choose"
        raise OutputNotWritableError(
            f"The results cannot be written to {target} ({reason_of(error)}): {remedy} another output folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return notes


def _with_outputs(reading: Reading, outputs: Outputs | None, notes: list[str]) -> Reading:
    """Return the reading with the requested outputs, and those that could not be written, in its receipt."""
    if outputs is None or not outputs.wanted:
        return reading
    earlier = reading.receipt.get("warnings")
    warnings = [*(earlier if isinstance(earlier, list) else []), *notes]
    return replace(reading, receipt={**reading.receipt, "outputs": list(outputs.wanted), "warnings": warnings})


def _write_all(reading: Reading, found: Quantification, folder: str, *, quick: bool) -> None:
    from .markups import write_contours
    from .overview import write_overview
    from .quantification_files import write_quantification
    from .receipt import write_receipt
    from .region_files import write_regions
    from .seg_nrrd import write_segmentation
    from .table import write_lesion_table
    from .volumes import write_masks, write_volumes

    write_lesion_table(reading, os.path.join(folder, "lesions.csv"), found)
    numbers = [os.path.join(folder, f"quantification.{kind}") for kind in ("json", "csv")]
    write_quantification(found, reading, *numbers)
    if quick:
        write_masks(reading, folder)
    else:
        write_volumes(reading, folder)
        write_segmentation(reading, os.path.join(folder, "segmentation.seg.nrrd"))
        write_contours(reading, os.path.join(folder, "contours.mrk.json"))
        if reading.regions:
            write_regions(reading, os.path.join(folder, "regions.seg.nrrd"), os.path.join(folder, "regions.json"))
        write_overview(reading, os.path.join(folder, "overview.png"))
    write_receipt(reading, os.path.join(folder, "receipt.json"))


def _refuse_to_replace_foreign(target: Path) -> None:
    """Raise UserError unless `target` is missing, empty or only an earlier reading: never delete a user's own files."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise UserError(f"{target} is a file: choose another output folder.")
    try:
        contents = set(os.listdir(target))
    except OSError as error:
        raise UserError(f"{target} cannot be read ({reason_of(error)}): choose another output folder.") from error
    if contents and "receipt.json" not in contents:
        raise UserError(f"{target} holds files that are not an earlier reading: choose another output folder.")
    foreign = sorted(contents - FILES)
    inside = target / DICOM_FOLDER
    if inside.is_dir():
        foreign += sorted(f"{DICOM_FOLDER}/{name}" for name in set(os.listdir(inside)) - set(DICOM_FILES))
    if foreign:
        raise UserError(
            f"{target} also holds {foreign[0]}, which a new reading would delete: move it or choose another folder."
        )


def _refuse_to_replace_review(target: Path) -> None:
    """Raise UserError if `target` holds a physician's decisions or edits, which a new reading would lose."""
    if is_reviewed(stored_receipt(target / "receipt.json") or {}):
        raise UserError(
            f"{target} holds a physician's review, which a new reading would delete: move it or choose another folder."
        )
