"""Simulated whole-body scans as DICOM NM Image files (PS3.3 A.5), in the forms that hospitals' systems write.

Everything in the files says that they are simulated. The same arguments give the same bytes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.planar import PlanarView, ViewName, WholeBodyScan

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

__all__ = ["VARIANTS", "Variant", "deterministic_uid", "write_nm_wholebody"]

Variant = Literal[
    "two-frame",
    "reversed",
    "rle",
    "two-windows",
    "single-files",
    "image-id",
    "anterior-only",
    "posterior-only",
    "side-by-side",
]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

MANUFACTURER = "SpectBoneMetSeg simulated"
#: 99mTc photopeak and the scatter window below it, keV.
_PHOTOPEAK = ("126", "154")
_SCATTER = ("108", "126")
#: A usual whole-body acquisition takes about 20 minutes.
_SCAN_SECONDS = 1200
#: CID 26 Nuclear Medicine Projection, SNOMED CT; PatientOrientation (0020,0020) of rows and columns.
_PROJECTION = {
    "anterior": ("399321004", "Anterior projection"),
    "posterior": ("399001007", "Posterior projection"),
}
_ORIENTATION = {"anterior": ["L", "F"], "posterior": ["R", "F"]}
_SHORT = {"anterior": "ANT", "posterior": "POST"}


@dataclass(frozen=True)
class _Study:
    patient_id: str
    uid_text: str
    date: str


@dataclass(frozen=True)
class _Picture:
    """What one file holds: frames with a detector and an energy window number each, and the sides of the detectors."""

    frames: NDArray[np.uint16]
    spacing: tuple[float, float]
    detectors: tuple[int, ...]
    windows: tuple[int, ...]
    sides: tuple[ViewName, ...]
    image_id: str
    coded: bool = True
    derived: bool = False


def write_nm_wholebody(
    path: str | Path,
    scan: WholeBodyScan,
    *,
    patient_id: str,
    uid_text: str,
    study_date: str = "20240101",
    variant: Variant = "two-frame",
) -> tuple[Path, ...]:
    """Write a simulated scan as DICOM NM.

    Args:
        path: the file to write; for "single-files" and "image-id" the folder in which ANT.dcm and POST.dcm appear.
        scan: counts must be whole numbers up to 65535; both views of a file need one shape and pixel size.
        patient_id: becomes the patient's ID and, after "SIMULATED^", the name.
        uid_text: all UIDs are derived from it (for example the hospital's seed and the case's number).
        study_date: YYYYMMDD.
        variant: two-frame: anterior, posterior in one file. reversed: posterior first. rle: two frames, RLE compressed.
            two-windows: photopeak and scatter window of both detectors. single-files: a file a view, with view codes.
            image-id: the same, the view told by the image ID only. anterior-only, posterior-only: one view.
            side-by-side: both views in one wide frame, told by the image ID.

    Returns:
        The files written.

    Raises:
        ValueError: counts that do not fit, a missing view, an unknown variant.
    """
    target, study = Path(path), _Study(patient_id, uid_text, study_date)
    if variant in ("single-files", "image-id"):
        target.mkdir(parents=True, exist_ok=True)
        pairs = [
            (target / f"{_SHORT[name]}.dcm", _one_view(_view(scan, name), coded=variant == "single-files"))
            for name in scan.views
        ]
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        pairs = [(target, _picture(scan, variant))]
    for number, (file, picture) in enumerate(pairs, start=1):
        _save(_dataset(picture, study, number), file, compress=variant == "rle")
    return tuple(file for file, _ in pairs)


def deterministic_uid(*parts: str) -> UID:
    """A UUID-derived UID (PS3.5 B.2, root 2.25) that the same texts always give."""
    from pydicom.uid import UID

    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(('SpectBoneMetSeg simulated', *parts))).int}")


def _picture(scan: WholeBodyScan, variant: Variant) -> _Picture:
    if variant == "anterior-only":
        return _one_view(_view(scan, "anterior"), coded=True)
    if variant == "posterior-only":
        return _one_view(_view(scan, "posterior"), coded=True)
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r} is none of {', '.join(VARIANTS)}")
    anterior, posterior = _view(scan, "anterior"), _view(scan, "posterior")
    if anterior.shape != posterior.shape or anterior.spacing != posterior.spacing:
        raise ValueError("views in one file need the same shape and pixel size")
    both = (_whole_counts(anterior), _whole_counts(posterior))
    if variant == "side-by-side":
        wide = np.concatenate(both, axis=1)[None]
        return _Picture(wide, anterior.spacing, (1,), (1,), ("anterior",), "ANT/POST", coded=False, derived=True)
    if variant == "reversed":
        return _Picture(np.stack(both[::-1]), anterior.spacing, (1, 2), (1, 1), ("posterior", "anterior"), "WHOLE BODY")
    if variant == "two-windows":
        # The scatter window only has to look unlike the photopeak, so that a reader who takes it is found out.
        frames = np.stack([*both, *(counts // 3 for counts in both)])
        return _Picture(frames, anterior.spacing, (1, 2, 1, 2), (1, 1, 2, 2), ("anterior", "posterior"), "WHOLE BODY")
    return _Picture(np.stack(both), anterior.spacing, (1, 2), (1, 1), ("anterior", "posterior"), "WHOLE BODY")


def _one_view(view: PlanarView, *, coded: bool) -> _Picture:
    image_id = "WHOLE BODY" if coded else f"WB_{_SHORT[view.name]}"
    return _Picture(_whole_counts(view)[None], view.spacing, (1,), (1,), (view.name,), image_id, coded=coded)


def _view(scan: WholeBodyScan, name: ViewName) -> PlanarView:
    view = scan.views.get(name)
    if view is None:
        raise ValueError(f"{scan.case} has no {name} view")
    return view


def _whole_counts(view: PlanarView) -> NDArray[np.uint16]:
    counts = view.counts
    if np.any(counts < 0) or np.any(counts > np.iinfo(np.uint16).max) or (counts != np.rint(counts)).any():
        raise ValueError(f"the {view.name} view's counts are not whole numbers from 0 to 65535")
    return counts.astype(np.uint16)


def _dataset(picture: _Picture, study: _Study, number: int) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage

    dataset = Dataset()
    sop_uid = deterministic_uid(study.uid_text, "instance", str(number))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = NuclearMedicineImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = sop_uid
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Named here, so that the bytes do not change with pydicom's version.
    dataset.file_meta.ImplementationClassUID = deterministic_uid("implementation")
    dataset.file_meta.ImplementationVersionName = "SBMS_SIMULATED"
    dataset.SOPClassUID, dataset.SOPInstanceUID = NuclearMedicineImageStorage, sop_uid
    _patient_and_study(dataset, study)
    _series(dataset, study, number)
    _acquisition(dataset, picture)
    _detectors_and_windows(dataset, picture)
    _image(dataset, picture)
    return dataset


def _patient_and_study(dataset: Dataset, study: _Study) -> None:
    dataset.PatientName = f"SIMULATED^{study.patient_id}"
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyInstanceUID = deterministic_uid(study.uid_text, "study")
    dataset.StudyDate, dataset.StudyTime = study.date, "120000"
    dataset.ReferringPhysicianName = dataset.AccessionNumber = ""
    dataset.StudyID = "1"
    dataset.StudyDescription = "Simulated whole-body bone scan"


def _series(dataset: Dataset, study: _Study, number: int) -> None:
    dataset.Modality = "NM"
    dataset.SeriesInstanceUID = deterministic_uid(study.uid_text, "series")
    dataset.FrameOfReferenceUID = deterministic_uid(study.uid_text, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.SeriesDescription = "Simulated whole body"
    dataset.ImageComments = "simulated, not a patient"
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, "phantom"
    dataset.DeviceSerialNumber = dataset.SoftwareVersions = "simulated"
    dataset.BodyPartExamined = "WHOLEBODY"
    dataset.ContentDate = dataset.AcquisitionDate = study.date
    dataset.ContentTime = dataset.AcquisitionTime = "120000"


def _acquisition(dataset: Dataset, picture: _Picture) -> None:
    dataset.ImageType = ["DERIVED" if picture.derived else "ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    dataset.ImageID = picture.image_id
    dataset.CountsAccumulated = int(picture.frames.sum(dtype=np.int64))
    dataset.AcquisitionTerminationCondition = "MANU"
    dataset.WholeBodyTechnique = "1PS"
    length_mm = picture.frames.shape[1] * picture.spacing[0]
    dataset.ScanLength, dataset.ScanVelocity = round(length_mm), f"{length_mm / _SCAN_SECONDS:.6f}"
    dataset.ActualFrameDuration = 1000 * _SCAN_SECONDS
    dataset.LossyImageCompression = "00"
    orientation = _coded("102538003", "recumbent")
    orientation.PatientOrientationModifierCodeSequence = [_coded("40199007", "supine")]
    dataset.PatientOrientationCodeSequence = [orientation]
    dataset.PatientGantryRelationshipCodeSequence = [_coded("102540008", "headfirst")]
    dataset.RadiopharmaceuticalInformationSequence = [_tracer()]


def _tracer() -> Dataset:
    from pydicom.dataset import Dataset

    tracer = Dataset()
    tracer.Radiopharmaceutical = "99mTc MDP (simulated)"
    tracer.RadionuclideCodeSequence = [_coded("72454006", "^99m^Technetium")]
    tracer.RadiopharmaceuticalCodeSequence = [_coded("96390006", "Technetium Tc^99m^ medronate")]
    tracer.AdministrationRouteCodeSequence = [_coded("47625008", "Intravenous route")]
    return tracer


def _detectors_and_windows(dataset: Dataset, picture: _Picture) -> None:
    from pydicom.tag import Tag

    dataset.FrameIncrementPointer = [Tag("EnergyWindowVector"), Tag("DetectorVector")]
    dataset.EnergyWindowVector, dataset.DetectorVector = list(picture.windows), list(picture.detectors)
    dataset.NumberOfEnergyWindows, dataset.NumberOfDetectors = max(picture.windows), max(picture.detectors)
    ranges = [("photopeak", _PHOTOPEAK), ("scatter", _SCATTER)][: max(picture.windows)]
    dataset.EnergyWindowInformationSequence = [_window(name, limits) for name, limits in ranges]
    dataset.DetectorInformationSequence = [_detector(side, coded=picture.coded) for side in picture.sides]
    if len(picture.frames) == 1 and not picture.derived:
        dataset.PatientOrientation = _ORIENTATION[picture.sides[0]]


def _window(name: str, limits: tuple[str, str]) -> Dataset:
    from pydicom.dataset import Dataset

    part, window = Dataset(), Dataset()
    part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = limits
    window.EnergyWindowName = name
    window.EnergyWindowRangeSequence = [part]
    return window


def _detector(side: ViewName, *, coded: bool) -> Dataset:
    from pydicom.dataset import Dataset

    detector = Dataset()
    detector.CollimatorGridName, detector.CollimatorType = "LEHR", "PARA"
    detector.FieldOfViewShape = "RECTANGLE"
    detector.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if side == "anterior" else [-1, 0, 0, 0, 0, -1]
    detector.ImagePositionPatient = None
    if coded:
        detector.ViewCodeSequence = [_view_code(side)]
    return detector


def _view_code(side: ViewName) -> Dataset:
    code = _coded(*_PROJECTION[side])
    code.ViewModifierCodeSequence = []
    return code


def _coded(value: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


def _image(dataset: Dataset, picture: _Picture) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = picture.frames.shape
    dataset.PixelSpacing = _decimals(picture.spacing)
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = picture.frames.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"


def _decimals(values: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 6.2)."""
    return [f"{value:.12g}" for value in values]


def _save(dataset: Dataset, file: Path, *, compress: bool) -> None:
    if compress:
        from pydicom.uid import RLELossless

        # pydicom's own encoder, so that the bytes do not depend on what else is installed.
        dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    dataset.save_as(file, enforce_file_format=True)
