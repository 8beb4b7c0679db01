"""Headers and stored frames of the files that a scan was read from; results are filed under their study."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...common.errors import UserError
from ...common.files import sha256_of
from ...lesions.results import Reading
from ...loading.dicom import load_dataset
from ...loading.stored_frames import StoredFrame, stored_views
from ...scan.planar import PlanarView, ViewName
from .header_values import make_conformant
from .uids import derived_uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["SourceView", "nameless", "share", "source_views"]

#: Attributes of patient and study that all objects of a study share; empty if they are missing in the file.
SHARED = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
)
#: Attributes that are copied if the file has them.
OPTIONAL = (
    "SpecificCharacterSet",
    "StudyDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "IssuerOfPatientID",
)


@dataclass(frozen=True)
class SourceView:
    """File and frame that a view was read from.

    Attributes:
        header: header of the file, with all attributes of SHARED.
        frame: the frame, or the half of a frame, that shows the view.
        view: the view itself.
        emptied: attributes of the header that DICOM results leave empty, as their values are not those of DICOM.
    """

    header: Dataset
    frame: StoredFrame
    view: PlanarView
    emptied: tuple[str, ...] = ()

    @property
    def frame_of_reference(self) -> str:
        """The file's own Frame of Reference UID if the file states no image position, else a derived one.

        Planar cameras seldom state an image position; this program then sets the centre of the field and the depth to
        0. If the file states a position, these coordinates differ from it and need a frame of reference of their own.
        """
        uid = str(self.header.get("FrameOfReferenceUID") or "")
        detectors = self.header.get("DetectorInformationSequence") or []
        stated = any(detector.get("ImagePositionPatient") for detector in (self.header, *detectors))
        return uid if uid and not stated else derived_uid("frame of reference", str(self.header.StudyInstanceUID))

    @property
    def stored_to_lps(self) -> NDArray[np.float64]:
        """4x4 from (column, row, slice) of the stored frame to LPS mm."""
        return np.diag([-1.0, -1.0, 1.0, 1.0]) @ self.view.ijk_to_ras @ self.frame.to_view() + 0.0


def source_views(reading: Reading) -> dict[ViewName, SourceView]:
    """Return per view the file and frame that it was read from.

    Raises:
        UserError: the scan was not read from DICOM files, or they are missing or changed.
    """
    source, scan = reading.scan.source, reading.scan
    if not source.sop_instance_uids or len(source.sop_instance_uids) != len(source.files):
        raise UserError(
            f"{scan.case} was not read from DICOM, so there is no study for DICOM results; read the NM file that the "
            "camera exported."
        )
    found: dict[ViewName, SourceView] = {}
    for name, digest in zip(source.files, source.sha256, strict=True):
        file = Path(name)
        if not file.is_file() or sha256_of(file) != digest:
            raise UserError(f"{file.name} is missing or was changed since it was read; read the scan again.")
        header, _ = load_dataset(file, pixels=False, name=file.name)
        emptied = _complete(header, file.name)
        for side, frame in stored_views(file, scan).items():
            found.setdefault(side, SourceView(header, frame, scan.views[side], emptied))
    missing = [name for name in scan.views if name not in found]
    if missing:
        raise UserError(
            f"The {missing[0]} view of {scan.case} differs from that in its file; read the scan again without changing "
            "its counts."
        )
    return {name: found[name] for name in scan.views}


def _complete(header: Dataset, name: str) -> tuple[str, ...]:
    """Check that a header names its study, correct its values, and set missing attributes of SHARED to "".

    Returns:
        The attributes whose values are lost.
    """
    if not header.get("StudyInstanceUID"):
        raise UserError(f"{name} has no study UID, which DICOM results need; export the scan again from the archive.")
    emptied = make_conformant(header)
    for keyword in SHARED:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    return emptied


def nameless(header: Dataset) -> Dataset:
    """Return a copy of a header without the patient's name, for highdicom, whose warnings print some names.

    It takes a name without "^", such as "Madonna", for a mistake. The objects that it makes get the name afterwards.
    """
    copied = copy.deepcopy(header)
    copied.PatientName = ""
    return copied


def share(header: Dataset, made: Dataset, *further: str) -> None:
    """Copy the attributes that all objects of a study share, and `further` ones, from a header to an object."""
    for keyword in (*SHARED, *OPTIONAL, *further):
        if header.get(keyword) is not None:
            setattr(made, keyword, header.get(keyword))
