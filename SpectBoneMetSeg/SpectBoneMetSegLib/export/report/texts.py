"""All texts of the report that are not data; a translation is another table with the same keys, and one of phrases.

Phrases are words of the quantification and of the lesions that the report repeats: bones, views, the region read.
Warnings, the model's description and the reasons why there is no index are in the language of the program.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...common.notice import RESEARCH_USE
from ...quantification.anatomy import all_regions

__all__ = ["ENGLISH", "PHRASES", "ReportTexts"]

#: {key: text}; names in braces are replaced by values.
ENGLISH = {
    "language": "en",
    "title": "Planar bone scan: abnormal uptake",
    "headline_none": "No areas of abnormal uptake in {region}.",
    "headline_one": "1 area of abnormal uptake in {region}.",
    "headline_many": "{count} areas of abnormal uptake in {region}.",
    "case": "Scan",
    "patient": "Patient",
    "patient_id": "Patient ID",
    "birth_date": "Date of birth",
    "study_date": "Date of the scan",
    "camera": "Camera",
    "read": "Region read",
    "scan_confidence": "Model's probability that the scan shows abnormal uptake",
    "review": "Review",
    "not_reviewed": "No physician has reviewed this reading: every area is the model's prediction.",
    "reviewed": (
        "Reviewed by a physician: {accepted} accepted, {rejected} rejected, {open} left open, {edited} edited "
        "manually, {erased} erased, {reclassified} classified."
    ),
    "bright": "{view}, faint uptake shown",
    "dark": "{view}, hot uptake shown",
    "map": "{view}, regions of the skeleton",
    "anterior": "Anterior",
    "posterior": "Posterior, from behind",
    "pictures_note": (
        "Dark is hot. R and L are the patient's sides. Outlines are numbered as in the table; a dashed outline "
        "is faint in that view: less than 1.3 times as bright as its surroundings. The number below each "
        "picture is the counts from which pixels are black."
    ),
    "map_note": "Numbers in the maps refer to the table of regions.",
    "areas": "Areas of abnormal uptake",
    "none": "No area of abnormal uptake was outlined.",
    "until": "A program outlined these areas as abnormal uptake; a physician decides what they are.",
    "number": "No.",
    "bone": "Bone",
    "seen_in": "Seen in",
    "area_cm2": "Area (cm2)",
    "contrast_anterior": "Contrast ant.",
    "contrast_posterior": "Contrast post.",
    "confidence": "Confidence",
    "decision": "Decision",
    "classification": "Class",
    "decided_by": "Decided by",
    "open": "open",
    "accepted": "accepted",
    "rejected": "rejected",
    "benign": "benign",
    "equivocal": "equivocal",
    "malignant": "malignant",
    "bone_share": "{bone} {share:.0f}\u00a0%",
    "model_decided": "model",
    "physician_decided": "physician",
    "physician_drew": "physician (outline)",
    "contrast_note": "Contrast: mean inside divided by mean around. Rejected areas are last and in no total.",
    "regions": "Regions of the skeleton",
    "map_number": "Map",
    "region": "Region",
    "region_areas": "Areas",
    "region_involved": "Involved (%)",
    "region_index": "Part of the index (%)",
    "no_regions": "The model segmented no regions of the skeleton.",
    "not_found": "Not seen in either view: {names}.",
    "cut": "Cut by the edge of the field, so that their involved share is that of the visible part: {names}.",
    "index": "Planar bone scan index",
    "index_note": "Areas that a physician rejected or classified as benign, and areas outside bone, are not included.",
    "burden": "Areas included",
    "burden_value": "{lesions}, together {area:.1f} cm2",
    "uptake": "Their share of all counts, {view}",
    "index_value": "{value:.2f} % of the skeleton's mass (weights: {table}).",
    "weights": "{name}, version {version}",
    "index_none": "Not computable: {reason} {remedy}",
    "quality": "Technical quality",
    "views": "Views",
    "counts": "Counts, {view}",
    "counts_value": "{counts:,.0f} ({million:.2f} million)",
    "pixels": "Pixels",
    "pixels_value": "{rows} x {columns} of {down:.3g} x {across:.3g} mm",
    "box": "Box",
    "box_value": "{what}, found with confidence {confidence:.2f}",
    "checks": "Checks of the input",
    "no_warnings": "No warnings.",
    "about": "Model and its limits",
    "model": "Model",
    "program": "Program",
    "engine": "Computed with",
    "threshold": "Threshold",
    "limits": (
        "Known limits: faint areas, above all in ribs, are missed; bladder, kidneys, injection site, joints "
        "and fractures can be outlined; a planar image has no depth, so that areas are reported instead of "
        "volumes, and which of two overlapping bones is involved is an estimate. The results in the model's card "
        "are no evidence of clinical performance."
    ),
    "confirmation": "Confirmation by a physician",
    "confirmation_note": (
        "A program made this report, for research use only. A physician must compare it with the images."
    ),
    "agree": "Read and agreed",
    "disagree": "Read and not agreed, because:",
    "name": "Name",
    "date": "Date",
    "signature": "Signature",
    "page": "Page {number} of {count}",
}


#: All phrases.
PHRASES = (
    RESEARCH_USE,
    *(region.title for region in all_regions().values()),
    *("anterior", "posterior", "both", "faint anterior", "faint posterior", "faint both"),
    *("anterior, faint posterior", "posterior, faint anterior"),
    *("the thorax box", "the manually placed box", "the whole field", "the box", "thorax"),
)


class ReportTexts:
    """The report's texts in one language."""

    def __init__(self, table: Mapping[str, str] | None = None, phrases: Mapping[str, str] | None = None) -> None:
        """Use a translation; what it lacks is in English.

        Args:
            table: {key of ENGLISH: text}.
            phrases: {phrase of PHRASES: its translation}.
        """
        self._table, self._phrases = {**ENGLISH, **(table or {})}, dict(phrases or {})

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a key with its values filled in."""
        return self._table[key].format(**values)

    def phrase(self, english: str) -> str:
        """Return the translation of a phrase."""
        return self._phrases.get(english, english)
