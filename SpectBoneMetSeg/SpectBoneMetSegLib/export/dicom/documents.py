"""`report.dcm` and `overview_sc.dcm`: report and overview as objects that every viewer displays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._version import __version__
from ...common.notice import RESEARCH_USE
from ...lesions.results import Reading
from .equipment import MANUFACTURER, series_description
from .segmentation import SERIES, series_uid, sop_uid
from .source import SourceView, share

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["encapsulated_pdf", "secondary_capture"]

ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def encapsulated_pdf(reading: Reading, source: SourceView, pdf: bytes) -> Dataset:
    """Return the report as an Encapsulated PDF (PS3.3 A.45.1)."""
    document = _object(reading, source, "report", ENCAPSULATED_PDF, "DOC", "Report")
    document.ConversionType = "SYN"
    document.BurnedInAnnotation = "YES"
    document.AcquisitionDateTime = ""
    document.DocumentTitle = f"Abnormal uptake in a planar bone scan. {RESEARCH_USE}"
    document.ConceptNameCodeSequence = []
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    # DICOM values have an even length; EncapsulatedDocumentLength holds the true one.
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    document.EncapsulatedDocumentLength = len(pdf)
    document.SourceInstanceSequence = [_reference(source)]
    return document


def secondary_capture(reading: Reading, source: SourceView, picture: NDArray[np.uint8]) -> Dataset:
    """Return the overview, (rows, columns, 3), as a Secondary Capture (PS3.3 A.8.1)."""
    image = _object(reading, source, "overview_sc", SECONDARY_CAPTURE, "OT", "Overview")
    image.ConversionType = "WSD"
    # The whole body is unpaired: no Laterality is needed.
    image.BodyPartExamined = "WHOLEBODY"
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.PatientOrientation = ""
    image.BurnedInAnnotation = "YES"
    image.DerivationDescription = f"Views with outlines of areas of abnormal uptake. {RESEARCH_USE}"
    image.SourceImageSequence = [_reference(source)]
    image.Rows, image.Columns = picture.shape[:2]
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "RGB", 0
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    pixels = np.ascontiguousarray(picture).tobytes()
    image.PixelData = pixels + b"\0" * (len(pixels) % 2)
    return image


def _object(reading: Reading, source: SourceView, what: str, sop_class: str, modality: str, title: str) -> Dataset:
    """Return an object with the attributes that all have in common: patient, study, series, equipment, time."""
    from datetime import datetime

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian

    made, now = Dataset(), datetime.now()
    share(source.header, made)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, sop_uid(reading, what)
    made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = series_uid(reading, what), SERIES[what], 1
    made.Modality, made.SeriesDescription = modality, series_description(title)
    made.Manufacturer = made.ManufacturerModelName = MANUFACTURER
    made.SoftwareVersions = __version__
    made.ContentDate = made.InstanceCreationDate = now.strftime("%Y%m%d")
    made.ContentTime = made.InstanceCreationTime = now.strftime("%H%M%S")
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    made.file_meta.MediaStorageSOPInstanceUID = UID(made.SOPInstanceUID)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made


def _reference(source: SourceView) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = source.header.SOPClassUID
    item.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    return item
