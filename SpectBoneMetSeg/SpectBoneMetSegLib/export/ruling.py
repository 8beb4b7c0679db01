"""Whose word each area is: the model's, or a physician's who decided or drew."""

from __future__ import annotations

from ..lesions.results import Lesion, Reading

__all__ = ["drawn_by_hand", "review_sentence", "ruled_by"]


def drawn_by_hand(reading: Reading) -> frozenset[int]:
    """IDs of the areas, rejected ones too, that were drawn or changed by hand."""
    review = reading.receipt.get("review")
    entries = review if isinstance(review, list) else []
    return frozenset(int(entry["lesion"]) for entry in entries if isinstance(entry, dict) and entry.get("edited"))


def ruled_by(lesion: Lesion, by_hand: frozenset[int]) -> str:
    """ "physician" once anything was said or drawn, else "model"."""
    said = lesion.decision != "open" or lesion.classification or lesion.id in by_hand
    return "physician" if said else "model"


def review_sentence(reading: Reading) -> str:
    """Who ruled, in one sentence."""
    everything, by_hand = (*reading.lesions, *reading.rejected), drawn_by_hand(reading)
    if not any(ruled_by(lesion, by_hand) == "physician" for lesion in everything):
        return "No physician has reviewed this reading: every area is the model's."
    decided = {word: sum(lesion.decision == word for lesion in everything) for word in ("accepted", "rejected", "open")}
    return (
        f"Reviewed by a physician: {decided['accepted']} accepted, {decided['rejected']} rejected, "
        f"{len(by_hand)} drawn or changed by hand, {decided['open']} left open."
    )
