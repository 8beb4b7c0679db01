"""Determine which view is anterior and which is posterior.

Swapped views would be a grave error, so a side is accepted only if a source states it (a view code, a short text, the
user) and no source contradicts it. Ambiguous scans are refused with the option that resolves them. Detector numbers,
gantry angles and frame order are not reliable and are not used.
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
#: anatomical and projection codes that some systems write instead.
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

#: Width by height from which an image may hold two views: one view has about 0.25 (256 x 1024), two side by side 0.5.
SIDE_BY_SIDE_RATIO = 0.4

_REMEDY_ONE = "state which, anterior or posterior"
_REMEDY_TWO = "state which, anterior,posterior or posterior,anterior, in stored order"

_ANTERIOR = frozenset({"ANT", "ANTERIOR", "ANTERIEUR", "ANTERIEURE", "VENTRAL"})
_POSTERIOR = frozenset({"POST", "POSTERIOR", "POSTERIEUR", "POSTERIEURE", "DORSAL"})
#: "Post" names a side only before one of these: "post injection", "post OP", "3 h post" refer to time.
_AFTER_POST = _ANTERIOR | frozenset({
    "AND", "WB", "WHOLE", "BODY", "WHOLEBODY", "BONE", "SCAN", "SCINTIGRAPHY", "VIEW", "IMAGE", "PLANAR",
    "STATIC", "EMISSION", "E", "EM", "TC", "TC99M", "MDP", "HDP", "DET", "DETECTOR", "HEAD", "RAW",
    "PROJECTION", "SIMULATED",
})  # fmt: skip
_TIME = frozenset({
    "H", "HR", "HRS", "HOUR", "HOURS", "MIN", "MINS", "MINUTES", "DAY", "DAYS", "WEEK", "WEEKS", "MONTH",
    "MONTHS", "YEAR", "YEARS",
})  # fmt: skip
#: Tokens of texts about time, another projection or a beam direction: such a text names no side.
_EXCLUDING = frozenset({
    "PRE", "OBLIQUE", "OBL", "LATERAL", "LAT", "LAO", "RAO", "LPO", "RPO", "ANTERO", "POSTERO",
    "ANTEROPOSTERIOR", "POSTEROANTERIOR", "NOT",
})  # fmt: skip
_MOST_TOKENS = 8


def views_in_text(text: str) -> tuple[ViewName, ...]:
    """Return the sides that a short header text or file name names, in its order.

    () if it names none or refers to something else (time, another projection, a beam direction). Longer texts are
    clinical remarks ("pain in the posterior ribs"), not labels, and name no side.
    """
    spaced = text.upper().replace("ANTPOST", "ANT POST").replace("POSTANT", "POST ANT")
    tokens = re.findall(r"[A-Z]+[0-9]+M|[A-Z]+|[0-9]+", spaced)
    if len(tokens) > _MOST_TOKENS or not _EXCLUDING.isdisjoint(tokens):
        return ()
    found: list[ViewName] = []
    for index, token in enumerate(tokens):
        if token in _ANTERIOR:
            found.append("anterior")
        elif token in _POSTERIOR and (token != "POST" or _post_is_a_side(tokens, index)):
            found.append("posterior")
    return tuple(dict.fromkeys(found))


def _post_is_a_side(tokens: Sequence[str], index: int) -> bool:
    if index and tokens[index - 1] in _TIME:
        return False
    rest = tokens[index + 1 :]
    if not rest:
        return True
    if rest[0].isdigit():
        return len(rest) == 1 or rest[1] in _AFTER_POST
    return rest[0] in _AFTER_POST


def parse_views(views: Sequence[str] | None) -> tuple[ViewName, ...] | None:
    """Parse the view names that the user gives.

    Raises:
        UserError: empty, unknown or repeated names.
    """
    if views is None:
        return None
    if isinstance(views, str):
        views = views.split(",")
    names = tuple(name for given in views for name in VIEW_NAMES if name == str(given).strip().lower())
    if not names or len(names) != len(views) or len(set(names)) != len(names):
        text = ",".join(str(given) for given in views)
        raise UserError(
            f"The views {text} are not understood: name anterior, posterior or both once, separated by a comma.",
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
    """Assign a side to every frame; one wide frame is split into its two halves.

    Args:
        frames: in stored order.
        views: sides named by the user, for frames whose file names none.
        study: name of the file or folder for messages.
        warnings: gets a message if a side was assumed, or if the user's sides replaced the file's.
        override: use `views` even where they contradict the file.

    Returns:
        The frames by side.

    Raises:
        UserError: sides are missing, contradict each other or repeat, or there are too many images.
    """
    sides = _assigned(frames, views, study, warnings, override=override)
    _check_bodies(sides, study)
    return sides


def _assigned(
    frames: Sequence[Frame], views: tuple[ViewName, ...] | None, study: str, warnings: list[str], *, override: bool
) -> dict[ViewName, Frame]:
    if len(frames) > 2:
        raise UserError(
            f"{study} holds {len(frames)} images, not one or two whole-body views; export only the anterior and the "
            "posterior view."
        )
    if views is not None:
        chosen = _frames_for(frames, views, study)
        _check_named_views(frames, views, study, warnings, override=override)
        return dict(zip(views, chosen, strict=True))
    if len(frames) == 1 and is_wide(frames[0].counts.shape) and not frames[0].other_view:
        return _wide_frame(frames[0], study)
    sides = [
        _side(frame, count=len(frames), alone=_is_only_frame_of_file(frame, frames), study=study) for frame in frames
    ]
    if sides == [None]:
        # A secondary capture has no view code; sites that store a single view store the anterior one.
        warnings.append(
            f"{study} does not state which view it shows; assumed to be anterior; if it is posterior, state that."
        )
        return {"anterior": frames[0]}
    if len(set(sides)) != len(sides):
        raise UserError(f"{study} holds two {sides[0]} views; if that is wrong, {_REMEDY_TWO}.", "views")
    return {side: frame for side, frame in zip(sides, frames, strict=True) if side is not None}


def _frames_for(frames: Sequence[Frame], views: tuple[ViewName, ...], study: str) -> Sequence[Frame]:
    if len(frames) == len(views):
        return frames
    if len(frames) == 1 and is_wide(frames[0].counts.shape):
        return _halves(frames[0], study)
    have = "one image" if len(frames) == 1 else f"{len(frames)} images"
    raise UserError(
        f"{study} holds {have} but {len(views)} views are named; name one view per image in stored order.", "views"
    )


def _check_named_views(
    frames: Sequence[Frame], views: tuple[ViewName, ...], study: str, warnings: list[str], *, override: bool
) -> None:
    """Refuse the user's sides where the file states others, or add a warning if they override the file."""
    stated = (
        _sides_of_halves(frames[0]) if len(frames) < len(views) else [_stated_side(each, frames) for each in frames]
    )
    conflicts = [
        f"image {number} is {own}"
        for number, (own, user) in enumerate(zip(stated, views, strict=True), start=1)
        if own and own != user
    ]
    if not conflicts:
        return
    message = f"{study} states that {' and '.join(conflicts)}"
    if not override:
        raise UserError(
            f"{message}, but {','.join(views)} was given; use the views that the file states.",
            "views",
            "views_override",
        )
    warnings.append(f"{message}; {','.join(views)} was used instead, as requested: check left and right.")


def _stated_side(frame: Frame, frames: Sequence[Frame]) -> str:
    """Return the side, or the name of another projection, that a file states for a frame; "" if ambiguous."""
    if frame.other_view:
        return frame.other_view
    texts: Iterable[str] = frame.texts if _is_only_frame_of_file(frame, frames) else ()
    stated = {views[0] for views in map(views_in_text, texts) if len(views) == 1}
    if frame.code is not None:
        stated.add(frame.code)
    return stated.pop() if len(stated) == 1 else ""


def _sides_of_halves(frame: Frame) -> Sequence[str]:
    """Return the sides that a file states for the two halves of its wide image."""
    orders = {views for views in map(views_in_text, frame.texts) if len(views) == 2}
    return orders.pop() if len(orders) == 1 else ("", "")


def _wide_frame(frame: Frame, study: str) -> dict[ViewName, Frame]:
    """Split a wide image into two views if a text names both; keep it as one view if all texts name the same one."""
    stated = [views_in_text(text) for text in frame.texts]
    orders = {views for views in stated if len(views) == 2}
    single = {views for views in stated if len(views) == 1}
    if frame.code is not None:
        single.add((frame.code,))
    if len(orders) == 1 and not single:
        return dict(zip(orders.pop(), _halves(frame, study), strict=True))
    if len(single) == 1 and not orders:
        return {single.pop()[0]: frame}
    raise UserError(
        f"{study} holds one wide image of {frame.counts.shape[1]} x {frame.counts.shape[0]} pixels and does not "
        f"state which views it shows; {_REMEDY_ONE}, or anterior,posterior for two halves.",
        "views",
    )


def _side(frame: Frame, *, count: int, alone: bool, study: str) -> ViewName | None:
    """Return the side of one of `count` frames from its code and, if it is alone in its file, from the file's texts.

    None for a single frame whose format has no field for the side and whose texts name none.
    """
    remedy = _REMEDY_ONE if count == 1 else _REMEDY_TWO
    if frame.other_view:
        raise UserError(
            f"{study} holds an image marked {frame.other_view!r}; export only the anterior and the posterior view, "
            f"or {remedy}.",
            "views",
        )
    texts: Iterable[str] = frame.texts if alone else ()
    stated = {views[0] for views in map(views_in_text, texts) if len(views) == 1}
    if frame.code is not None:
        stated.add(frame.code)
    file = "" if frame.file.name == study else f" (file {frame.name})"
    if not stated and count == 1 and frame.no_side_field:
        return None
    if not stated:
        raise UserError(f"{study} does not state which view an image shows{file}; {remedy}.", "views")
    if len(stated) > 1:
        raise UserError(f"{study} calls one image both anterior and posterior{file}; {remedy}.", "views")
    return stated.pop()


def _is_only_frame_of_file(frame: Frame, frames: Sequence[Frame]) -> bool:
    return sum(other.file == frame.file for other in frames) == 1


def is_wide(shape: tuple[int, ...]) -> bool:
    """Whether an image of (rows, columns) pixels may hold both views side by side."""
    return shape[1] >= SIDE_BY_SIDE_RATIO * shape[0]


def _check_bodies(sides: dict[ViewName, Frame], study: str) -> None:
    """Check that each view shows one body; several are panels of other views or intensities.

    Raises:
        UserError: a view with two bodies side by side.
    """
    for side, frame in sides.items():
        bodies = find_bodies(frame.counts)
        if len(bodies) > 1:
            raise UserError(
                f"{study} would have {len(bodies)} bodies in its {side} view: it shows more than two images side by "
                "side, or another number than its name states; export the anterior and the posterior view alone."
            )


def _halves(frame: Frame, study: str) -> tuple[Frame, Frame]:
    columns = frame.counts.shape[1]
    bodies = find_bodies(frame.counts)
    first, end = bodies[0].columns if len(bodies) == 1 else (0, 0)
    if 0.05 * columns < first < 0.4 * columns and 0.6 * columns < end < 0.95 * columns:
        raise UserError(
            f"{study} shows one body in the middle of its image, not two side by side; state which view it is, "
            "anterior or posterior.",
            "views",
        )
    if columns % 2:
        raise UserError(f"{study} is {columns} columns wide and has no two equal halves; export each view on its own.")
    left, right = np.split(frame.counts, 2, axis=1)
    return tuple(Frame(half, frame.spacing, frame.file, display_name=frame.display_name) for half in (left, right))  # type: ignore[return-value]
