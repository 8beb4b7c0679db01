"""Cases: the scan of an input, the name of its result folder, and the scan of results that are already there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError

if TYPE_CHECKING:
    from ..loading.archive import Archive, FoundScan

__all__ = [
    "Case",
    "Identity",
    "assign_folders",
    "cases_of_inputs",
    "check_folder",
    "holds_another_scan",
    "identity_of",
    "keys_of",
    "names_in",
    "receipt_of",
]

HASH_LETTERS = 6


@dataclass(frozen=True)
class Identity:
    """Identity of a scan: its study UID, and its SOP Instance UIDs or, without them, its files' SHA-256 digests.

    Attributes:
        study_uid: Study Instance UID; "" if the files state none.
        keys: SOP Instance UIDs, or SHA-256 digests of the files.
    """

    study_uid: str
    keys: frozenset[str]


@dataclass(frozen=True)
class Case:
    """A scan to read, or an input without a scan.

    Attributes:
        input: path as given, or the first file of a scan in a folder.
        folder: result folder.
        scan: the files; None for an input without a scan.
        identity: None if the headers cannot be read.
        failure: why there is no scan, "" if there is one.
    """

    input: Path
    folder: Path
    scan: FoundScan | None = None
    identity: Identity | None = None
    failure: str = ""

    @property
    def name(self) -> str:
        """Name of the case, which is the name of its folder."""
        return self.folder.name


def cases_of_inputs(inputs: Iterable[str], output: Path) -> list[Case]:
    """Return the cases of the files and folders on the command line.

    Raises:
        UserError: an input is empty or has no name, or the same scan is given twice.
    """
    from ..loading import case_name
    from ..loading.archive import FoundScan, find_scans

    wanted: list[tuple[Path, str, FoundScan | None, str]] = []
    for text in inputs:
        if not text:
            raise UserError("An INPUT is empty; give a file, or the folder of one study.")
        path = Path(text)
        name = case_name(path)
        if not os.path.isdir(path):
            wanted.append((path, name, FoundScan((path,)), ""))
            continue
        archive = find_scans(path, output)
        if len(archive.scans) <= 1:
            wanted.append((path, name, *_only(path, archive)))
        else:
            names = names_in(path, archive.scans)
            wanted += [(scan.files[0], own, scan, "") for scan, own in zip(archive.scans, names, strict=True)]
    return assign_folders([(*entry, identity_of(entry[2])) for entry in wanted], output)


def _only(folder: Path, archive: Archive) -> tuple[FoundScan | None, str]:
    """Return the scan of a folder, or None and the reason."""
    from ..loading.study import single_scan

    try:
        return single_scan(folder, archive), ""
    except UserError as error:
        return None, str(error)


def names_in(folder: Path, scans: list[FoundScan]) -> list[str]:
    """Name several scans of a folder: each by the highest folder that holds it alone, or else by its file's stem."""
    from ..loading import case_name

    names = []
    for scan in scans:
        others = [path for other in scans if other is not scan for path in other.files]
        inside = [parent for parent in scan.files[0].parents if parent != folder and parent.is_relative_to(folder)]
        own = [
            parent
            for parent in inside
            if all(path.is_relative_to(parent) for path in scan.files)
            and not any(path.is_relative_to(parent) for path in others)
        ]
        names.append(case_name(own[-1] if own else scan.files[0]))
    return names


def assign_folders(
    wanted: Iterable[tuple[Path, str, FoundScan | None, str, Identity | None]], output: Path
) -> list[Case]:
    """Assign result folders to cases: the plain name, with a hash if another scan has that name.

    Args:
        wanted: (input, name, scan, failure, identity) of each case, in the order in which names are assigned.
        output: folder of all results.

    Raises:
        UserError: two inputs are the same scan and would be written to one folder.
    """
    cases: dict[Path, Case] = {}
    for path, name, scan, failure, identity in wanted:
        folder = _folder_for(name, identity, output, cases)
        if folder in cases and not failure:
            raise UserError(
                f"{cases[folder].input} and {path} would both be written to {folder}; read them into separate folders.",
                "output",
            )
        key = folder if not failure else output / f"{name}\0{path}"
        cases[key] = Case(path, folder, scan, identity, failure)
    return list(cases.values())


def _folder_for(name: str, identity: Identity | None, output: Path, cases: dict[Path, Case]) -> Path:
    """Return the folder of a scan's earlier results, else the first of its possible names that no other scan has."""
    plain = output / name
    if identity is None:
        return plain
    keys = "\n".join(sorted(identity.keys))
    options = [plain, *(output / f"{name}-{_hash(text)}" for text in (identity.study_uid or keys, keys))]
    for folder in options:
        if folder in cases and cases[folder].identity == identity:
            return folder
    free = [folder for folder in options if folder not in cases]
    own = [folder for folder in free if (receipt := receipt_of(folder)) and keys_of(receipt) & identity.keys]
    unused = [folder for folder in free if not receipt_of(folder) and not _damaged(folder)]
    return next(iter((*own, *unused)), options[-1])


def holds_another_scan(case: Case) -> bool:
    """Return whether the folder of a case holds the result of another scan."""
    receipt = receipt_of(case.folder)
    return case.identity is not None and bool(receipt) and not keys_of(receipt) & case.identity.keys


def check_folder(case: Case) -> None:
    """Check that the folder assigned to a case was not taken meanwhile; to be called before it is replaced.

    Raises:
        UserError: another run has written the result of another scan there.
    """
    if holds_another_scan(case):
        raise UserError(
            f"{case.folder} was taken by another run for another scan of that name; read {case.input} again, which "
            "then gets a folder of its own."
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_LETTERS]


def receipt_of(folder: Path) -> dict[str, Any]:
    """Return the receipt in a result folder; empty if there is none or it cannot be read."""
    from ..export.receipt import stored_receipt

    return stored_receipt(folder / "receipt.json") or {}


def _damaged(folder: Path) -> bool:
    """Return whether the folder has a receipt that cannot be read."""
    return os.path.isfile(folder / "receipt.json") and not receipt_of(folder)


def keys_of(receipt: dict[str, Any]) -> frozenset[str]:
    """Return the keys of a receipt's scan, as in `Identity.keys`."""
    inputs = receipt.get("inputs")
    if not isinstance(inputs, list):
        return frozenset()
    return frozenset(
        str(entry.get("sop_instance_uid") or f"sha256:{entry.get('sha256')}")
        for entry in inputs
        if isinstance(entry, dict)
    )


def identity_of(scan: FoundScan | None) -> Identity | None:
    """Return the identity of a scan from its headers; None if they cannot be read."""
    from ..common.files import sha256_of
    from ..loading.dicom import read_header
    from ..loading.dicom_values import text
    from ..loading.images import IMAGE_SUFFIXES

    if scan is None:
        return None
    if scan.study_uid and len(scan.sop_uids) == len(scan.files):
        return Identity(scan.study_uid, frozenset(scan.sop_uids))
    study, keys = scan.study_uid, []
    try:
        for path in scan.files:
            uid = ""
            if not path.name.lower().endswith(IMAGE_SUFFIXES):
                header = read_header(path)
                study, uid = study or text(header, "StudyInstanceUID"), text(header, "SOPInstanceUID")
            keys.append(uid or f"sha256:{sha256_of(path)}")
    except (UserError, OSError, RuntimeError):
        return None
    return Identity(study, frozenset(keys))
