"""Declaration of a public data set: terms, file layout, known faults and the meaning of its labels."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName
from SpectBoneMetSegLib.scan.skeleton_regions import BONE_REGIONS

__all__ = ["LESION_WORDS", "VIEW_WORDS", "Files", "PublicSet", "read_description"]

Posterior = Literal["from behind", "assumed from behind", "flipped"]
Role = Literal["scan", "lesions", "bones", "boxes"]
#: How sets spell the views.
VIEW_WORDS: dict[str, ViewName] = {
    **dict.fromkeys(("a", "ant", "anterior"), "anterior"),
    **dict.fromkeys(("p", "post", "posterior"), "posterior"),
}
#: Meanings of a lesion mask's values; "benign" is not a lesion, "ignore" is excluded from training and evaluation.
LESION_WORDS = ("lesion", "benign", "ignore")


@dataclass(frozen=True)
class Files:
    """The files of a set with one role.

    Attributes:
        role: what they are: "scan"; "lesions" or "bones", masks; "boxes", Pascal-VOC XML.
        pattern: regular expression of a whole path below some folder, upper and lower case alike, with the group
            "patient" and, if the path contains them, "view" (VIEW_WORDS) and "group" (a class of patients).
        view: the view of all of these files, if their path does not contain it.
    """

    role: Role
    pattern: str
    view: ViewName | None = None

    def match(self, path: str) -> tuple[str, ViewName, str] | None:
        """Return (patient, view, group) of a path with "/" between folders; None for other files."""
        found = re.fullmatch(f"(?:.*/)?{self.pattern}", path, re.IGNORECASE)
        if found is None:
            return None
        parts = found.groupdict()
        view = self.view or VIEW_WORDS.get((parts.get("view") or "").lower())
        if view is None:
            return None
        patient = parts["patient"]
        # Numbers are padded in one part of a set and not in another.
        return (str(int(patient)) if patient.isdecimal() else patient), view, (parts.get("group") or "").strip()


@dataclass(frozen=True)
class PublicSet:
    """A public set.

    Attributes:
        name: as it follows `import`.
        title: as published.
        home: DOI or web page.
        citation: as published.
        licence: as published.
        files: how they lie.
        truth: how the reference labels were made.
        terms: what the licence leaves open or forbids, asked before anything is imported; "" where nothing.
        base: name of the set whose scans these masks belong to; "" where they come with it.
        people: whose patients these are, for sets that share them; "" for the set's own.
        size: (rows, columns) of every scan; None for any.
        posterior: how the posterior view is stored.
        pixel_mm: edge of a pixel; None where no source states one.
        pixel_source: source of the pixel size.
        grey: what the values are.
        counts: whether they are counts, no grey of a picture.
        lesions: {value of a lesion mask: one of LESION_WORDS}.
        bones: {view: {value of a bone mask: region}}.
        boxes: {name of a box in lower case: one of LESION_WORDS}.
        empty_without_mask: whether a view without a mask of lesions has none; otherwise such a view is not labelled.
        listed_split: whether the column "split" of manifest.csv states the split of published results.
        label_lists: regular expression, as a pattern of `Files`, of text files with the group "view" and a line per
            picture: its name, and 1 if it is abnormal, else 0; "" where there are none.
        diseased: {word of a group's name, lower case: whether such patients have lesions} where patients are sorted and
            nobody drew; accents do not count, and the first word that stands in the name counts.
        grouped: numbers start again in every group.
        expected: {kind: number} as published.
        twins: numbers that belong to one patient.
        left_out: {patient: reason}.
        faults: known faults, for the data set.
    """

    name: str
    title: str
    home: str
    citation: str
    licence: str
    files: tuple[Files, ...]
    truth: str
    terms: str = ""
    base: str = ""
    people: str = ""
    size: tuple[int, int] | None = None
    posterior: Posterior = "from behind"
    pixel_mm: float | None = None
    pixel_source: str = "stated nowhere"
    grey: str = "8-bit grey values"
    counts: bool = False
    lesions: Mapping[int, str] = field(default_factory=dict)
    bones: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    boxes: Mapping[str, str] = field(default_factory=dict)
    empty_without_mask: bool = False
    listed_split: bool = False
    label_lists: str = ""
    diseased: Mapping[str, bool] = field(default_factory=dict)
    grouped: bool = False
    expected: Mapping[str, int] = field(default_factory=dict)
    twins: tuple[tuple[str, ...], ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()

    def has_lesions(self, group: str) -> bool | None:
        """Whether patients of a group have lesions; None if not known from its name."""
        # "NoMetastasis" is two words.
        apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", _without_accents(group))
        words = re.findall(r"[^\W\d_]+", apart.lower())
        return next((diseased for word, diseased in self.diseased.items() if _without_accents(word) in words), None)

    @property
    def source(self) -> dict[str, str]:
        """Attribution and licence, for data sets and model cards."""
        return {"name": self.title, "licence": self.licence, "citation": self.citation, "home": self.home}


def _without_accents(text: str) -> str:
    """Return a text without the accents of its letters, which this normalisation turns into characters of their own."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


def read_description(path: Path) -> PublicSet:
    """Read a user's description, JSON with the fields of `PublicSet`.

    Raises:
        UserError: it is missing, damaged, or not a description.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(PublicSet)}
        required = [item.name for item in fields(PublicSet) if item.default is item.default_factory is MISSING]
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"no description has {unknown[0]!r}")
        missing = [name for name in required if name not in values]
        if missing:
            raise ValueError(f"it has no {missing[0]!r}")
        values["files"] = tuple(Files(**each) for each in values["files"])
        values["lesions"] = {int(value): word for value, word in values.get("lesions", {}).items()}
        values["bones"] = {
            view: {int(value): region for value, region in table.items()}
            for view, table in values.get("bones", {}).items()
        }
        for name in ("size", "faults"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        values["twins"] = tuple(tuple(each) for each in values.get("twins", ()))
        found = PublicSet(**values)
        _check(found)
        return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError, re.error) as error:
        raise UserError(
            f"{path} is no description of a set ({reason_of(error)}); docs/open-data.md shows one to begin with."
        ) from error


def _check(found: PublicSet) -> None:
    """Validate a description.

    Raises:
        ValueError: a field has an unsupported value.
    """
    for item in found.files:
        if item.role not in get_args(Role) or "patient" not in re.compile(item.pattern).groupindex:
            raise ValueError(f"files of the role {item.role!r} need a pattern with the group 'patient'")
    if found.label_lists and "view" not in re.compile(found.label_lists).groupindex:
        raise ValueError("label_lists need a pattern with the group 'view'")
    if found.posterior not in get_args(Posterior):
        raise ValueError(f"the posterior view is stored {' or '.join(get_args(Posterior))}, not {found.posterior!r}")
    for word in (*found.lesions.values(), *found.boxes.values()):
        if word not in LESION_WORDS:
            raise ValueError(f"a mask's values are {', '.join(LESION_WORDS)}, not {word!r}")
    if not set(found.bones) <= set(VIEW_NAMES):
        raise ValueError(f"bones are given per view, {' and '.join(VIEW_NAMES)}")
    for table in found.bones.values():
        for region in table.values():
            if region not in BONE_REGIONS:
                raise ValueError(f"there is no region {region!r}")


def as_json(found: PublicSet) -> dict[str, Any]:
    """Return the fields of a description that are written into the data set."""
    return {
        **found.source,
        "truth": found.truth,
        "grey": found.grey,
        "posterior": found.posterior,
        "faults": list(found.faults),
    }
