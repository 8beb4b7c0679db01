"""`measurements_sr.dcm`: the measurements as a DICOM Structured Report (TID 1500), as IHE AIR asks for it.

A lesion has a group of measurements per view that shows it, because its counts are those of one image. The groups of
one lesion share its tracking UID, which its segments bear as well. Each refers to a whole segment, which readers
(dcmqi, and through it Slicer) follow, unlike a reference to a frame of it. A last group tells of the whole scan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..._version import __version__
from ...common.notice import RESEARCH_USE
from ...lesions.naming import lesion_name
from ...lesions.results import Lesion, Reading, ViewMeasurement
from ...scan.planar import ViewName
from ..ruling import ruled_by
from .codes import ABNORMAL, CLASSES, OWN_SCHEME, Coded, finding_of, own
from .equipment import MANUFACTURER, algorithm_of, manufacturer_words
from .segmentation import SERIES, lesions_in, series_uid, sop_uid
from .source import SourceView
from .uids import derived_uid, tracking_uids

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["measurement_report"]

#: Units of UCUM.
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
CONTRAST = own("contrast", "Mean inside by mean of the surroundings")
FOUND, REJECTED = own("areas", "Areas of abnormal uptake"), own("areas-rejected", "Areas that a physician rejected")
DECISION, RULED, CLASS = (
    own("decision", "Decision on the area"),
    own("ruled-by", "Whose word the outline and the decision are"),
    own("classification", "Classification of the area"),
)


def measurement_report(
    reading: Reading,
    sources: Mapping[ViewName, SourceView],
    segmentations: Mapping[ViewName, Dataset],
    by_hand: frozenset[int],
) -> Dataset:
    """The structured report of a reading.

    Args:
        sources: per view where it was read from. segmentations: per view that shows a lesion.
        by_hand: IDs of the lesions that were drawn or changed by hand.
    """
    import highdicom as hd

    groups = [
        _lesion_group(reading, lesion, name, _segment(segmentations[name], number, sources[name]), by_hand)
        for name in segmentations
        for number, lesion in enumerate(lesions_in(reading, name), start=1)
    ]
    headers = list({str(each.header.SOPInstanceUID): each.header for each in sources.values()}.values())
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=_device(reading)),
        procedure_reported=_code(Coded("373063009", "SCT", "Bone scan")),
        imaging_measurements=[*groups, _scan_group(reading, headers)],
        title=_code(Coded("126000", "DCM", "Imaging Measurement Report")),
    )
    report = hd.sr.Comprehensive3DSR(
        evidence=[*headers, *segmentations.values()],
        content=content,
        series_instance_uid=series_uid(reading, "measurements_sr"),
        series_number=SERIES["measurements_sr"],
        sop_instance_uid=sop_uid(reading, "measurements_sr"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        # Nobody has signed it: whoever confirms it does so in the archive's own way.
        is_complete=True,
        is_final=False,
        is_verified=False,
        series_description=manufacturer_words("Abnormal uptake, measurements"),
    )
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


def _lesion_group(reading: Reading, lesion: Lesion, name: ViewName, segment: Any, by_hand: frozenset[int]) -> Any:
    import highdicom as hd

    model = _algorithm(reading)
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(tracking_uids(reading)[lesion.id], lesion_name(lesion.id)),
        referenced_segment=segment,
        finding_category=_code(ABNORMAL),
        finding_type=_code(finding_of(lesion)),
        algorithm_id=model,
        measurements=[
            hd.sr.Measurement(_code(what), value, _code(unit), derivation=None if derived is None else _code(derived))
            for what, value, unit, derived in _numbers(lesion, lesion.views.get(name))
        ],
        qualitative_evaluations=[
            hd.sr.QualitativeEvaluation(_code(what), _code(value)) for what, value in _words(lesion, by_hand)
        ],
    )


def _segment(seg: Dataset, number: int, source: SourceView) -> Any:
    """A reference to a segment and to the frame it was drawn on."""
    import highdicom as hd

    header = source.header
    several = int(header.get("NumberOfFrames") or 1) > 1
    image = hd.sr.SourceImageForSegmentation(
        str(header.SOPClassUID), str(header.SOPInstanceUID), [source.frame.number] if several else None
    )
    return hd.sr.ReferencedSegment(str(seg.SOPClassUID), str(seg.SOPInstanceUID), number, source_images=[image])


def _numbers(lesion: Lesion, measured: ViewMeasurement | None) -> Iterator[tuple[Coded, float, Coded, Coded | None]]:
    """What, value, unit and derivation of every number of a lesion in one view."""
    if measured is not None:
        yield AREA, _short(measured.area_mm2 / 100), CM2, None
        yield TOTAL, _short(measured.counts), COUNTS, None
        yield INTENSITY, _short(measured.max_counts), PER_PIXEL, MAXIMUM
        yield INTENSITY, _short(measured.mean_counts), PER_PIXEL, MEAN
        if math.isfinite(measured.contrast):
            yield CONTRAST, _short(measured.contrast), RATIO, None
    if lesion.confidence is not None:
        yield CERTAINTY, _short(100 * lesion.confidence), PERCENT, None


def _words(lesion: Lesion, by_hand: frozenset[int]) -> Iterator[tuple[Coded, Coded]]:
    yield DECISION, own(lesion.decision, lesion.decision.capitalize())
    who = ruled_by(lesion, by_hand)
    drew = own("physician-drew", "Physician, who drew or changed the outline")
    yield RULED, drew if lesion.id in by_hand else own(who, who.capitalize())
    if lesion.classification:
        yield CLASS, CLASSES[lesion.classification]


def _scan_group(reading: Reading, headers: list[Dataset]) -> Any:
    import highdicom as hd

    values: list[tuple[Coded, float, Coded]] = [
        (FOUND, len(reading.lesions), NUMBER),
        (REJECTED, len(reading.rejected), NUMBER),
    ]
    if reading.confidence is not None:
        values.append((CERTAINTY, _short(100 * reading.confidence), PERCENT))
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(derived_uid("scan", *sorted(_uids(headers))), "Whole scan"),
        algorithm_id=_algorithm(reading),
        finding_type=_code(ABNORMAL),
        measurements=[hd.sr.Measurement(_code(what), value, _code(unit)) for what, value, unit in values],
        source_images=[
            hd.sr.SourceImageForMeasurementGroup(str(header.SOPClassUID), str(header.SOPInstanceUID))
            for header in headers
        ],
    )


def _uids(headers: list[Dataset]) -> list[str]:
    return [str(header.SOPInstanceUID) for header in headers]


def _short(value: float) -> float:
    """Six digits: what a decimal string of 16 letters holds, and more than was measured."""
    return float(f"{value:.6g}")
