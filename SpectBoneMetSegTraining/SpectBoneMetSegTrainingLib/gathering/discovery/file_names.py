"""Parse file names of labels: the view that was outlined, and the reader."""

from __future__ import annotations

import re

from SpectBoneMetSegLib.scan.planar import ViewName

__all__ = ["extends", "is_label_name", "reader_in", "side_in", "without_side"]

#: In a label file's name "post" means the posterior view, not the time after an injection.
SIDES: dict[str, ViewName] = {
    "ant": "anterior",
    "anterior": "anterior",
    "post": "posterior",
    "posterior": "posterior",
}
#: Terms in a label file's name that identify neither scan nor reader.
LABEL_WORDS = frozenset({
    "mask", "masks", "label", "labels", "labelmap", "seg", "segmentation", "lesion", "lesions", "truth", "annotation",
    "annotations",
})  # fmt: skip


def side_in(stem: str) -> ViewName | None:
    """Return the view named in a file's stem; None if it names none or both."""
    sides = {SIDES[word] for word in _words(stem) if word in SIDES}
    return sides.pop() if len(sides) == 1 else None


def reader_in(stem: str) -> str:
    """Return the reader: a label file's stem without views and terms such as "mask"; "" for none."""
    return "_".join(
        word for word in _split(stem) if word and word.lower() not in LABEL_WORDS and word.lower() not in SIDES
    )


def is_label_name(stem: str) -> bool:
    """Whether an image file's stem contains a label term such as "mask"."""
    return not LABEL_WORDS.isdisjoint(_words(stem))


def without_side(stem: str) -> str:
    """Return a stem without the view, the same for both views of a scan."""
    return "_".join(word for word in _words(stem) if word not in SIDES)


def extends(stem: str, other: str) -> bool:
    """Whether a stem is another stem with a separator and a suffix."""
    return stem.startswith(other) and stem[len(other) : len(other) + 1] in tuple(" ._-")


def _words(stem: str) -> list[str]:
    return [word.lower() for word in _split(stem) if word]


def _split(stem: str) -> list[str]:
    return re.split(r"[\s._-]+", stem)
