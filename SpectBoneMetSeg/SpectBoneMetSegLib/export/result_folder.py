"""Every output file of one scan's reading, in a folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError
from ..common.files import replace_folder, sync_files, temporary_path
from .outputs import DICOM_FILES, DICOM_FOLDER, REPORT_FILES, Outputs, write_outputs

if TYPE_CHECKING:
    from ..lesions.results import Reading
    from ..quantification.results import Quantification


#: Every file a reading consists of (masks of views that exist, regions where the model knows them).
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


class OutputNotWritableError(UserError):
    """The results of any scan would find no place: a full disk, a folder that is gone, a right that was lost."""


def save_reading(
    reading: Reading,
    folder: str,
    outputs: Outputs | None = None,
    *,
    quick: bool = False,
    staging: Path | None = None,
) -> list[str]:
    """Write all output files of `reading` into `folder`.

    The files are written into a hidden folder, which gets its name when it is complete and on the disk; an earlier
    reading of that name is replaced only then.

    Args:
        reading: what is written.
        folder: where to.
        quick: masks, table and receipt alone.
        outputs: what is written beside the result files; None for nothing.
        staging: a folder on the same disk in which files are written first; beside `folder` by default.

    Returns:
        A sentence for each of those outputs that cannot be written of this scan.

    Raises:
        OutputNotWritableError: the disk or the folder above takes nothing.
        UserError: the folder holds something other than an earlier reading.
    """
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    _refuse_to_replace_foreign(target)
    from ..quantification.quantify import quantify

    unfinished = temporary_path(target if staging is None else staging / target.name)
    try:
        if staging is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        found = quantify(reading)
        notes = write_outputs(reading, unfinished, outputs, found) if outputs is not None else []
        _write_all(_told(reading, outputs, notes), found, str(unfinished), quick=quick)
        sync_files(unfinished)
        replace_folder(unfinished, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputNotWritableError(
            f"The results cannot be written to {target} ({reason}): choose another output folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return notes


def _told(reading: Reading, outputs: Outputs | None, notes: list[str]) -> Reading:
    """The reading whose receipt tells what was asked for beside the result files, and what of it could not be had."""
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
    """A folder is replaced only when it holds nothing but an earlier reading: a user's own file in it is not ours."""
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise UserError(f"{target} is a file: choose another output folder.")
    try:
        contents = set(os.listdir(target))
    except OSError as error:
        raise UserError(f"{target} cannot be read ({error.strerror}): choose another output folder.") from error
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
