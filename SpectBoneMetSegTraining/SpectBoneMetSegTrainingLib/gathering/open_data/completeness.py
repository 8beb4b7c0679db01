"""Check that a public set is whole: against its published numbers, and that its labels are there at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from .catalogue import find_set
from .description import PublicSet, Role
from .listing import Listing, Place, packed_in

__all__ = ["NAMED", "check_whole", "without_scan"]

#: Most patients that a note names, and most notes of one kind.
NAMED = 5


def check_whole(found: PublicSet, listing: Listing, folder: Path, more: Mapping[str, int]) -> list[str]:
    """Return notes about what is missing.

    Args:
        found: description of the set.
        listing: its files.
        folder: where its labels lie.
        more: further numbers to compare with the published ones.

    Raises:
        UserError: nothing tells which scans of a view have lesions, or all files of one kind are still packed, or the
            name of no group of patients is known.
    """
    if found.boxes:
        _check_boxes(listing, folder)
    else:
        _check_packed(found, listing, folder)
    notes = _check_groups(found, listing, folder)
    return [
        *notes,
        *_single_views(listing),
        *_differing_counts(found, listing, more),
        *_unlisted(found, listing),
        *_unlabelled(found, listing),
    ]


def _check_boxes(listing: Listing, folder: Path) -> None:
    """Refuse a view without any box; a picture without a box has no lesion only where others have boxes."""
    for view in VIEW_NAMES:
        scans = [place for place in listing.of("scan") if place[1] == view]
        if listing.has_any("boxes", view) or all(listing.abnormal.get(place) is False for place in scans):
            continue
        packed = packed_in(folder)
        why = f"{packed} is still packed" if packed else "they are part of the published set"
        raise UserError(
            f"{folder} holds no boxes of the {view} view, so that its lesions are unknown ({why}); unpack the whole "
            "set, then import again."
        )


def _check_packed(found: PublicSet, listing: Listing, folder: Path) -> None:
    """Refuse a set of which one kind of files is unpacked and another is not."""
    packed = packed_in(folder)
    for role in dict.fromkeys(item.role for item in found.files):
        if packed and not listing.of(role):
            raise UserError(
                f"{folder} holds no files of the kind {role}, and {packed} still packed; unpack it there, or move it "
                "away to import the set without them."
            )


def _check_groups(found: PublicSet, listing: Listing, folder: Path) -> list[str]:
    """Return a note about groups of patients whose names do not say whether they have lesions."""
    groups = sorted(set(listing.groups.values()))
    unknown = [group for group in groups if found.has_lesions(group) is None]
    if not found.diseased or not unknown:
        return []
    names = ", ".join(map(repr, unknown))
    if unknown == groups:
        raise UserError(
            f"{folder} sorts patients into {names}, which do not say who has lesions; rename the folders to 'with "
            "metastases' and 'without metastases', then import again."
        )
    return [f"Folders whose names do not say whether their patients have lesions, who stay unlabelled: {names}."]


def _differing_counts(found: PublicSet, listing: Listing, more: Mapping[str, int]) -> Iterator[str]:
    held: dict[str, int] = {"patients": len(listing.patients()), **more}
    for role, places in listing.files.items():
        held[role] = len(places)
        for view in VIEW_NAMES:
            held[f"{role} {view}"] = sum(own == view for _, own in places)
    for what, number in _published(found).items():
        # What is missing altogether has no entry.
        if held.get(what, 0) != number:
            yield f"{what}: {held.get(what, 0)} found, {number} published."


def _published(found: PublicSet) -> dict[str, int]:
    """{kind: number}, also of the base set's files that this set is read with."""
    used = ("patients", "boxes") if found.boxes else ("patients",)
    base = find_set(found.base).expected if found.base else {}
    return {**{what: number for what, number in base.items() if what.startswith(used)}, **found.expected}


def _single_views(listing: Listing) -> Iterator[str]:
    """Name the first patients with one view, in a set that has both views."""
    scans = listing.of("scan")
    for view in VIEW_NAMES:
        lacking = [patient for patient in listing.patients() if (patient, view) not in scans]
        if lacking and listing.has_any("scan", view):
            first = ", ".join(lacking[:NAMED]) + (", ..." if len(lacking) > NAMED else "")
            yield f"{pluralize(len(lacking), 'patient')} without the {view} view, read from the other one: {first}."


def _unlisted(found: PublicSet, listing: Listing) -> Iterator[str]:
    """Say how many pictures count as normal only because nothing is there for them."""
    lists = found.label_lists or (find_set(found.base).label_lists if found.base else "")
    role: Role = "boxes" if found.boxes else "lesions"
    unknown = [place for place in listing.of("scan") if place not in listing.abnormal and place not in listing.of(role)]
    if lists and unknown:
        yield (
            f"{pluralize(len(unknown), 'picture')} without marks, taken as without lesions, although the set's lists "
            "of labels are missing or do not name them."
        )


def _unlabelled(found: PublicSet, listing: Listing) -> Iterator[str]:
    """Say how many views of a set of masks have none, where that does not mean that they have no lesion."""
    views = [
        (patient, view)
        for patient, view in listing.of("scan")
        if (patient, view) not in listing.of("lesions")
        and not (found.empty_without_mask and listing.has_any("lesions", view))
    ]
    if found.lesions and views:
        yield f"{pluralize(len(views), 'view')} without a mask of lesions, taken as not labelled."


def without_scan(listing: Listing, outlined: Iterable[Place]) -> Iterator[str]:
    """Yield a note for every kind of labels of views whose scan is not there.

    Args:
        listing: files of a set.
        outlined: views with outlines in a common file.
    """
    scans = listing.of("scan")
    for role, places in listing.files.items():
        lone = sorted(str(path) for place, path in places.items() if place not in scans)
        if lone:
            yield f"{pluralize(len(lone), 'file')} of the kind {role} without a scan, not used; the first is {lone[0]}."
    views = sorted(place for place in outlined if place not in scans)
    if views:
        patient, view = views[0]
        yield f"Outlines of {pluralize(len(views), 'view')} without a scan, not used; the first is {patient}, {view}."
