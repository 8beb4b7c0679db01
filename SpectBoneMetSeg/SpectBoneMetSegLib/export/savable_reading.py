"""A reading that knows how to be saved, printed and tabled."""

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

#: Lesions that are shown when a reading is printed.
LISTED = 8


@dataclass(frozen=True)
class SavableReading(Reading):
    """The results of one scan as `segment` and `Reader` give them: they know how to be saved."""

    def __repr__(self) -> str:
        """A few lines: how many areas, the first of them, the warnings."""
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
        """Bones, uptake, burden and bone scan index: what quantification.json holds."""
        return quantify(self)

    def to_dataframe(self) -> Any:
        """The table of `lesions.csv` as a pandas DataFrame, one row a lesion.

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
        """Write every output file into `folder`, which appears whole or not at all.

        Args:
            folder: where to.
            quick: masks, table and receipt alone.
            staging: see `save_reading`.
            outputs: DICOM objects and report beside them.

        Returns:
            A sentence for each of those outputs that cannot be written of this scan.

        Raises:
            UserError: the folder cannot be written, or holds something other than an earlier reading.
        """
        from .result_folder import save_reading

        return save_reading(self, folder, outputs, quick=quick, staging=staging)

    def to_dicom(self, folder: str | Path, *, de_identify: bool = False) -> list[Path]:
        """Write DICOM objects for the archive that the scan came from: segmentations, measurements, report, overview.

        Args:
            folder: where to; it is made.
            de_identify: name no patient in them.

        Returns:
            The files.

        Raises:
            UserError: a package is missing, or the scan was not read from DICOM files, or they are gone or changed.
        """
        from .outputs import write_dicom

        check_packages(Outputs(dicom=True, de_identify=de_identify))
        return write_dicom(self, Path(folder), de_identify=de_identify)

    def report(self, path: str | Path, *, name_patient: bool = False) -> None:
        """Write the report as HTML or PDF, as the ending of `path` says.

        Args:
            name_patient: name the patient as the scan's DICOM header does.

        Raises:
            UserError: a package is missing, or another ending.
        """
        from .outputs import write_report

        check_packages(Outputs(report=True))
        write_report(self, Path(path), name_patient=name_patient)


def _line(lesion: Lesion) -> str:
    known = "" if lesion.confidence is None else f", confidence {lesion.confidence:.2f}"
    return f"  {lesion.id}: {lesion.area_mm2 / 100:.1f} cm2, {seen_text(lesion)}{known}"
