"""Reading of a complete study: find its scans, skip those that were read before, and collect the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch.cases import Case, assign_folders, identity_of, receipt_of
from ..batch.earlier import is_done, row_of, row_of_earlier
from ..batch.run import ReadCases
from ..common.errors import UserError
from ..common.files import sha256_of
from ..export.receipt import input_digests
from ..loading.archive import find_scans

if TYPE_CHECKING:
    from ..batch.work import Settings
    from ..model.card import ModelCard

__all__ = ["StudyResult", "done_before", "read_study"]


@dataclass
class StudyResult:
    """Result of a study.

    Attributes:
        rows: rows of the table, one per scan.
        folders: folders of valid results.
        failures: messages of the failures.
        none: why the study has no scan, "" if it has one.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    none: str = ""


def done_before(card: ModelCard, settings: Settings) -> Callable[[Case], bool]:
    """Return a function that checks whether a case has results of the same files, this model and these options.

    Args:
        card: card of the model.
        settings: how the cases are read.
    """
    return partial(_is_valid, card, settings)


def _is_valid(card: ModelCard, settings: Settings, case: Case) -> bool:
    done = is_done(case, card, settings.options, quick=settings.quick, outputs=settings.outputs)
    if not done or case.scan is None:
        return False
    # The digests are compared, too: a corrected image keeps its UID.
    return input_digests(receipt_of(case.folder)) == set(map(sha256_of, case.scan.files))


def read_study(images: Path, output: Path, done: Callable[[Case], bool], read: ReadCases) -> StudyResult:
    """Read the scans of a study that have not been read before.

    Args:
        images: folder of its images, which also names the cases.
        output: folder of all results.
        done: returns whether a case was read before.
        read: reads the others.

    Raises:
        UserError: nothing can be read or written at all; the study should be tried again.
    """
    archive = find_scans(images)
    found = StudyResult()
    if not archive.scans:
        broken = [f"{each.reason}." for each in archive.left_out if each.failed]
        found.failures += dict.fromkeys(broken)
        found.none = "; ".join(dict.fromkeys(each.reason for each in archive.left_out)) or "no image"
        return found
    cases = assign_folders([(images, images.name, scan, "", identity_of(scan)) for scan in archive.scans], output)
    waiting = []
    for case in cases:
        if done(case):
            found.rows.append(row_of_earlier(case))
            found.folders.append(case.folder)
        else:
            waiting.append(case)
    for number, result in read(waiting) if waiting else ():
        case = waiting[number]
        if "stop" in result:
            raise UserError(result["stop"])
        if "error" in result:
            message = str(UserError.from_dict(result["error"]))
            found.failures.append(message)
            result = {"failure": message}
        else:
            found.folders.append(case.folder)
        found.rows.append(row_of(case, result))
    if len(found.rows) < len(cases):
        raise UserError("reading was interrupted")
    return found
