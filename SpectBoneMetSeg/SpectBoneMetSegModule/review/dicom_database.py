"""DICOM results in Slicer's own database, in the study of their scan."""

# Names follow Slicer's own: camelCase functions and arguments.
# ruff: noqa: N802

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.export.outputs import DICOM_FOLDER

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from ..slicer_types import Widget

__all__ = ["addToDatabase", "offerDatabase", "whyNotInDatabase"]


def offerDatabase(box: Widget, live: LiveReading | None) -> None:
    """Let a check box say whether results can go into the database, and what it does or why it cannot."""
    why = whyNotInDatabase(live)
    box.enabled = not why
    words = _(
        "Writes the DICOM objects, and copies them into the database of the module DICOM, below the scan's study."
    )
    box.toolTip = why or words


def whyNotInDatabase(live: LiveReading | None) -> str:
    """What stands in the way of putting a reading's results into the database, in a sentence; "" for nothing.

    Args:
        live: the reading, None before there is one.
    """
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return _("There is no DICOM database: open the module DICOM once; it creates one.")
    if live is not None and not live.reading.scan.source.sop_instance_uids:
        return _("This scan did not come from DICOM, so that there is no study for its results.")
    return ""


def addToDatabase(folder: Path) -> tuple[str, bool]:
    """Copy the DICOM results of a saved reading into the database.

    Args:
        folder: of the saved results, which stay as they are.

    Returns:
        (a sentence about what is in the database, whether that is all).
    """
    dicom_folder = folder / DICOM_FOLDER
    files = sorted(dicom_folder.glob("*.dcm"))
    if not files:
        # Why there are none is told already.
        return "", True
    try:
        from DICOMLib import DICOMUtils

        DICOMUtils.importDicom(str(dicom_folder), copyFiles=True)
        missing, why = [file.name for file in files if not isInDatabase(file)], _("it did not accept them")
    except Exception as error:  # noqa: BLE001 - the database raises what its plugins raise
        missing, why = [file.name for file in files], str(error)
    if missing:
        words = _("Slicer's DICOM database lacks {names} ({why}); import them from {folder} in the module DICOM.")
        return words.format(names=", ".join(missing), why=why, folder=dicom_folder), False
    return _("They are in Slicer's DICOM database as well."), True


def isInDatabase(file: Path) -> bool:
    """Whether the database has the object of a file; the import itself does not report failures."""
    import pydicom

    uid = pydicom.dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
    return bool(slicer.dicomDatabase.fileForInstance(str(uid)))
