"""A reading with methods to save, print and tabulate it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..common.errors import UserError
from ..lesions.extent import headline
from ..lesions.results import Lesion, Reading
from ..lesions.seen import seen_text
from ..quantification.quantify import quantify
from ..quantification.results import Quantification
from .outputs import Outputs, check_packages

__all__ = ["SavableReading"]

#: Largest number of lesions shown when a reading is printed.
LISTED = 8


@dataclass(frozen=True)
class SavableReading(Reading):
    """Results of one scan, as returned by `segment` and `Reader`."""

    def __repr__(self) -> str:
        """Summarise the reading: number of areas, the first of them, the warnings."""
        count = len(self.lesions)
        lines = [f"{self.scan.case}: {headline(self)}"]
        lines += [_line(each) for each in self.lesions[:LISTED]]
        if count > LISTED:
            lines.append(f"  and {count - LISTED} more")
        warnings = self.receipt.get("warnings")
        lines += [f"  note: {note}" for note in warnings] if isinstance(warnings, list) else []
        return "\n".join(lines)

    @cached_property
    def quantification(self) -> Quantification:
        """Bones, uptake, burden and bone scan index: the content of quantification.json."""
        return quantify(self)

    def to_dataframe(self) -> Any:
        """Return the table of `lesions.csv` as a pandas DataFrame, one row per lesion.

        Raises:
            UserError: pandas is not installed.
        """
        from .table import COLUMNS, lesion_values

        try:
            import pandas
        except ImportError as error:
            raise UserError("A data frame needs pandas: pip install pandas.") from error
        return pandas.DataFrame(
            [
                lesion_values(each, self.quantification.lesion(each.id).region)
                for each in (*self.lesions, *self.rejected)
            ],
            columns=list(COLUMNS),
        )

    def save(
        self, folder: str, outputs: Outputs | None = None, *, quick: bool = False, staging: Path | None = None
    ) -> list[str]:
        """Write every output file into `folder`, which appears complete or not at all.

        Args:
            folder: the result folder.
            outputs: DICOM objects and report in addition.
            quick: write only masks, tables and receipt.
            staging: see `save_reading`.

        Returns:
            One sentence for each optional output that this scan does not allow.

        Raises:
            UserError: the folder cannot be written, or holds a physician's review or anything but an earlier reading.
        """
        from .result_folder import save_reading

        return save_reading(self, folder, outputs, quick=quick, staging=staging)

    def to_dicom(self, folder: str | Path, *, de_identify: bool = False) -> list[Path]:
        """Write DICOM objects for the archive that the scan came from: segmentations, measurements, report, overview.

        Args:
            folder: created if missing.
            de_identify: remove the patient's identity.

        Returns:
            The files.

        Raises:
            UserError: a package is missing, or the scan was not read from DICOM files, or they are missing or changed.
        """
        from .outputs import write_dicom

        check_packages(Outputs(dicom=True, de_identify=de_identify))
        return write_dicom(self, Path(folder), de_identify=de_identify)

    def report(self, path: str | Path, *, name_patient: bool = False) -> None:
        """Write the report as HTML or PDF, by the suffix of `path`.

        Args:
            path: ends in .html or .pdf.
            name_patient: name the patient from the scan's DICOM header.

        Raises:
            UserError: a package is missing, or `path` has another suffix.
        """
        from .outputs import write_report

        check_packages(Outputs(report=True))
        write_report(self, Path(path), name_patient=name_patient)


def _line(lesion: Lesion) -> str:
    confidence = "" if lesion.confidence is None else f", confidence {lesion.confidence:.2f}"
    return f"  {lesion.id}: {lesion.area_mm2 / 100:.1f} cm2, {seen_text(lesion)}{confidence}"
