"""De-identify DICOM results by the basic profile of PS3.15 E.

The table of the profile is that of `dicom-anonymizer`, which follows the standard. Two options are applied, Clean
Structured Content and Clean Descriptors: content of reports and descriptions of series are written by this program
alone and identify no patient. UIDs are replaced by UIDs derived from them, so that the objects of a reading still refer
to each other, also after a second run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .uids import derived_uid

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

__all__ = ["de_identify", "pseudonym"]

#: Attributes that this program writes, and attributes that viewers need to interpret the rest.
KEPT = (
    *("ContentSequence", "SeriesDescription", "ContentLabel", "ContentDescription", "DerivationDescription"),
    *("DocumentTitle", "EncapsulatedDocument", "TrackingID", "SegmentLabel", "SegmentSequence", "DeviceSerialNumber"),
    *("AcquisitionContextSequence", "SourceImageSequence", "ReferencedSeriesSequence", "PositionReferenceIndicator"),
    *("CurrentRequestedProcedureEvidenceSequence", "SourceInstanceSequence", "CodingSchemeIdentificationSequence"),
    *("SpecificCharacterSet", "DimensionOrganizationSequence", "ConceptNameCodeSequence"),
    *("PatientOrientation", "SoftwareVersions", "BodyPartExamined"),
)
#: Not in the profile's table because it is no attribute of the patient, but its items may name a hospital.
REMOVED = ("ContributingEquipmentSequence",)
#: Root of public UIDs (SOP classes, transfer syntaxes, coding schemes); they are kept.
PUBLIC_ROOT = "1.2.840.10008."


def pseudonym(study_uid: str) -> str:
    """Return the pseudonym of a study; the same study always gets the same one."""
    return f"case-{derived_uid('pseudonym', study_uid)[-10:]}"


def de_identify(dataset: Dataset) -> None:
    """Remove the patient's identity from an object written by this program, in place."""
    from dicomanonymizer import anonymize_dataset
    from dicomanonymizer.simpledicomanonymizer import initialize_actions, replace_UID
    from pydicom.tag import Tag

    def profile() -> dict[tuple[int, ...], Callable[..., Any]]:
        # UIDs are replaced below, at every depth.
        return {tag: _keep if action is replace_UID else action for tag, action in initialize_actions().items()}

    case = pseudonym(str(dataset.StudyInstanceUID))
    kept = {(tag.group, tag.element): _keep for tag in map(Tag, KEPT)}
    anonymize_dataset(dataset, kept, delete_private_tags=True, base_rules_gen=profile)
    for keyword in REMOVED:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PatientName, dataset.PatientID = f"DE-IDENTIFIED^{case}", case
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "PS3.15 basic profile, clean structured content and descriptors"
    dataset.DeidentificationMethodCodeSequence = [
        _code("113100", "Basic Application Confidentiality Profile"),
        _code("113104", "Clean Structured Content Option"),
        _code("113105", "Clean Descriptors Option"),
    ]
    dataset.walk(_replace_uids)
    dataset.walk(_clear_date)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID


def _keep(*_: object) -> None:
    """Leave an element as it is."""


def _replace_uids(_: Dataset, element: DataElement) -> None:
    if element.VR == "UI" and element.value and not str(element.value).startswith(PUBLIC_ROOT):
        element.value = derived_uid("de-identified", str(element.value))


def _clear_date(dataset: Dataset, element: DataElement) -> None:
    """Clear a date or time that the profile removed; where it must not be empty, use 1900-01-01 or 00:00:00.

    The year 1 that `dicom-anonymizer` writes is not valid in DICOM.
    """
    if element.VR in ("DA", "DT") and str(element.value).startswith("0001"):
        empty = element.keyword in ("StudyDate", "PatientBirthDate", "AcquisitionDateTime")
        element.value = "" if empty else "19000101"
    elif element.VR == "TM" and str(element.value).startswith("000000"):
        element.value = "" if element.keyword == "StudyTime" else "000000"


def _code(value: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item
