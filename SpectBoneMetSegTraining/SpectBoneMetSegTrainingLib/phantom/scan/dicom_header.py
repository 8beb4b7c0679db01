"""Headers of simulated whole-body scans (DICOM PS3.3 A.5 NM Image, A.8.1 Secondary Capture), with vendors' profile."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.uid import UID

MANUFACTURER = "SpectBoneMetSeg simulated"
SHORT_NAMES = {"anterior": "ANT", "posterior": "POST"}
#: 99mTc photopeak windows of 20 and 15 %, keV, and scatter windows below.
_PHOTOPEAKS = (("126", "154"), ("126.45", "154.55"), ("130", "151"), ("129.96", "151.04"))
_SCATTERS = (("108", "126"), ("92", "125"))
#: CID 26 Nuclear Medicine Projection: SNOMED CT, and SNOMED-RT as older files have it.
_PROJECTION = {
    "SCT": {
        "anterior": ("399321004", "Anterior projection"),
        "posterior": ("399001007", "Posterior projection"),
    },
    "SRT": {"anterior": ("G-5215", "Anterior"), "posterior": ("G-5216", "Posterior")},
}
#: PatientOrientation (0020,0020) of rows and columns.
_ORIENTATION = {"anterior": ["L", "F"], "posterior": ["R", "F"]}

Scheme = Literal["SCT", "SRT", ""]


@dataclass(frozen=True)
class Study:
    """What the files of one scan share; every UID is derived from `uid_text`."""

    patient_id: str
    uid_text: str
    date: str
    seconds: float


@dataclass(frozen=True)
class FileContent:
    """What one file holds.

    Attributes:
        frames: (frames, rows, columns) whole counts.
        spacing: (row, column) mm.
        detectors: number of every frame's detector, from 1.
        windows: number of its energy window, from 1.
        sides: of the detectors, in their order.
        scheme: of their view codes, "" for none.
        image_id: Image ID, "" for none.
        label: words after "Simulated" in the series' description, "" for a habit's.
        derived: made from other pictures.
        capture: an 8-bit Secondary Capture.
        signed: stored as signed numbers.
        slope: counts per stored number.
    """

    frames: NDArray[np.uint16]
    spacing: tuple[float, float]
    detectors: tuple[int, ...]
    windows: tuple[int, ...]
    sides: tuple[ViewName, ...]
    scheme: Scheme = "SCT"
    image_id: str = ""
    label: str = ""
    derived: bool = False
    capture: bool = False
    signed: bool = False
    slope: float = 1.0


@dataclass(frozen=True)
class _HeaderProfile:
    """How one maker's systems fill a header."""

    model: str
    software: str
    collimator: str
    label: str
    derived: bool
    photopeak: tuple[str, str]
    scatter: tuple[str, str]
    count_rate: bool
    traverse: bool


def deterministic_uid(*parts: str) -> UID:
    """A UUID-derived UID (PS3.5 B.2, root 2.25) that the same texts always give."""
    from pydicom.uid import UID

    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(('SpectBoneMetSeg simulated', *parts))).int}")


def make_dataset(picture: FileContent, study: Study, number: int) -> Dataset:
    """The whole data set of file `number` of a study, pixels included, little endian with explicit VR."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, SecondaryCaptureImageStorage

    kind = SecondaryCaptureImageStorage if picture.capture else NuclearMedicineImageStorage
    dataset = Dataset()
    sop_uid = deterministic_uid(study.uid_text, "instance", str(number))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = sop_uid
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Named here, so that the bytes do not change with pydicom's version.
    dataset.file_meta.ImplementationClassUID = deterministic_uid("implementation")
    dataset.file_meta.ImplementationVersionName = "SBMS_SIMULATED"
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, sop_uid
    profile = _header_profile(study.uid_text)
    _patient_and_study(dataset, study)
    _series(dataset, study, number, profile, picture.label or profile.label)
    if picture.capture:
        dataset.ConversionType = "WSD"
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        dataset.BurnedInAnnotation = "NO"
        dataset.PatientOrientation = ""
    else:
        _acquisition(dataset, picture, study, profile)
        _detectors_and_windows(dataset, picture, profile)
    if picture.image_id and not picture.capture:
        dataset.ImageID = picture.image_id
    _image(dataset, picture)
    return dataset


def _header_profile(text: str) -> _HeaderProfile:
    rng = np.random.default_rng(uuid.uuid5(uuid.NAMESPACE_OID, text).int)

    def one(*choices: str) -> str:
        return choices[int(rng.integers(len(choices)))]

    return _HeaderProfile(
        model=one("phantom", "PHANTOM WB", "Phantom Dual Head", "SIM-2200", "phantom_NM/1"),
        software=one("simulated", "simulated 2.0", "SIM 8.5.10.1", "6.0.31 simulated"),
        collimator=one("LEHR", "LEHR-PAR", "LEHRS", "Low Energy High Resolution"),
        label=one("whole body", "WHOLEBODY", "WB bone scan", "Whole Body Bone", "WB_MDP"),
        derived=rng.random() < 0.3,
        photopeak=_PHOTOPEAKS[int(rng.integers(len(_PHOTOPEAKS)))],
        scatter=_SCATTERS[int(rng.integers(len(_SCATTERS)))],
        count_rate=rng.random() < 0.4,
        traverse=rng.random() < 0.5,
    )


def _patient_and_study(dataset: Dataset, study: Study) -> None:
    dataset.PatientName = f"SIMULATED^{study.patient_id}"
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyInstanceUID = deterministic_uid(study.uid_text, "study")
    dataset.StudyDate, dataset.StudyTime = study.date, "120000"
    dataset.ReferringPhysicianName = dataset.AccessionNumber = ""
    dataset.StudyID = "1"
    dataset.StudyDescription = "Simulated whole-body bone scan"


def _series(dataset: Dataset, study: Study, number: int, profile: _HeaderProfile, label: str) -> None:
    dataset.Modality = "NM"
    dataset.SeriesInstanceUID = deterministic_uid(study.uid_text, "series")
    dataset.FrameOfReferenceUID = deterministic_uid(study.uid_text, "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number
    dataset.SeriesDescription = f"Simulated {label}"
    dataset.ImageComments = "simulated, not a patient"
    dataset.Manufacturer, dataset.ManufacturerModelName = MANUFACTURER, profile.model
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "simulated", profile.software
    dataset.BodyPartExamined = "WHOLEBODY"
    dataset.ContentDate = dataset.AcquisitionDate = study.date
    dataset.ContentTime = dataset.AcquisitionTime = "120000"


def _acquisition(dataset: Dataset, picture: FileContent, study: Study, profile: _HeaderProfile) -> None:
    derived = picture.derived or profile.derived
    dataset.ImageType = ["DERIVED" if derived else "ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    counts = int(picture.frames.sum(dtype=np.int64))
    dataset.CountsAccumulated = counts
    dataset.AcquisitionTerminationCondition = "MANU"
    dataset.WholeBodyTechnique = "1PS"
    # The sweep covers the rows that counted anything.
    swept = np.flatnonzero(picture.frames.any((0, 2)))
    length_mm = (int(swept[-1] - swept[0]) + 1 if len(swept) else picture.frames.shape[1]) * picture.spacing[0]
    dataset.ScanLength, dataset.ScanVelocity = round(length_mm), f"{length_mm / study.seconds:.6f}"
    dataset.ActualFrameDuration = round(1000 * study.seconds)
    if profile.count_rate:
        dataset.CountRate = round(counts / study.seconds)
    if profile.traverse:
        dataset.TableTraverse = f"{length_mm:.3f}"
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


def _detectors_and_windows(dataset: Dataset, picture: FileContent, profile: _HeaderProfile) -> None:
    from pydicom.tag import Tag

    dataset.FrameIncrementPointer = [Tag("EnergyWindowVector"), Tag("DetectorVector")]
    dataset.EnergyWindowVector, dataset.DetectorVector = list(picture.windows), list(picture.detectors)
    dataset.NumberOfEnergyWindows, dataset.NumberOfDetectors = max(picture.windows), max(picture.detectors)
    ranges = [("photopeak", profile.photopeak), ("scatter", profile.scatter)][: max(picture.windows)]
    dataset.EnergyWindowInformationSequence = [_window(name, limits) for name, limits in ranges]
    dataset.DetectorInformationSequence = [_detector(side, picture.scheme, profile) for side in picture.sides]
    if len(picture.frames) == 1 and not picture.derived:
        dataset.PatientOrientation = _ORIENTATION[picture.sides[0]]


def _window(name: str, limits: tuple[str, str]) -> Dataset:
    from pydicom.dataset import Dataset

    part, window = Dataset(), Dataset()
    part.EnergyWindowLowerLimit, part.EnergyWindowUpperLimit = limits
    window.EnergyWindowName = name
    window.EnergyWindowRangeSequence = [part]
    return window


def _detector(side: ViewName, scheme: Scheme, profile: _HeaderProfile) -> Dataset:
    from pydicom.dataset import Dataset

    detector = Dataset()
    detector.CollimatorGridName, detector.CollimatorType = profile.collimator[:16], "PARA"
    detector.FieldOfViewShape = "RECTANGLE"
    detector.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if side == "anterior" else [-1, 0, 0, 0, 0, -1]
    detector.ImagePositionPatient = None
    if scheme:
        code = _coded(*_PROJECTION[scheme][side], scheme)
        code.ViewModifierCodeSequence = []
        detector.ViewCodeSequence = [code]
    return detector


def _coded(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _image(dataset: Dataset, picture: FileContent) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = picture.frames.shape[1:]
    if not picture.capture:
        dataset.NumberOfFrames = len(picture.frames)
    dataset.PixelSpacing = _decimals(picture.spacing)
    dataset.PixelRepresentation = int(picture.signed)
    if picture.slope != 1:
        dataset.RescaleSlope, dataset.RescaleIntercept = _decimals((picture.slope, 0))
    bits = 8 if picture.capture else 16
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    stored = np.rint(picture.frames / picture.slope)
    limit = 2 ** (bits - picture.signed) - 1
    if stored.max(initial=0) > limit:
        raise ValueError(f"the counts do not fit: {stored.max():.0f} is above {limit}")
    raw = stored.astype("u1" if picture.capture else "<u2").tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB" if picture.capture else "OW"


def _decimals(values: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 6.2)."""
    return [f"{value:.12g}" for value in values]
