"""Warnings about a comparison, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

from .patients import differ, patient_of, share_information
from .registration import Registration
from .results import TimePoint

__all__ = ["comparison_warnings"]

#: Less of the bones than this lies, once carried, where the same bones of the other scan lie: on simulated patients
#: who were laid down anew it is more (`docs/follow-up.md`).
LEAST_FIT = 0.85


def comparison_warnings(times: Sequence[TimePoint], maps: Sequence[Registration]) -> tuple[str, ...]:
    """The doubts about scans in the order of time and the maps between them."""
    doubts = []
    patients = [patient_of(time.reading.scan) for time in times]
    if any(differ(one, two) for one, two in combinations(patients, 2)):
        doubts.append("The files of these scans name different patients: make sure that they are of one.")
    elif not all(share_information(one, two) for one, two in combinations(patients, 2)):
        doubts.append("Not every scan's file names its patient: make sure that the scans are of one.")
    for time in times:
        # What was told of a reading holds for what is made of it.
        told = time.reading.receipt.get("warnings")
        doubts += [f"{time.name}: {warning}" for warning in told] if isinstance(told, list) else []
    if not all(time.date for time in times):
        doubts.append("Not every scan says its day: the scans stand in the order in which they were given.")
    for (one, two), step in zip(pairwise(times), maps, strict=True):
        doubts += _of_step(one, two, step)
    return tuple(dict.fromkeys(doubts))


def _of_step(one: TimePoint, two: TimePoint, step: Registration) -> list[str]:
    names = f"{one.name} and {two.name}"
    doubts = []
    if not step.regions:
        doubts.append(f"Without bones that both know, {names} are laid on each other by the body alone: look twice.")
    elif step.fit < LEAST_FIT:
        doubts.append(
            f"The bones of {names} do not lie well on each other ({step.fit:.0%}): check every lesion in the pictures."
        )
    if _model(one) != _model(two):
        doubts.append(f"Different models read {names}: what differs may be the models' doing.")
    if set(one.reading.scan.views) != set(two.reading.scan.views):
        doubts.append(f"One of {names} lacks a view: what only that view shows is unclear.")
    methods = {time.reading.crop.method for time in (one, two)}
    if "manual" in methods:
        doubts.append(f"A box by hand was read of {names}: what lies outside one of the boxes looks new or gone.")
    return doubts


def _model(time: TimePoint) -> object:
    model = time.reading.receipt.get("model")
    return model.get("sha256") if isinstance(model, dict) else None
