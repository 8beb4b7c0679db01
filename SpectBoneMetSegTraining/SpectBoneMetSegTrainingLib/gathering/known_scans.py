"""Which cases of a data set hold files of a scan that is to be added: the scan replaces them, or is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Known", "cases_with_files", "only_with"]


@dataclass(frozen=True)
class Known:
    """The cases of a data set that hold a file of one scan.

    Attributes:
        replaced: those that the scan replaces; it keeps the name of the first.
        kept: those that stay, so that the scan is left out.
    """

    replaced: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def cases_with_files(files: Collection[str], records: Mapping[str, Mapping[str, Any]], *, labelled: bool) -> Known:
    """Find the cases that hold any file of a scan.

    A scan replaces cases that hold no other file than its own. A labelled scan also replaces any unlabelled case, and
    an unlabelled scan no labelled one. Thus no file is in two cases, and so not in two splits.

    Args:
        files: pseudonyms of the scan's files.
        records: {case: its JSON}.
        labelled: whether the scan has labels.
    """
    own = set(files)
    held_by = ((case, record.get("files", ())) for case, record in records.items())
    shared = {case: set(held) for case, held in held_by if not own.isdisjoint(held)}

    def rank(case: str) -> tuple[bool, bool, bool, str]:
        # One in training comes before one kept for the test: a model may have been trained on it.
        record = records[case]
        return shared[case] != own, "lesions" not in record, record["split"] == "test", case

    def gives_way(case: str) -> bool:
        has_labels = "lesions" in records[case]
        if labelled:
            return not has_labels or shared[case] <= own
        return not has_labels and shared[case] <= own

    ranked = sorted(shared, key=rank)
    return Known(
        tuple(case for case in ranked if gives_way(case)), tuple(case for case in ranked if not gives_way(case))
    )


def only_with(cases: Collection[str], folds: Sequence[Mapping[str, Sequence[str]]]) -> list[dict[str, list[str]]]:
    """Return the folds with these cases only: none may name a case that was replaced."""
    return [{part: [case for case in names if case in cases] for part, names in fold.items()} for fold in folds]
