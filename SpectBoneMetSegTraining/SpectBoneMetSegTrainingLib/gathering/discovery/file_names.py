"""What file names say: the side that was drawn on, and the reader who drew."""

from __future__ import annotations

import re

from SpectBoneMetSegLib.scan.planar import ViewName

__all__ = ["extends", "is_label_name", "reader_in", "side_in", "without_side"]

#: In a name of ours a bare "post" is a side: label files do not speak of the time after an injection.
SIDES: dict[str, ViewName] = {
    "ant": "anterior",
    "anterior": "anterior",
    "post": "posterior",
    "posterior": "posterior",
}
#: Words of a label file that name neither scan nor reader.
LABEL_WORDS = frozenset({
    "mask", "masks", "label", "labels", "labelmap", "seg", "segmentation", "lesion", "lesions", "truth", "annotation",
    "annotations",
})  # fmt: skip


def side_in(stem: str) -> ViewName | None:
    """The one side that a file's stem names; None when it names none or both."""
    sides = {SIDES[word] for word in _words(stem) if word in SIDES}
    return sides.pop() if len(sides) == 1 else None


def reader_in(stem: str) -> str:
    """The reader that is left of a label file's stem without sides and words such as "mask"; "" for none."""
    return "_".join(
        word for word in _split(stem) if word and word.lower() not in LABEL_WORDS and word.lower() not in SIDES
    )


def is_label_name(stem: str) -> bool:
    """Whether a picture file calls itself a label."""
    return not LABEL_WORDS.isdisjoint(_words(stem))


def without_side(stem: str) -> str:
    """A stem without its side, the same for both views of a scan."""
    return "_".join(word for word in _words(stem) if word not in SIDES)


def extends(stem: str, other: str) -> bool:
    """Whether a stem is another one with something added."""
    return stem.startswith(other) and stem[len(other) : len(other) + 1] in tuple(" ._-")


def _words(stem: str) -> list[str]:
    return [word.lower() for word in _split(stem) if word]


def _split(stem: str) -> list[str]:
    return re.split(r"[\s._-]+", stem)
