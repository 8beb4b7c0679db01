"""Optional outputs of a reading in addition to its result files: DICOM objects and a report."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError
from ..common.packages import is_installed
from ..lesions.results import Reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..quantification.results import Quantification
    from .report.content import Content

__all__ = [
    "DICOM_FILES",
    "DICOM_FOLDER",
    "REPORT_FILES",
    "Outputs",
    "check_packages",
    "write_dicom",
    "write_outputs",
    "write_report",
]

REPORT_FILES = ("report.html", "report.pdf")
DICOM_FOLDER = "dicom"
#: In that folder; a segmentation of the views that hold a lesion.
DICOM_FILES = ("seg_anterior.dcm", "seg_posterior.dcm", "measurements_sr.dcm", "report.dcm", "overview_sc.dcm")
#: What is imported for each output, by the name of the field in `Outputs`.
NEEDED = {
    "dicom": ("highdicom", "reportlab"),
    "report": ("jinja2", "reportlab"),
    "de_identify": ("dicomanonymizer",),
}


@dataclass(frozen=True)
class Outputs:
    """The optional outputs to write in addition to the result files.

    Attributes:
        dicom: DICOM objects, filed under the scan's own study.
        report: the report as HTML and PDF.
        de_identify: the DICOM objects name no patient, and neither the report nor the overview among them names the
            case, as folder, receipt and overview.png still do.
        name_patient: the report names the patient, as the scan's header does.
    """

    dicom: bool = False
    report: bool = False
    de_identify: bool = False
    name_patient: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of what is asked for."""
        return tuple(name for name in ("dicom", "report", "de_identify", "name_patient") if getattr(self, name))


def check_packages(outputs: Outputs) -> None:
    """Fail before any work when something cannot be written.

    Raises:
        UserError: packages are missing, or the requested outputs contradict each other.
    """
    if outputs.de_identify and outputs.name_patient:
        raise UserError("A patient cannot be named and taken out at once.", "name_patient", "de_identify")
    missing = [name for wish in outputs.wanted for name in NEEDED.get(wish, ()) if not is_installed(name)]
    if missing:
        raise UserError(f"DICOM results and reports need {missing[0]}: pip install 'spectbonemetseg[results]'.")


def write_outputs(reading: Reading, folder: Path, outputs: Outputs, known: Quantification | None = None) -> list[str]:
    """Write what is asked for into a folder that exists.

    Args:
        known: quantification of the reading; None computes it.

    Returns:
        A sentence for what cannot be written of this scan, such as DICOM of a picture file; the rest is written.

    Raises:
        OSError: a file cannot be written.
    """
    notes = []
    if outputs.de_identify:
        reading = _nameless(reading)
    pages = _Pages(reading, known)
    if outputs.dicom:
        try:
            _write_dicom(pages, folder / DICOM_FOLDER, de_identify=outputs.de_identify)
        except UserError as error:
            notes.append(f"No DICOM results: {error}")
    if outputs.report:
        shown = pages.with_patient_named() if outputs.name_patient else pages
        for name in REPORT_FILES:
            shown.write(folder / name)
    return notes


def write_dicom(reading: Reading, folder: Path, *, de_identify: bool = False) -> list[Path]:
    """Write the DICOM objects of a reading into `folder`, which is made.

    Raises:
        UserError: the scan was not read from DICOM files, or they are gone or changed.
        OSError: a file cannot be written.
    """
    return _write_dicom(_Pages(_nameless(reading) if de_identify else reading), folder, de_identify=de_identify)


def write_report(reading: Reading, path: Path, *, name_patient: bool = False) -> None:
    """Write the report; the ending says whether as HTML or as PDF.

    Args:
        name_patient: name the patient as the scan's DICOM header does; without one nobody is named.

    Raises:
        UserError: another ending.
        OSError: the file cannot be written.
    """
    pages = _Pages(reading)
    (pages.with_patient_named() if name_patient else pages).write(path)


class _Pages:
    """A report whose pictures are drawn once, whatever it is written as."""

    def __init__(self, reading: Reading, known: Quantification | None = None, content: Content | None = None) -> None:
        from ..quantification.quantify import quantify

        self.reading, self.known, self._content = reading, known or quantify(reading), content

    def with_patient_named(self) -> _Pages:
        """The same pages, on which the patient is named."""
        from .report.content import with_patient

        return _Pages(self.reading, self.known, with_patient(self.content, _patient(self.reading)))

    @cached_property
    def content(self) -> Content:
        from .report.content import content_of

        return self._content or content_of(self.reading, self.known)

    @cached_property
    def pdf(self) -> bytes:
        from .report.pdf import pdf_report

        return pdf_report(self.content)

    def write(self, path: Path) -> None:
        from .report.html import html_report

        kind = path.suffix.lower()
        if kind == ".html":
            path.write_text(html_report(self.content), encoding="utf-8")
        elif kind == ".pdf":
            path.write_bytes(self.pdf)
        else:
            raise UserError(f"{path.name} is no report: let its name end in .html or .pdf.")


def _write_dicom(pages: _Pages, folder: Path, *, de_identify: bool) -> list[Path]:
    objects = _objects(pages)
    if de_identify:
        from .dicom.deidentify import de_identify as clean

        for made in objects.values():
            clean(made)
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in objects.items():
        made.save_as(folder / name, enforce_file_format=True)
    return [folder / name for name in objects]


def _objects(pages: _Pages) -> dict[str, Dataset]:
    """{file name: object}; a view without a lesion has no segmentation."""
    from .dicom.documents import encapsulated_pdf, secondary_capture
    from .dicom.measurements import measurement_report
    from .dicom.segmentation import segmentation
    from .dicom.source import source_views
    from .overview import render_overview

    reading = pages.reading
    sources, known = source_views(reading), pages.known
    found = {name: segmentation(reading, name, source, known) for name, source in sources.items()}
    segs = {name: seg for name, seg in found.items() if seg is not None}
    first = next(iter(sources.values()))
    return {
        **{f"seg_{name}.dcm": seg for name, seg in segs.items()},
        "measurements_sr.dcm": measurement_report(reading, sources, segs, known),
        "report.dcm": encapsulated_pdf(reading, first, pages.pdf),
        "overview_sc.dcm": secondary_capture(reading, first, render_overview(reading)),
    }


def _nameless(reading: Reading) -> Reading:
    """The reading under a pseudonym: a case is named after a file, and files after patients."""
    from .dicom.deidentify import pseudonym

    scan = reading.scan
    case = pseudonym(scan.source.study_instance_uid or "".join(scan.source.sha256) or scan.case)
    told = {key: value for key, value in scan.source.description.items() if key != "study_date"}
    warnings = reading.receipt.get("warnings")
    notes = [_without_files(str(note), reading) for note in warnings] if isinstance(warnings, list) else []
    source = replace(scan.source, description=told)
    return replace(
        reading, scan=replace(scan, case=case, source=source), receipt={**reading.receipt, "warnings": notes}
    )


def _without_files(note: str, reading: Reading) -> str:
    """A warning without the names of files and of the case."""
    names = {name: "the file" for file in reading.scan.source.files for name in (file, Path(file).name)}
    for name, instead in (*names.items(), (reading.scan.case, "the scan")):
        # As a word of its own: a case may be called 1.
        note = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\w)", instead, note)
    return note


def _patient(reading: Reading) -> dict[str, str]:
    """Keys of the report's words and what stands for the patient; empty for a scan without a header."""
    from .dicom.source import source_views

    try:
        header = next(iter(source_views(reading).values())).header
    except UserError:
        return {}
    keys = {"patient": "PatientName", "patient_id": "PatientID", "birth_date": "PatientBirthDate"}
    return {key: str(header.get(keyword)) for key, keyword in keys.items() if header.get(keyword)}
