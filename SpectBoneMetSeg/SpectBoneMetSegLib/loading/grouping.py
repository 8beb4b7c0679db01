"""Group files into scans: some systems store each view in a file or series of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..common.errors import UserError
from ..scan.planar import ViewName
from .dicom import read_header, view_of
from .dicom_values import patient
from .laterality import views_in_text

__all__ = ["group_files", "study_folder"]

#: Words that say nothing more than which image it is in the name of a folder.
_OTHER_WORDS = frozenset({"", "view", "image", "wb", "whole", "body", "wholebody", "bone", "scan"})
#: Name of a folder with one series of a study, as on a CD.
_SERIES = re.compile(r"(?:se|ser|series)[\W_]*\d+", re.IGNORECASE)
_UID = re.compile(r"[0-2](?:\.\d+){3,}")


@dataclass(frozen=True)
class _Single:
    """A file with one view."""

    file: Path
    side: ViewName
    study: tuple[str, ...]
    folder: str
    series: str
    time: str


#: Views that share these keys belong together; the strictest key is tried first. Both heads of a camera start at the
#: same time; a camera with one head acquires the views one after the other.
_KEYS: tuple[Callable[[_Single], tuple[str, ...]], ...] = (
    lambda single: (single.series, single.time),
    lambda single: (single.time,),
    lambda single: (single.series,),
    lambda single: (),
)


def group_files(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Group planar DICOM files into scans: a file with all views, or an anterior and a posterior file.

    Two files are paired only if the pairing is unambiguous: same patient, study, image type and matrix, and no third
    file that fits as well. Without a study in the header, they must also lie in one study folder; without a patient,
    those of one study folder are paired first. Only headers are read.

    Args:
        files: DICOM files, of any number of series and studies.

    Returns:
        Every file once, in groups of one or two (anterior first), in the order of their first files.
    """
    singles = [single for single in map(_single, files) if single is not None]
    partner = _pairs(singles)
    # A study UID without a patient: views in folders of their series, if only one pair of them is possible.
    rest = [replace(single, folder="") for single in singles if single.file not in partner and single.study[1]]
    partner |= _pairs(rest)
    return list(dict.fromkeys(partner.get(file, (file,)) for file in files))


def _pairs(singles: Sequence[_Single]) -> dict[Path, tuple[Path, Path]]:
    """Return {file: its pair, anterior first} of unambiguous pairs."""
    partner: dict[Path, tuple[Path, Path]] = {}
    for key in _KEYS:
        unpaired: dict[tuple[str, ...], list[_Single]] = {}
        for single in singles:
            if single.file not in partner:
                unpaired.setdefault((*single.study, single.folder, *key(single)), []).append(single)
        for found in unpaired.values():
            if sorted(single.side for single in found) == ["anterior", "posterior"]:
                anterior, posterior = sorted(found, key=lambda single: single.side)
                partner[anterior.file] = partner[posterior.file] = (anterior.file, posterior.file)
    return partner


def study_folder(path: Path) -> Path:
    """Return the folder of a file's study: its folder, or the one around folders of one view ("ANT") or series."""
    folder = path.parent
    while _names_a_view_only(folder.name) or _is_of_a_series(folder):
        folder = folder.parent
    return folder


def _is_of_a_series(folder: Path) -> bool:
    """Whether a folder is named as a series of a study: "SE0001", or "study UID/series UID" as in Slicer's database."""
    uids = _UID.fullmatch(folder.name) and _UID.fullmatch(folder.parent.name)
    return bool(_SERIES.fullmatch(folder.name) or uids)


def _names_a_view_only(name: str) -> bool:
    words = [word for word in re.split(r"[\W_]+", name.casefold()) if word not in _OTHER_WORDS]
    return len(words) == 1 and words[0].isalpha() and len(views_in_text(words[0])) == 1


def _single(file: Path) -> _Single | None:
    """Return a file with one view; None for several views, an unknown side, or a file that cannot be read."""
    try:
        header = read_header(file)
        side = view_of(header, file)
    except (UserError, OSError):
        return None
    if side is None:
        return None

    def value(keyword: str) -> str:
        return str(header.get(keyword) or "")

    keywords = ("StudyInstanceUID", "ImageType", "Rows", "Columns", "AcquisitionDate")
    # Faulty pseudonymisation gives several patients one study UID, or none.
    study = (patient(header), *map(value, keywords))
    # Headers that name no patient or no study are alike for all patients.
    folder = "" if study[0] and study[1] else str(study_folder(file))
    return _Single(file, side, study, folder, value("SeriesInstanceUID"), value("AcquisitionTime"))
