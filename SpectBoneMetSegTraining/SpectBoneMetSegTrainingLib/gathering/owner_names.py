"""Names by which the owner of gathered scans finds them again: the files, in place of the pseudonyms of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from os.path import abspath
from pathlib import Path

from .claim import private_folder
from .gather import SOURCES, sources_of

__all__ = ["owner_names"]


def owner_names(data: Path, folders: Sequence[str] = ()) -> dict[str, str]:
    """Return {case: the files of its scan}; {} for a data set whose files are not recorded on this machine.

    Args:
        data: the data set.
        folders: folders that were gathered; if there is a single one, paths in it are relative to it.

    Raises:
        UserError: the record of the files is damaged.
    """
    if not (private_folder(data) / SOURCES).exists():
        return {}
    base = Path(abspath(folders[0])) if len(folders) == 1 else None
    return {case: ", ".join(_shown(file, base) for file in files) for case, files in sources_of(data).items()}


def _shown(file: str, base: Path | None) -> str:
    path = Path(abspath(file))
    return str(path.relative_to(base)) if base is not None and path.is_relative_to(base) else file
