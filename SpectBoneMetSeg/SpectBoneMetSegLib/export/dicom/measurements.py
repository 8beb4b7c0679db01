"""`measurements_sr.dcm`: the measurements as a DICOM Structured Report (TID 1500), as required by IHE AIR.

A lesion has one measurement group per view that shows it, because counts belong to one image. The groups of a lesion
share its tracking UID, as do its segments. Each group refers to a whole segment, not to a frame of it, because viewers
(dcmqi, and through it Slicer) do not resolve the latter. The last group describes the whole scan, with the state of the
physician's review and the bone scan index, or why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...common.notice import RESEARCH_USE
from ...lesions.naming import lesion_name
from ...lesions.results import Lesion, Reading
from ...quantification.results import BoneScanIndex, LesionQuantities, Quantification
from ...scan.planar import ViewName
from .codes import ABNORMAL, CLASSES, OWN_SCHEME, Coded, finding_of, own
from .equipment import MANUFACTURER, algorithm_of, series_description
from .segmentation import SERIES, lesions_in, series_uid, sop_uid
from .source import SourceView, nameless
from .uids import derived_uid, tracking_uids

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["measurement_report"]

#: UCUM units.
CM2, COUNTS, PER_PIXEL, RATIO, NUMBER, PERCENT = (
    Coded("cm2", "UCUM", "square centimeter"),
    Coded("{counts}", "UCUM", "counts"),
    Coded("{counts}/{pixel}", "UCUM", "counts per pixel"),
    Coded("1", "UCUM", "no units"),
    Coded("{areas}", "UCUM", "areas"),
    Coded("%", "UCUM", "Percent"),
)
AREA = Coded("42798000", "SCT", "Area")
MAXIMUM, MEAN = Coded("56851009", "SCT", "Maximum"), Coded("373098007", "SCT", "Mean")
CERTAINTY = Coded("111012", "DCM", "Certainty of Finding")
TOTAL, INTENSITY = own("counts", "Counts"), own("counts-per-pixel", "Counts per pixel")
CONTRAST = own("contrast", "Mean inside divided by mean of the surroundings")
FOUND, REJECTED = own("areas", "Areas of abnormal uptake"), own("areas-rejected", "Areas that a physician rejected")
COUNTED, BURDEN = (
    own("areas-counted", "Areas included in the tumour burden"),
    own("burden-area", "Total area included in the tumour burden"),
)
INDEX = own("bone-scan-index", "Planar bone scan index")
UPTAKE, SHARE = (
    own("uptake", "Total lesion uptake (background subtracted)"),
    own("body-share", "Share of the view's counts"),
)
CONTRALATERAL = own("side-ratio", "Lesion to contralateral ratio")
DECISION, DECIDED_BY, CLASS = (
    own("decision", "Decision on the area"),
    own("decided-by", "Source of the outline and the decision"),
    own("classification", "Classification of the area"),
)
REVIEW, NOT_COMPUTABLE = own("review-state", "State of the review"), own("not-computable", "Not computable")
#: Value of REVIEW by `ReviewState.state`.
REVIEW_STATES = {
    "not reviewed": own("not-reviewed", "Not reviewed: every area is predicted by the model"),
    "partly reviewed": own("partly-reviewed", "Partly reviewed by a physician"),
    "reviewed": own("reviewed", "Reviewed by a physician"),
}
COMMENT = Coded("121106", "DCM", "Comment")

#: Smallest share of a lesion for which a bone is reported as finding site.
LEAST_SHARE = 0.25


def measurement_report(
    reading: Reading,
    sources: Mapping[ViewName, SourceView],
    segmentations: Mapping[ViewName, Dataset],
    known: Quantification,
) -> Dataset:
    """Return the structured report of a reading.

    Args:
        reading: the reading.
        sources: per view the file and frame it was read from.
        segmentations: per view that shows a lesion, its segmentation object.
        known: quantification of the reading.
    """
    import highdicom as hd

    groups = [
        _lesion_group(
            reading, lesion, name, _segment(segmentations[name], number, sources[name]), known.lesion(lesion.id)
        )
        for name in segmentations
        for number, lesion in enumerate(lesions_in(reading, name), start=1)
    ]
    headers = list({str(each.header.SOPInstanceUID): each.header for each in sources.values()}.values())
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=_device(reading)),
        procedure_reported=_code(Coded("373063009", "SCT", "Bone scan")),
        imaging_measurements=[*groups, _scan_group(reading, headers, known)],
        title=_code(Coded("126000", "DCM", "Imaging Measurement Report")),
    )
    report = hd.sr.Comprehensive3DSR(
        evidence=[*map(nameless, headers), *segmentations.values()],
        content=content,
        series_instance_uid=series_uid(reading, "measurements_sr"),
        series_number=SERIES["measurements_sr"],
        sop_instance_uid=sop_uid(reading, "measurements_sr"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        # Not verified: a physician confirms it in the archive's own workflow.
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=series_description("Abnormal uptake, measurements"),
    )
    report.PatientName = headers[0].PatientName
    report.CodingSchemeIdentificationSequence = [_own_scheme()]
    return report


def _own_scheme() -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodingSchemeDesignator = OWN_SCHEME
    item.CodingSchemeName = "SpectBoneMetSeg: measurements of planar bone scans without a public code"
    item.CodingSchemeResponsibleOrganization = "The SpectBoneMetSeg developers"
    return item


def _code(coded: Coded) -> Any:
    from pydicom.sr.coding import Code

    return Code(*coded)


def _device(reading: Reading) -> Any:
    import highdicom as hd

    model = algorithm_of(reading)
    return hd.sr.ObserverContext(
        observer_type=_code(Coded("121007", "DCM", "Device")),
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=derived_uid("device", __version__, model.sha256),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=f"{model.name} {model.version}",
            serial_number=model.sha256 or None,
        ),
    )


def _algorithm(reading: Reading) -> Any:
    import highdicom as hd

    model = algorithm_of(reading)
    return hd.sr.AlgorithmIdentification(
        name=model.name,
        version=f"{model.version} of program {__version__}",
        parameters=[f"model SHA-256 {model.sha256}", RESEARCH_USE],
        family=_code(Coded("123110", "DCM", "Artificial Intelligence")),
        manufacturer=MANUFACTURER,
    )


def _lesion_group(reading: Reading, lesion: Lesion, name: ViewName, segment: Any, known: LesionQuantities) -> Any:
    import highdicom as hd

    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(tracking_uids(reading)[lesion.id], lesion_name(lesion.id)),
        referenced_segment=segment,
        finding_category=_code(ABNORMAL),
        finding_type=_code(finding_of(lesion)),
        finding_sites=_sites(known),
        algorithm_id=_algorithm(reading),
        measurements=[
            hd.sr.Measurement(_code(what), _short(value), _code(unit), derivation=derived and _code(derived))
            for what, value, unit, derived in _numbers(known, name)
            if value is not None and math.isfinite(value)
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(_code(what), _code(value)) for what, value in _evaluations(known)
        ],
    )


def _sites(known: LesionQuantities) -> Any:
    """Return the bones with at least LEAST_SHARE of a lesion as finding sites, largest first; None for none."""
    import highdicom as hd
    from pydicom.sr.coding import Code

    found = []
    for bone in known.bones:
        site, side = bone.region.code, bone.region.laterality
        if site is not None and bone.share >= LEAST_SHARE:
            laterality = None if side is None else Code(side.value, side.scheme, side.meaning)
            found.append(hd.sr.FindingSite(Code(site.value, site.scheme, site.meaning), laterality))
    return found or None


def _segment(seg: Dataset, number: int, source: SourceView) -> Any:
    """Return a reference to a segment and to the frame that it segments."""
    import highdicom as hd

    header = source.header
    several = int(header.get("NumberOfFrames") or 1) > 1
    image = hd.sr.SourceImageForSegmentation(
        str(header.SOPClassUID), str(header.SOPInstanceUID), [source.frame.number] if several else None
    )
    return hd.sr.ReferencedSegment(str(seg.SOPClassUID), str(seg.SOPInstanceUID), number, source_images=[image])


def _numbers(known: LesionQuantities, name: ViewName) -> Iterator[tuple[Coded, float | None, Coded, Coded | None]]:
    """Yield name, value (None if not measurable), unit and derivation of every measurement of a lesion in one view."""
    measured = known.views.get(name)
    if measured is not None:
        yield AREA, measured.area_mm2 / 100, CM2, None
        yield TOTAL, measured.counts, COUNTS, None
        yield INTENSITY, measured.max_counts_per_pixel, PER_PIXEL, MAXIMUM
        yield INTENSITY, measured.mean_counts_per_pixel, PER_PIXEL, MEAN
        yield CONTRAST, measured.contrast, RATIO, None
        yield CONTRALATERAL, measured.contralateral_ratio, RATIO, None
        yield UPTAKE, measured.total_lesion_uptake_counts, COUNTS, None
        yield SHARE, measured.body_counts_percent, PERCENT, None
    yield CERTAINTY, None if known.confidence is None else 100 * known.confidence, PERCENT, None


def _evaluations(known: LesionQuantities) -> Iterator[tuple[Coded, Coded]]:
    """Yield name and value of every qualitative evaluation of a lesion."""
    yield DECISION, own(known.decision, known.decision.capitalize())
    drew = own("physician-drew", "Physician (outline drawn or edited)")
    yield DECIDED_BY, drew if known.edited else own(known.decided_by, known.decided_by.capitalize())
    if known.classification:
        yield CLASS, CLASSES[known.classification]


def _scan_group(reading: Reading, headers: list[Dataset], known: Quantification) -> Any:
    import highdicom as hd

    values: list[tuple[Coded, float, Coded]] = [
        (FOUND, len(reading.lesions), NUMBER),
        (REJECTED, len(reading.rejected), NUMBER),
        (COUNTED, known.burden.lesions, NUMBER),
        (BURDEN, _short(known.burden.area_mm2 / 100), CM2),
    ]
    if known.index.percent is not None:
        values.append((INDEX, _short(known.index.percent), PERCENT))
    if reading.confidence is not None:
        values.append((CERTAINTY, _short(100 * reading.confidence), PERCENT))
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(derived_uid("scan", *sorted(_uids(headers))), "Whole scan"),
        algorithm_id=_algorithm(reading),
        finding_type=_code(ABNORMAL),
        measurements=[hd.sr.Measurement(_code(what), value, _code(unit)) for what, value, unit in values],
        source_images=[
            hd.sr.SourceImageForMeasurementGroup(str(header.SOPClassUID), str(header.SOPInstanceUID))
            for header in headers
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(_code(what), _code(value)) for what, value in _scan_evaluations(known)
        ],
    )
    # The template is extensible; highdicom has no argument for texts.
    group[0].ContentSequence.append(
        hd.sr.TextContentItem(_code(COMMENT), _index_text(known.index), hd.sr.RelationshipTypeValues.CONTAINS)
    )
    return group


def _scan_evaluations(known: Quantification) -> Iterator[tuple[Coded, Coded]]:
    """Yield name and value of every qualitative evaluation of the whole scan."""
    yield REVIEW, REVIEW_STATES[known.review.state]
    if known.index.percent is None:
        yield INDEX, NOT_COMPUTABLE


def _index_text(index: BoneScanIndex) -> str:
    """Return the weights of the index, or why there is no index and what to do about it."""
    if index.percent is None:
        return f"Planar bone scan index not computable: {index.reason} {index.remedy}"
    return f"Planar bone scan index: weights of {index.table.name}, version {index.table.version}."


def _uids(headers: list[Dataset]) -> list[str]:
    return [str(header.SOPInstanceUID) for header in headers]


def _short(value: float) -> float:
    """Round to six significant digits, which fit into a decimal string of 16 characters (VR DS)."""
    return float(f"{value:.6g}")
