"""Optional outputs of a reading in addition to its result files: DICOM objects and a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import UserError
from ..common.files import whole_file
from ..common.packages import is_installed
from ..lesions.results import Reading

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from ..quantification.results import Quantification
    from ..scan.planar import ViewName
    from .dicom.source import SourceView
    from .report.content import Content

__all__ = [
    "DICOM_FILES",
    "DICOM_FOLDER",
    "NO_DICOM",
    "REPORT_FILES",
    "Outputs",
    "check_packages",
    "write_dicom",
    "write_outputs",
    "write_report",
]

REPORT_FILES = ("report.html", "report.pdf")
DICOM_FOLDER = "dicom"
#: Files in DICOM_FOLDER; segmentations only of views that show a lesion.
DICOM_FILES = ("seg_anterior.dcm", "seg_posterior.dcm", "measurements_sr.dcm", "report.dcm", "overview_sc.dcm")
#: Beginning of the warning in the receipt of a scan from which no DICOM objects can be made.
NO_DICOM = "No DICOM results: "
#: {field of `Outputs`: packages it needs}.
NEEDED = {
    "dicom": ("highdicom", "reportlab"),
    "report": ("jinja2", "reportlab"),
    "de_identify": ("dicomanonymizer",),
}


@dataclass(frozen=True)
class Outputs:
    """The optional outputs to write in addition to the result files.

    Attributes:
        dicom: DICOM objects in the scan's own study.
        report: the report as HTML and PDF.
        de_identify: remove the patient from the DICOM objects, and the name of the case from the report and overview in
            them; folder, receipt and overview.png still name the case.
        name_patient: name the patient in the report, from the scan's header.
    """

    dicom: bool = False
    report: bool = False
    de_identify: bool = False
    name_patient: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the requested outputs."""
        return tuple(name for name in ("dicom", "report", "de_identify", "name_patient") if getattr(self, name))


def check_packages(outputs: Outputs) -> None:
    """Check before any work that the requested outputs can be written.

    Raises:
        UserError: packages are missing, or the requested outputs contradict each other.
    """
    if outputs.de_identify and outputs.name_patient:
        raise UserError(
            "The patient cannot be both named and removed: choose one of the two.", "name_patient", "de_identify"
        )
    missing = [name for output in outputs.wanted for name in NEEDED.get(output, ()) if not is_installed(name)]
    if missing:
        raise UserError(f"DICOM results and reports need {missing[0]}: pip install 'spectbonemetseg[results]'.")


def write_outputs(reading: Reading, folder: Path, outputs: Outputs, known: Quantification | None = None) -> list[str]:
    """Write the requested outputs into an existing folder.

    Args:
        reading: the reading.
        folder: the folder.
        outputs: the requested outputs.
        known: quantification of the reading; None computes it.

    Returns:
        One sentence for each output that this scan does not allow, such as DICOM of a picture file, and one about
        header values that are missing in the DICOM objects.

    Raises:
        OSError: a file cannot be written.
    """
    notes = []
    if outputs.de_identify:
        reading = _pseudonymised(reading)
    pages = _Pages(reading, known)
    if outputs.dicom:
        try:
            _write_dicom(pages, folder / DICOM_FOLDER, de_identify=outputs.de_identify)
            notes += _left_empty(pages.sources)
        except UserError as error:
            notes.append(f"{NO_DICOM}{error}")
    if outputs.report:
        shown = pages.with_patient_named() if outputs.name_patient else pages
        for name in REPORT_FILES:
            shown.write(folder / name)
    return notes


def write_dicom(reading: Reading, folder: Path, *, de_identify: bool = False) -> list[Path]:
    """Write the DICOM objects of a reading, in place of those of an earlier reading in the folder.

    Args:
        reading: the reading.
        folder: created if missing.
        de_identify: remove the patient's identity.

    Returns:
        The files.

    Raises:
        UserError: the scan was not read from DICOM files, or they are missing or changed.
        OSError: a file cannot be written.
    """
    return _write_dicom(_Pages(_pseudonymised(reading) if de_identify else reading), folder, de_identify=de_identify)


def write_report(reading: Reading, path: Path, *, name_patient: bool = False) -> None:
    """Write the report as HTML or PDF, by the suffix of `path`.

    Args:
        reading: the reading.
        path: ends in .html or .pdf.
        name_patient: name the patient from the scan's DICOM header, if there is one.

    Raises:
        UserError: `path` has another suffix.
        OSError: the file cannot be written.
    """
    pages = _Pages(reading)
    (pages.with_patient_named() if name_patient else pages).write(path)


class _Pages:
    """A report whose content is computed once for all formats."""

    def __init__(self, reading: Reading, known: Quantification | None = None, content: Content | None = None) -> None:
        from ..quantification.quantify import quantify

        self.reading, self.known, self._content = reading, known or quantify(reading), content

    def with_patient_named(self) -> _Pages:
        """Return the same report with the patient's name."""
        from .report.content import with_patient

        return _Pages(self.reading, self.known, with_patient(self.content, _patient(self.reading)))

    @cached_property
    def content(self) -> Content:
        from .report.content import content_of

        return self._content or content_of(self.reading, self.known)

    @cached_property
    def sources(self) -> dict[ViewName, SourceView]:
        from .dicom.source import source_views

        return source_views(self.reading)

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
            raise UserError(f"{path.name} is not a report: use a name that ends in .html or .pdf.")


def _write_dicom(pages: _Pages, folder: Path, *, de_identify: bool) -> list[Path]:
    objects = _objects(pages)
    if de_identify:
        from .dicom.deidentify import de_identify as clean

        for made in objects.values():
            clean(made)
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in objects.items():
        with whole_file(folder / name) as part:
            made.save_as(part, enforce_file_format=True)
    for name in DICOM_FILES:
        # An earlier reading may have shown a lesion in a view where this one shows none.
        if name not in objects:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in objects]


def _objects(pages: _Pages) -> dict[str, Dataset]:
    """Return {file name: object}; a view without a lesion has no segmentation."""
    from .dicom.documents import encapsulated_pdf, secondary_capture
    from .dicom.measurements import measurement_report
    from .dicom.segmentation import segmentation
    from .overview import render_overview

    reading = pages.reading
    sources, known = pages.sources, pages.known
    found = {name: segmentation(reading, name, source, known) for name, source in sources.items()}
    segs = {name: seg for name, seg in found.items() if seg is not None}
    first = next(iter(sources.values()))
    return {
        **{f"seg_{name}.dcm": seg for name, seg in segs.items()},
        "measurements_sr.dcm": measurement_report(reading, sources, segs, known),
        "report.dcm": encapsulated_pdf(reading, first, pages.pdf),
        "overview_sc.dcm": secondary_capture(reading, first, render_overview(reading)),
    }


def _left_empty(sources: Mapping[ViewName, SourceView]) -> list[str]:
    """Return one sentence about header values that the DICOM objects lack; it does not repeat the values."""
    names = dict.fromkeys(name for source in sources.values() for name in source.emptied)
    if not names:
        return []
    return [
        f"The DICOM results have no value for {', '.join(names)}, because the scan's header has one that DICOM does "
        "not allow; correct it in the archive and read the scan again."
    ]


def _pseudonymised(reading: Reading) -> Reading:
    """Return the reading under a pseudonym: cases are named after files, which may be named after patients."""
    from .dicom.deidentify import pseudonym

    scan = reading.scan
    case = pseudonym(scan.source.study_instance_uid or "".join(scan.source.sha256) or scan.case)
    description = {key: value for key, value in scan.source.description.items() if key != "study_date"}
    warnings = reading.receipt.get("warnings")
    notes = [_without_files(str(note), reading) for note in warnings] if isinstance(warnings, list) else []
    source = replace(scan.source, description=description)
    return replace(
        reading, scan=replace(scan, case=case, source=source), receipt={**reading.receipt, "warnings": notes}
    )


def _without_files(note: str, reading: Reading) -> str:
    """Return a warning without the names of files and of the case."""
    # Messages name a file as the user gave it: any number of folders, or none, before the name.
    paths = [Path(file).parts for file in reading.scan.source.files]
    names = {str(Path(*parts[start:])) for parts in paths for start in range(len(parts))}
    words = [*((name, "the file") for name in sorted(names, key=len, reverse=True)), (reading.scan.case, "the scan")]
    for name, replacement in words:
        # Whole words only: a case may be named "1".
        note = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\w)", replacement, note)
    return note


def _patient(reading: Reading) -> dict[str, str]:
    """Return {key of the report's texts: value in the header}; empty for a scan without a DICOM header."""
    from .dicom.source import source_views

    try:
        header = next(iter(source_views(reading).values())).header
    except UserError:
        return {}
    keys = {"patient": "PatientName", "patient_id": "PatientID", "birth_date": "PatientBirthDate"}
    return {key: str(header.get(keyword)) for key, keyword in keys.items() if header.get(keyword)}
