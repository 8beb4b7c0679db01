"""Every output file of one scan's reading, in a folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from ..results import Reading

__all__ = ["save_reading"]


def save_reading(reading: Reading, folder: str) -> None:
    """Write all output files of `reading` into `folder`.

    The files are written into a hidden folder beside it, which gets its name when it is complete; an earlier reading of
    that name is replaced only then.

    Raises:
        UserError: the folder cannot be written, or holds something other than an earlier reading.
    """
    target = os.path.abspath(folder)
    _refuse_to_replace_foreign(target)
    unfinished = _beside(target)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.mkdir(unfinished)
        _write_all(reading, unfinished)
        _put_in_place(unfinished, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"The results cannot be written to {target} ({reason}): choose another output folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write_all(reading: Reading, folder: str) -> None:
    from .markups import write_contours
    from .overview import write_overview
    from .receipt import write_receipt
    from .segmentation import write_segmentation
    from .table import write_lesion_table
    from .volumes import write_volumes

    write_volumes(reading, folder)
    write_segmentation(reading, os.path.join(folder, "segmentation.seg.nrrd"))
    write_contours(reading, os.path.join(folder, "contours.mrk.json"))
    write_lesion_table(reading, os.path.join(folder, "lesions.csv"))
    write_overview(reading, os.path.join(folder, "overview.png"))
    write_receipt(reading, os.path.join(folder, "receipt.json"))


def _refuse_to_replace_foreign(target: str) -> None:
    """A folder without a receipt is not ours to delete."""
    if not os.path.lexists(target):
        return
    if not os.path.isdir(target):
        raise UserError(f"{target} is a file: choose another output folder.")
    try:
        contents = os.listdir(target)
    except OSError as error:
        raise UserError(f"{target} cannot be read ({error.strerror}): choose another output folder.") from error
    if contents and "receipt.json" not in contents:
        raise UserError(f"{target} holds files that are not an earlier reading: choose another output folder.")


def _put_in_place(finished: str, target: str) -> None:
    """Rename `finished` to `target`; an earlier folder of that name stays until the new one stands in its place."""
    if not os.path.exists(target):
        os.rename(finished, target)
        return
    earlier = _beside(target)
    os.rename(target, earlier)
    try:
        os.rename(finished, target)
    except OSError:
        os.rename(earlier, target)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _beside(target: str) -> str:
    """A free hidden name in the same folder, so that renaming never crosses file systems."""
    return os.path.join(os.path.dirname(target), f".{uuid.uuid4().hex[:12]}.unfinished")
