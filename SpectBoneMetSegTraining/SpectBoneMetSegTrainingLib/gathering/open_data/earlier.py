"""Tell which cases of an earlier import would be the same if they were imported again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ..case_writing import forget_case
from .description import PublicSet
from .listing import Listing

__all__ = ["MADE_FROM", "check_scans", "forget", "made_from"]

#: Entry of a case: SHA-256 of all that it was made from. Cases of older versions have none and are imported again.
MADE_FROM = "made_from"
#: Fields of a description that no case depends on.
TEXTS = ("title", "home", "citation", "licence", "truth", "terms", "grey", "faults", "expected")


def made_from(found: PublicSet, listing: Listing, patient: str, more: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the files, the lists and the description that a patient's case is made from.

    Args:
        found: description of the set.
        listing: its files.
        patient: the patient.
        more: what else the case is made from, JSON values.
    """
    files = [
        [role, view, places[patient, view].name, _digest(places[patient, view])]
        for role, places in sorted(listing.files.items())
        for view in VIEW_NAMES
        if (patient, view) in places
    ]
    lists = [
        [
            listing.missing.get((patient, view)),
            listing.abnormal.get((patient, view)),
            listing.groups.get((patient, view)),
            # Where masks exist for a view at all, a missing one can mean that there is no lesion.
            listing.has_any("lesions", view),
        ]
        for view in VIEW_NAMES
    ]
    described = {name: value for name, value in asdict(found).items() if name not in TEXTS}
    text = json.dumps([files, lists, described, dict(more)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_scans(data: Path, folder: Path, cases: Collection[str]) -> None:
    """Refuse a folder without the scans of earlier cases, whose pixel size and labels could not be renewed.

    Args:
        data: the data set.
        folder: where the scans lie.
        cases: earlier cases without a scan.

    Raises:
        UserError: there are such cases.
    """
    if cases:
        raise UserError(
            f"{data} holds {pluralize(len(cases), 'case')} whose scans {folder} does not hold, the first is "
            f"{min(cases)}; give the folder with all scans, or choose another output folder.",
            "output",
        )


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:
        # Reading the case will name the file and the remedy.
        return "unreadable"


def forget(data: Path, case: str) -> None:
    """Remove a case with its regions from a data set."""
    forget_case(data, case)
    shutil.rmtree(data / "regions" / case, ignore_errors=True)
