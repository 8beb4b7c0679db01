"""Headers of simulated whole-body scans (DICOM PS3.3 A.5 NM Image, A.8.1 Secondary Capture), as vendors fill them."""

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
#: 99mTc photopeak windows of 20 and 15 %, and scatter windows below them, keV.
_PHOTOPEAKS = (("126", "154"), ("126.45", "154.55"), ("130", "151"), ("129.96", "151.04"))
_SCATTERS = (("108", "126"), ("92", "125"))
#: CID 26 Nuclear Medicine Projection in SNOMED CT, and in SNOMED-RT as in older files.
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
    """What the files of one scan share.

    Attributes:
        patient_id: patient ID.
        uid_text: text from which all UIDs and the vendor's profile are derived.
        date: of the study, YYYYMMDD.
        seconds: duration of the acquisition.
    """

    patient_id: str
    uid_text: str
    date: str
    seconds: float


@dataclass(frozen=True)
class FileContent:
    """The content of one file.

    Attributes:
        frames: (frames, rows, columns) whole counts.
        spacing: (row, column) mm.
        detectors: number of each frame's detector, from 1.
        windows: number of each frame's energy window, from 1.
        sides: view of each detector, in their order.
        scheme: coding scheme of the view codes, "" for none.
        image_id: Image ID, "" for none.
        label: text after "Simulated" in the series description, "" for the vendor's label.
        derived: whether the image was made from other images.
        capture: whether the file is an 8-bit Secondary Capture.
        signed: whether pixels are stored as signed numbers.
        slope: counts per stored value.
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
    """How the systems of one vendor fill a header."""

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
    """Return a UUID-derived UID (PS3.5 B.2, root 2.25); equal texts have equal UIDs."""
    from pydicom.uid import UID

    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(('SpectBoneMetSeg simulated', *parts))).int}")


def make_dataset(content: FileContent, study: Study, number: int) -> Dataset:
    """Make the complete data set of file `number` of a study, with pixels, explicit VR little endian.

    Raises:
        ValueError: the counts exceed the range of the stored values.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, SecondaryCaptureImageStorage

    kind = SecondaryCaptureImageStorage if content.capture else NuclearMedicineImageStorage
    dataset = Dataset()
    sop_uid = deterministic_uid(study.uid_text, "instance", str(number))
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = kind
    dataset.file_meta.MediaStorageSOPInstanceUID = sop_uid
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Set here, so that the bytes do not change with pydicom's version.
    dataset.file_meta.ImplementationClassUID = deterministic_uid("implementation")
    dataset.file_meta.ImplementationVersionName = "SBMS_SIMULATED"
    dataset.SOPClassUID, dataset.SOPInstanceUID = kind, sop_uid
    profile = _header_profile(study.uid_text)
    _patient_and_study(dataset, study)
    _series(dataset, study, number, profile, content.label or profile.label)
    if content.capture:
        dataset.ConversionType = "WSD"
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        dataset.BurnedInAnnotation = "NO"
        dataset.PatientOrientation = ""
    else:
        _acquisition(dataset, content, study, profile)
        _detectors_and_windows(dataset, content, profile)
    if content.image_id and not content.capture:
        dataset.ImageID = content.image_id
    _image(dataset, content)
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


def _acquisition(dataset: Dataset, content: FileContent, study: Study, profile: _HeaderProfile) -> None:
    derived = content.derived or profile.derived
    dataset.ImageType = ["DERIVED" if derived else "ORIGINAL", "PRIMARY", "WHOLE BODY", "EMISSION"]
    counts = int(content.frames.sum(dtype=np.int64))
    dataset.CountsAccumulated = counts
    dataset.AcquisitionTerminationCondition = "MANU"
    dataset.WholeBodyTechnique = "1PS"
    # The sweep covers the rows that have counts.
    swept = np.flatnonzero(content.frames.any((0, 2)))
    length_mm = (int(swept[-1] - swept[0]) + 1 if len(swept) else content.frames.shape[1]) * content.spacing[0]
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


def _detectors_and_windows(dataset: Dataset, content: FileContent, profile: _HeaderProfile) -> None:
    from pydicom.tag import Tag

    dataset.FrameIncrementPointer = [Tag("EnergyWindowVector"), Tag("DetectorVector")]
    dataset.EnergyWindowVector, dataset.DetectorVector = list(content.windows), list(content.detectors)
    dataset.NumberOfEnergyWindows, dataset.NumberOfDetectors = max(content.windows), max(content.detectors)
    ranges = [("photopeak", profile.photopeak), ("scatter", profile.scatter)][: max(content.windows)]
    dataset.EnergyWindowInformationSequence = [_window(name, limits) for name, limits in ranges]
    dataset.DetectorInformationSequence = [_detector(side, content.scheme, profile) for side in content.sides]
    if len(content.frames) == 1 and not content.derived:
        dataset.PatientOrientation = _ORIENTATION[content.sides[0]]


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


def _image(dataset: Dataset, content: FileContent) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = content.frames.shape[1:]
    if not content.capture:
        dataset.NumberOfFrames = len(content.frames)
    dataset.PixelSpacing = _decimals(content.spacing)
    dataset.PixelRepresentation = int(content.signed)
    if content.slope != 1:
        dataset.RescaleSlope, dataset.RescaleIntercept = _decimals((content.slope, 0))
    bits = 8 if content.capture else 16
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    stored = np.rint(content.frames / content.slope)
    limit = 2 ** (bits - content.signed) - 1
    if stored.max(initial=0) > limit:
        raise ValueError(f"the counts do not fit: {stored.max():.0f} is above {limit}")
    raw = stored.astype("u1" if content.capture else "<u2").tobytes()
    dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    dataset["PixelData"].VR = "OB" if content.capture else "OW"


def _decimals(values: Sequence[float]) -> list[str]:
    """Return decimal strings of at most 16 characters (PS3.5 6.2)."""
    return [f"{value:.12g}" for value in values]
