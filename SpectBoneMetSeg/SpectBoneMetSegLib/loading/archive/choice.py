"""Choose the whole-body scans among the series of a study.

The rules, in this order; each records what it leaves out:

1. Colour images are left out; screen captures too, unless nothing else is left.
2. Spot images are left out: always if the image type is STATIC, and if they are small where a whole body exists.
3. A scan whose energy window misses the 99mTc photopeak is left out if another one covers it.
4. Scans more than 90 minutes apart are early and late phases or different days: each is a case of its own.
5. Within 90 minutes, acquired images are preferred to processed ones.
6. Of repeated scans the latest is read.

Two files with one view each that no header pairs are one scan if they are all that is left.

Views in different folders are related only by headers that name the study, and repeats only by those that name the
patient, too: otherwise each study folder has scans of its own. Without a study, rules 5 and 6 do not apply: the files
may be of several patients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from ..grouping import study_folder
from .series import Candidate

__all__ = ["Choice", "choose"]

#: A scan takes about 15 minutes and is repeated at once; phases lie hours apart.
SAME_PHASE = timedelta(minutes=90)

#: (scan, candidates that were left out for it with the reason).
Choice = tuple[Candidate, list[tuple[Candidate, str]]]


def choose(found: list[Candidate], owner: str, study_uid: str) -> tuple[list[Choice], list[tuple[Candidate, str]]]:
    """Choose the scans of one study.

    Args:
        found: the possible scans.
        owner: what tells their patient apart in the headers, "" if they name none.
        study_uid: StudyInstanceUID, "" if the headers state none.

    Returns:
        The scans, earliest first, each with what was left out for it; and what was left out if there is no scan.
    """
    out: list[tuple[Candidate, str]] = [(each, "a colour image") for each in found if each.coloured]
    left = [each for each in found if not each.coloured]
    left = _without(left, lambda each: each.capture, "a screen capture", out)
    spots = "a static image of a part of the body"
    out += [(each, spots) for each in left if each.declared_static]
    left = [each for each in left if not each.declared_static]
    left = _without(left, lambda each: each.static, spots, out)
    left = _without(left, lambda each: not each.photopeak, "its energy window misses the photopeak of 99mTc", out)
    chosen: list[Choice] = []
    for phase in _phases(left):
        excluded: list[tuple[Candidate, str]] = []
        if study_uid:
            phase = _without(phase, lambda each: each.processed, "processed, the acquired images are read", excluded)
        # Of a study without a patient, two views and no more are of one patient.
        one_study = bool(study_uid) and (bool(owner) or _joined(phase) is not None)
        for related in [phase] if one_study else _by_folder(phase):
            chosen += _scans_of(related, excluded, of_one_study=bool(study_uid))
            excluded = []
    if chosen:
        chosen[0][1].extend(out)
    return chosen, [] if chosen else out


def _scans_of(related: list[Candidate], excluded: list[tuple[Candidate, str]], *, of_one_study: bool) -> list[Choice]:
    """Join two views, or choose the latest of repeated scans; the first scan gets what was `excluded` before."""
    joined = _joined(related)
    if joined is not None:
        return [(joined, excluded)]
    if not of_one_study:
        return [(each, excluded if each is related[0] else []) for each in related]
    latest = max(related, key=_age)
    repeated = [(each, "repeated, the latest is read") for each in related if each is not latest]
    return [(latest, [*excluded, *repeated])]


def _by_folder(found: list[Candidate]) -> list[list[Candidate]]:
    """Group scans by the folders of their studies."""
    folders: dict[Path, list[Candidate]] = {}
    for each in found:
        folders.setdefault(study_folder(each.files[0]), []).append(each)
    return list(folders.values())


def _without(
    found: list[Candidate], wrong: Callable[[Candidate], bool], why: str, out: list[tuple[Candidate, str]]
) -> list[Candidate]:
    """Apply an exclusion rule, unless it would exclude everything."""
    right = [each for each in found if not wrong(each)]
    if not right:
        return found
    out += [(each, why) for each in found if wrong(each)]
    return right


def _phases(found: list[Candidate]) -> list[list[Candidate]]:
    """Group scans that are close in time; those without a time belong to the first group."""
    timed = sorted((each for each in found if each.taken), key=_age)
    phases: list[list[Candidate]] = []
    for each in timed:
        last = phases[-1][-1].taken if phases else None
        if last is not None and each.taken is not None and each.taken - last <= SAME_PHASE:
            phases[-1].append(each)
        else:
            phases.append([each])
    untimed = [each for each in found if each.taken is None]
    if untimed:
        phases[:1] = [[*untimed, *(phases[0] if phases else [])]]
    return phases


def _joined(found: list[Candidate]) -> Candidate | None:
    """Join two single views into one scan; None if there are not two, or if both show the same side."""
    if len(found) != 2 or any(each.frames != 1 for each in found):
        return None
    one, other = found
    if one.side is not None and one.side == other.side:
        return None
    files = tuple(sorted(one.files + other.files))
    return replace(one, files=files, coloured=False, declared_static=False, photopeak=True, frames=2, side=None)


def _age(each: Candidate) -> tuple[datetime, tuple[float, float]]:
    return each.taken or datetime.min, each.order
