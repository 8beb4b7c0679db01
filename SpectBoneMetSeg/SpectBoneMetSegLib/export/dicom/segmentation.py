"""`seg_<view>.dcm`: the lesions of one view as a DICOM Segmentation of the stored frame.

Each pixel of the segmentation is a pixel of the stored frame, which the object references (PS3.3 A.51.5.1), so that
viewers of planar images need no geometry. Other viewers need one (dcmqi, and through it Slicer, open no segmentation
without): the plane of the view in patient space is stated as well.

highdicom writes the object. It accepts no frame of a multi-frame image without a frame of reference; it therefore gets
the frame as a single-frame image, and its references are then changed to the original image and frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...lesions.naming import lesion_color, lesion_name
from ...lesions.results import Lesion, Reading
from ...quantification.results import LesionQuantities, Quantification
from ...scan.planar import ViewName
from .codes import ABNORMAL, finding_of, review_text
from .equipment import algorithm_of, equipment, series_description
from .source import SourceView, nameless, share
from .uids import content_of, derived_uid, tracking_uids

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["SERIES", "lesions_in", "segmentation", "series_uid", "sop_uid"]

#: Series number of each object; above the numbers that cameras use.
SERIES = {"seg_anterior": 9101, "seg_posterior": 9102, "measurements_sr": 9103, "report": 9104, "overview_sc": 9105}
#: Secondary Capture, the class of the single-frame image passed to highdicom.
SINGLE_FRAME = "1.2.840.10008.5.1.4.1.1.7"


def series_uid(reading: Reading, what: str) -> str:
    """Return the UID of the series of one object; every object has a series of its own."""
    return derived_uid("series", what, content_of(reading))


def sop_uid(reading: Reading, what: str) -> str:
    """Return the SOP Instance UID of one object."""
    return derived_uid("instance", what, content_of(reading))


def lesions_in(reading: Reading, view: ViewName) -> list[Lesion]:
    """Return the lesions in a view's mask, in the order of its segments."""
    held = set(np.unique(reading.view_masks[view]).tolist())
    return [lesion for lesion in reading.lesions if lesion.id in held]


def segmentation(reading: Reading, name: ViewName, source: SourceView, known: Quantification) -> Dataset | None:
    """Return the segmentation of a view; None if the view shows no lesion.

    Args:
        reading: the reading.
        name: name of the view.
        source: file and frame of the view.
        known: quantification with the bones of the lesions and whether they were edited manually.
    """
    import highdicom as hd

    lesions = lesions_in(reading, name)
    if not lesions:
        return None
    algorithm, tracking = _algorithm(reading), tracking_uids(reading)
    descriptions = [
        _segment(number, lesion, algorithm, tracking[lesion.id], known.lesion(lesion.id))
        for number, lesion in enumerate(lesions, start=1)
    ]
    ids = source.frame.as_stored(reading.view_masks[name])
    masks = np.stack([ids == lesion.id for lesion in lesions], axis=-1)[np.newaxis].astype(np.uint8)
    lps, what = source.stored_to_lps, f"seg_{name}"
    steps = np.linalg.norm(lps[:3, :2], axis=0)
    seg = hd.seg.Segmentation(
        source_images=[nameless(_as_single_frame(source))],
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=series_uid(reading, what),
        series_number=SERIES[what],
        sop_instance_uid=sop_uid(reading, what),
        instance_number=1,
        series_description=series_description(f"Abnormal uptake, {name} view"),
        content_label="ABNORMAL_UPTAKE",
        content_description=series_description("Areas of abnormal uptake"),
        pixel_measures=hd.PixelMeasuresSequence([float(steps[1]), float(steps[0])], slice_thickness=1.0),
        plane_orientation=hd.PlaneOrientationSequence("PATIENT", (lps[:3, :2] / steps).T.ravel().tolist()),
        plane_positions=[hd.PlanePositionSequence("PATIENT", lps[:3, 3].tolist())],
        omit_empty_frames=False,
        **equipment(reading),
    )
    _refer_to(seg, source)
    _name_dimensions(seg, derived_uid("dimensions", seg.SOPInstanceUID))
    seg.PatientName = source.header.PatientName
    seg.BodyPartExamined = "WHOLEBODY"
    return seg


def _algorithm(reading: Reading) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    model = algorithm_of(reading)
    return hd.AlgorithmIdentificationSequence(
        name=model.name,
        family=codes.DCM.ArtificialIntelligence,
        version=model.version,
        source="SpectBoneMetSeg",
        parameters={"model SHA-256": model.sha256, "threshold": str(reading.receipt.get("threshold", ""))},
    )


def _segment(number: int, lesion: Lesion, algorithm: Any, tracking_uid: str, known: LesionQuantities) -> Any:
    import highdicom as hd
    from pydicom.sr.coding import Code

    region = known.region
    sites = [] if region is None or region.code is None else [region.code]
    red, green, blue = (round(255 * part) for part in lesion_color(lesion.id))
    segment = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=lesion_name(lesion.id),
        segmented_property_category=Code(*ABNORMAL),
        segmented_property_type=Code(*finding_of(lesion)),
        algorithm_type="SEMIAUTOMATIC" if known.edited else "AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=tracking_uid,
        tracking_id=lesion_name(lesion.id),
        anatomic_regions=[Code(site.value, site.scheme, site.meaning) for site in sites] or None,
        display_color=hd.color.CIELabColor.from_rgb(red, green, blue),
    )
    segment.SegmentDescription = review_text(known)
    side = region.laterality if region is not None else None
    if sites and side is not None:
        modifier = hd.sr.CodedConcept(side.value, side.scheme, side.meaning)
        segment.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [modifier]
    return segment


def _as_single_frame(source: SourceView) -> Dataset:
    """Return the stored frame as a single-frame image, with the attributes that highdicom copies or checks."""
    from pydicom.dataset import Dataset

    header, lps, image = source.header, source.stored_to_lps, Dataset()
    share(header, image, "SOPInstanceUID", "SeriesInstanceUID")
    steps = np.linalg.norm(lps[:3, :2], axis=0)
    image.SOPClassUID = SINGLE_FRAME
    image.Modality, image.FrameOfReferenceUID = "NM", source.frame_of_reference
    image.PositionReferenceIndicator = ""
    image.Rows, image.Columns = source.frame.shape
    image.PixelSpacing = [float(steps[1]), float(steps[0])]
    image.SliceThickness = 1.0
    image.ImageOrientationPatient = (lps[:3, :2] / steps).T.ravel().tolist()
    image.ImagePositionPatient = lps[:3, 3].tolist()
    return image


def _refer_to(seg: Dataset, source: SourceView) -> None:
    """Point every reference to the original image and, if it has several frames, to the segmented one."""
    from pydicom.dataset import Dataset

    def reference(frame: int | None) -> Dataset:
        item = Dataset()
        item.ReferencedSOPClassUID = source.header.SOPClassUID
        item.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
        if frame is not None:
            item.ReferencedFrameNumber = frame
        return item

    number = source.frame.number if int(source.header.get("NumberOfFrames") or 1) > 1 else None
    seg.SourceImageSequence = [reference(number)]
    for series in seg.ReferencedSeriesSequence:
        # The list of all referenced images holds no frame numbers (PS3.3 C.12.2).
        series.ReferencedInstanceSequence = [reference(None)]
    for group in (*seg.SharedFunctionalGroupsSequence, *seg.PerFrameFunctionalGroupsSequence):
        for derivation in group.get("DerivationImageSequence", []):
            for image in derivation.SourceImageSequence:
                image.update(reference(number))


def _name_dimensions(seg: Dataset, uid: str) -> None:
    """Set the dimension organization UID, derived from the object's UID like all other UIDs."""
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
