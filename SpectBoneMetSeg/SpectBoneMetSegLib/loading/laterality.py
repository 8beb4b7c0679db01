"""Who is anterior and who is posterior.

A swapped side is the worst thing a reader of bone scans can do, so a side is believed only when something says it
(a view code, a short text, the user) and nothing contradicts it. What stays open is refused with the option that
settles it. Detector numbers, gantry angles and frame order say nothing reliable and are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..common.errors import UserError
from ..scan.bodies import find_bodies
from ..scan.planar import VIEW_NAMES, ViewName
from .frames import Frame

__all__ = [
    "SIDE_BY_SIDE_RATIO",
    "VIEW_CODES",
    "assign_views",
    "is_wide",
    "parse_views",
    "views_in_text",
]

#: Code values (any scheme) of the two sides: DICOM PS3.16 CID 26 in SNOMED CT and its older SNOMED-RT values, then the
#: anatomical and the projection codes that some systems write instead.
VIEW_CODES: dict[str, ViewName] = {
    "399321004": "anterior",
    "G-5215": "anterior",
    "255549009": "anterior",
    "R-404CC": "anterior",
    "399348003": "anterior",
    "R-10206": "anterior",
    "399001007": "posterior",
    "G-5216": "posterior",
    "255551008": "posterior",
    "R-404CE": "posterior",
    "R-10214": "posterior",
}

#: One whole-body view is about a quarter as wide as it is high (256 x 1024), two side by side about half.
SIDE_BY_SIDE_RATIO = 0.4

_REMEDY_ONE = "say which, anterior or posterior"
_REMEDY_TWO = "say which, anterior,posterior or posterior,anterior, in stored order"

_ANTERIOR = frozenset({"ANT", "ANTERIOR", "ANTERIEUR", "ANTERIEURE", "VENTRAL"})
_POSTERIOR = frozenset({"POST", "POSTERIOR", "POSTERIEUR", "POSTERIEURE", "DORSAL"})
#: "Post" is a side only next to words like these: "post injection", "post OP", "3 h post" speak of time.
_BESIDE_POST = _ANTERIOR | frozenset({
    "AND", "WB", "WHOLE", "BODY", "WHOLEBODY", "BONE", "SCAN", "SCINTIGRAPHY", "VIEW", "IMAGE", "PLANAR",
    "STATIC", "EMISSION", "E", "EM", "TC", "TC99M", "MDP", "HDP", "DET", "DETECTOR", "HEAD", "RAW",
    "PROJECTION", "SIMULATED",
})  # fmt: skip
_TIME = frozenset({
    "H", "HR", "HRS", "HOUR", "HOURS", "MIN", "MINS", "MINUTES", "DAY", "DAYS", "WEEK", "WEEKS", "MONTH",
    "MONTHS", "YEAR", "YEARS",
})  # fmt: skip
#: Words that make a text one about time, another projection or a beam direction: it then names no side at all.
_SPOILERS = frozenset({
    "PRE", "OBLIQUE", "OBL", "LATERAL", "LAT", "LAO", "RAO", "LPO", "RPO", "ANTERO", "POSTERO",
    "ANTEROPOSTERIOR", "POSTEROANTERIOR", "NOT",
})  # fmt: skip
_MOST_WORDS = 8


def views_in_text(text: str) -> tuple[ViewName, ...]:
    """The sides that a short header text or file name speaks of, in its order.

    () when it names none or is about something else (time, another projection, the direction of a beam). Longer
    sentences are clinical remarks ("pain in the posterior ribs"), not labels, and name no side.
    """
    spaced = text.upper().replace("ANTPOST", "ANT POST").replace("POSTANT", "POST ANT")
    words = re.findall(r"[A-Z]+[0-9]+M|[A-Z]+|[0-9]+", spaced)
    if len(words) > _MOST_WORDS or not _SPOILERS.isdisjoint(words):
        return ()
    found: list[ViewName] = []
    for place, word in enumerate(words):
        if word in _ANTERIOR:
            found.append("anterior")
        elif word in _POSTERIOR and (word != "POST" or _post_is_a_side(words, place)):
            found.append("posterior")
    return tuple(dict.fromkeys(found))


def _post_is_a_side(words: Sequence[str], place: int) -> bool:
    if place and words[place - 1] in _TIME:
        return False
    rest = words[place + 1 :]
    if not rest:
        return True
    if rest[0].isdigit():
        return len(rest) == 1 or rest[1] in _BESIDE_POST
    return rest[0] in _BESIDE_POST


def parse_views(views: Sequence[str] | None) -> tuple[ViewName, ...] | None:
    """The sides that the user names as view names.

    Raises:
        UserError: empty, unknown or repeated names.
    """
    if views is None:
        return None
    if isinstance(views, str):
        views = views.split(",")
    names = tuple(name for word in views for name in VIEW_NAMES if name == str(word).strip().lower())
    if not names or len(names) != len(views) or len(set(names)) != len(names):
        given = ",".join(str(word) for word in views)
        raise UserError(
            f"The sides {given} are not understood: name anterior, posterior or both once, separated by a comma.",
            "views",
        )
    return names


def assign_views(
    frames: Sequence[Frame],
    views: tuple[ViewName, ...] | None,
    study: str,
    warnings: list[str],
    *,
    override: bool = False,
) -> dict[ViewName, Frame]:
    """Give every frame its side; one wide frame is cut into its two halves.

    Args:
        frames: in stored order.
        views: the user's word, which settles what the files leave open.
        study: name of the file or folder for messages.
        warnings: a sentence is added when a side had to be assumed, or the user's word was taken against the file's.
        override: take the user's word also against the file's.

    Raises:
        UserError: sides are missing, contradict each other or repeat, or there are too many pictures.
    """
    sides = _assigned(frames, views, study, warnings, override=override)
    _check_bodies(sides, study)
    return sides


def _assigned(
    frames: Sequence[Frame], views: tuple[ViewName, ...] | None, study: str, warnings: list[str], *, override: bool
) -> dict[ViewName, Frame]:
    if len(frames) > 2:
        raise UserError(
            f"{study} holds {len(frames)} pictures, not one or two whole-body views; export only the anterior and the "
            "posterior view."
        )
    if views is not None:
        chosen = _frames_for(frames, views, study)
        _check_word(frames, views, study, warnings, override=override)
        return dict(zip(views, chosen, strict=True))
    if len(frames) == 1 and is_wide(frames[0].counts.shape) and not frames[0].other_view:
        return _wide_frame(frames[0], study)
    sides = [_side(frame, count=len(frames), alone=_has_file_to_itself(frame, frames), study=study) for frame in frames]
    if sides == [None]:
        # A secondary capture has no view code; sites that keep one view keep the anterior one.
        warnings.append(f"{study} does not say which side it shows; taken as anterior, else say that it is posterior.")
        return {"anterior": frames[0]}
    if len(set(sides)) != len(sides):
        raise UserError(f"{study} holds two {sides[0]} views; if that is wrong, {_REMEDY_TWO}.", "views")
    return {side: frame for side, frame in zip(sides, frames, strict=True) if side is not None}


def _frames_for(frames: Sequence[Frame], views: tuple[ViewName, ...], study: str) -> Sequence[Frame]:
    if len(frames) == len(views):
        return frames
    if len(frames) == 1 and is_wide(frames[0].counts.shape):
        return _halves(frames[0], study)
    have = "one picture" if len(frames) == 1 else f"{len(frames)} pictures"
    raise UserError(
        f"{study} holds {have} but {len(views)} sides are named; name one side per picture in stored order.", "views"
    )


def _check_word(
    frames: Sequence[Frame], views: tuple[ViewName, ...], study: str, warnings: list[str], *, override: bool
) -> None:
    """Refuse the user's word where the file clearly says otherwise, or note that it was taken all the same."""
    said = _said_by_halves(frames[0]) if len(frames) < len(views) else [_said_by(frame, frames) for frame in frames]
    against = [
        f"picture {number} {own}"
        for number, (own, user) in enumerate(zip(said, views, strict=True), start=1)
        if own and own != user
    ]
    if not against:
        return
    told = f"{study} itself calls {' and '.join(against)}"
    if not override:
        raise UserError(
            f"{told}, and {','.join(views)} as named contradicts it; leave the sides to the file.",
            "views",
            "views_override",
        )
    warnings.append(f"{told}; {','.join(views)} was taken instead, as insisted on: check left and right.")


def _said_by(frame: Frame, frames: Sequence[Frame]) -> str:
    """The side, or the name of another projection, that a file gives one of its pictures; "" where it is not clear."""
    if frame.other_view:
        return frame.other_view
    texts: Iterable[str] = frame.texts if _has_file_to_itself(frame, frames) else ()
    said = {views[0] for views in map(views_in_text, texts) if len(views) == 1}
    if frame.code is not None:
        said.add(frame.code)
    return said.pop() if len(said) == 1 else ""


def _said_by_halves(frame: Frame) -> Sequence[str]:
    """The sides that a file gives the two halves of its wide picture."""
    orders = {views for views in map(views_in_text, frame.texts) if len(views) == 2}
    return orders.pop() if len(orders) == 1 else ("", "")


def _wide_frame(frame: Frame, study: str) -> dict[ViewName, Frame]:
    """Both views side by side when a text names both, one view when every text names the same one."""
    said = [views_in_text(text) for text in frame.texts]
    orders = {views for views in said if len(views) == 2}
    single = {views for views in said if len(views) == 1}
    if frame.code is not None:
        single.add((frame.code,))
    if len(orders) == 1 and not single:
        return dict(zip(orders.pop(), _halves(frame, study), strict=True))
    if len(single) == 1 and not orders:
        return {single.pop()[0]: frame}
    raise UserError(
        f"{study} holds one wide picture of {frame.counts.shape[1]} x {frame.counts.shape[0]} pixels and does not say "
        f"which views it shows; {_REMEDY_ONE}, or anterior,posterior for two halves.",
        "views",
    )


def _side(frame: Frame, *, count: int, alone: bool, study: str) -> ViewName | None:
    """The side of one of `count` frames from its code and, if its file holds nothing else, from the file's texts.

    None for an only frame whose format cannot tell a side and whose texts do not.
    """
    remedy = _REMEDY_ONE if count == 1 else _REMEDY_TWO
    if frame.other_view:
        raise UserError(
            f"{study} holds a picture marked {frame.other_view!r}; export only the anterior and the posterior view, "
            f"or {remedy}.",
            "views",
        )
    texts: Iterable[str] = frame.texts if alone else ()
    said = {views[0] for views in map(views_in_text, texts) if len(views) == 1}
    if frame.code is not None:
        said.add(frame.code)
    file = "" if frame.file.name == study else f" (file {frame.name})"
    if not said and count == 1 and frame.no_side_field:
        return None
    if not said:
        raise UserError(f"{study} does not say which side of the patient a picture shows{file}; {remedy}.", "views")
    if len(said) > 1:
        raise UserError(f"{study} calls one picture both anterior and posterior{file}; {remedy}.", "views")
    return said.pop()


def _has_file_to_itself(frame: Frame, frames: Sequence[Frame]) -> bool:
    return sum(other.file == frame.file for other in frames) == 1


def is_wide(shape: tuple[int, ...]) -> bool:
    """Whether a picture of (rows, columns) pixels may hold both views side by side."""
    return shape[1] >= SIDE_BY_SIDE_RATIO * shape[0]


def _check_bodies(sides: dict[ViewName, Frame], study: str) -> None:
    """A view shows one body; more are panels of other views or intensities.

    Raises:
        UserError: a view with two bodies side by side.
    """
    for side, frame in sides.items():
        bodies = find_bodies(frame.counts)
        if len(bodies) > 1:
            raise UserError(
                f"{study} would have {len(bodies)} bodies in its {side} view: it shows more than two pictures side by "
                "side, or another number than its name says; export the anterior and the posterior view alone."
            )


def _halves(frame: Frame, study: str) -> tuple[Frame, Frame]:
    columns = frame.counts.shape[1]
    bodies = find_bodies(frame.counts)
    first, end = bodies[0].columns if len(bodies) == 1 else (0, 0)
    if 0.05 * columns < first < 0.4 * columns and 0.6 * columns < end < 0.95 * columns:
        raise UserError(
            f"{study} shows one body in the middle of its picture, not two side by side; say which side it is, "
            "anterior or posterior.",
            "views",
        )
    if columns % 2:
        raise UserError(f"{study} is {columns} columns wide and has no two equal halves; export each view on its own.")
    left, right = np.split(frame.counts, 2, axis=1)
    return tuple(Frame(half, frame.spacing, frame.file, display_name=frame.display_name) for half in (left, right))  # type: ignore[return-value]
