"""Read a scan that was found in a folder, from a copy if one of its files is unreadable."""

from __future__ import annotations

import contextlib

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading import read_files
from SpectBoneMetSegLib.scan.planar import WholeBodyScan
from SpectBoneMetSegLib.scan.plausibility import check_scan

from .discovery.scan_files import ScanFiles

__all__ = ["read_found"]


def read_found(found: ScanFiles) -> tuple[WholeBodyScan, list[str]]:
    """Read a scan, from a copy if a file is unreadable; return it with notes, among them what reading assumed.

    Raises:
        UserError: neither the scan nor its copies can be read, or it is no whole-body scan in counts.
    """
    notes: list[str] = []
    try:
        scan = read_files(found.files)
    except UserError as error:
        scan, notes = _read_copy(found, error)
    return scan, list(dict.fromkeys([*notes, *scan.warnings, *check_scan(scan, can_override=False)]))


def _read_copy(found: ScanFiles, error: UserError) -> tuple[WholeBodyScan, list[str]]:
    """Read the scan with a copy in place of the unreadable file; raise that file's `error` if no copy can be read."""
    for path, copies in found.copies.items():
        for copy in copies:
            with contextlib.suppress(UserError):
                scan = read_files(tuple(copy if each == path else each for each in found.files))
                return scan, [f"{copy} was read in place of its copy, which cannot be read: {error}"]
    raise error
