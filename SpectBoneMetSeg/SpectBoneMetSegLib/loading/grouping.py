"""Which files belong together: views that a system stores in files or series of their own make one scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import UserError
from ..scan.planar import ViewName
from .dicom import read_header, view_of

__all__ = ["group_files"]


@dataclass(frozen=True)
class _Single:
    """A file with one view."""

    file: Path
    side: ViewName
    study: tuple[str, ...]
    series: str
    time: str


#: Views belong together that share these; the closest bond is tried first. Both heads of a camera start at one time,
#: a camera with one head takes the views one after another.
_BONDS: tuple[Callable[[_Single], tuple[str, ...]], ...] = (
    lambda single: (single.series, single.time),
    lambda single: (single.time,),
    lambda single: (single.series,),
    lambda single: (),
)


def group_files(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Files of planar DICOM, each group one scan: a file with all its views, or an anterior and a posterior one.

    Two files are put together only when nothing else could be meant: one study, kind of image and matrix, and no third
    file that fits as well. Headers are read, no pixels.

    Args:
        files: DICOM files, of any number of series and studies.

    Returns:
        Every file once, in groups of one or two (anterior first), in the order of their first files.
    """
    singles = [single for single in map(_single, files) if single is not None]
    partner: dict[Path, tuple[Path, Path]] = {}
    for bond in _BONDS:
        waiting: dict[tuple[str, ...], list[_Single]] = {}
        for single in singles:
            if single.file not in partner:
                waiting.setdefault((*single.study, *bond(single)), []).append(single)
        for found in waiting.values():
            if sorted(single.side for single in found) == ["anterior", "posterior"]:
                front, behind = sorted(found, key=lambda single: single.side)
                partner[front.file] = partner[behind.file] = (front.file, behind.file)
    return list(dict.fromkeys(partner.get(file, (file,)) for file in files))


def _single(file: Path) -> _Single | None:
    """None for a file with several views, without a side, or that cannot be read."""
    try:
        header = read_header(file)
        side = view_of(header, file)
    except (UserError, OSError):
        return None
    if side is None:
        return None

    def word(keyword: str) -> str:
        return str(header.get(keyword) or "")

    study = (word("StudyInstanceUID"), word("ImageType"), word("Rows"), word("Columns"), word("AcquisitionDate"))
    return _Single(file, side, study, word("SeriesInstanceUID"), word("AcquisitionTime"))
