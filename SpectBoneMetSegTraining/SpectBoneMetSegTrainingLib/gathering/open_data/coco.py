"""Read anatomy from COCO annotations with one category per region and view: "pelvisANT", "left ribs POST"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName

from ...dataset.files import read_json

__all__ = ["CocoBones", "read_coco", "region_of"]

#: Substrings of category names and their regions, in search order.
WORDS = {
    "cerv": "cervical spine", "thorac": "thoracic spine", "lumb": "lumbar spine", "sacr": "sacrum", "pelvi": "pelvis",
    "skull": "skull", "head": "skull", "crani": "skull", "rib": "ribs", "scap": "scapula", "humer": "humerus",
    "femur": "femur", "femor": "femur", "stern": "sternum", "clavi": "clavicle", "collar": "clavicle",
    "forearm": "forearm and hand", "ulna": "forearm and hand", "radius": "forearm and hand", "hand": "forearm and hand",
    "tibia": "lower leg and foot", "fibula": "lower leg and foot", "foot": "lower leg and foot",
    "lower leg": "lower leg and foot", "lowerleg": "lower leg and foot",
}  # fmt: skip


def region_of(category: str) -> str | None:
    """Return the region of a category's name; None for a category of another kind."""
    return next((region for word, region in WORDS.items() if word in category.lower()), None)


class CocoBones:
    """Outlines of regions of many views.

    Attributes:
        regions: regions that have a category.
        unknown: categories without a region.
        images: number of images.
    """

    def __init__(self) -> None:
        self.regions: set[str] = set()
        self.unknown: set[str] = set()
        self.images = 0
        self._found: dict[tuple[str, ViewName], list[tuple[str, Any]]] = {}

    def add(self, values: Mapping[str, Any]) -> None:
        """Add one file's annotations.

        Raises:
            KeyError, TypeError: they are not in COCO format.
        """
        places = {}
        for image in values["images"]:
            found = re.search(r"(\d+)(ANT|POST)\.", str(image["file_name"]), re.IGNORECASE)
            if found:
                view: ViewName = "anterior" if found.group(2).upper() == "ANT" else "posterior"
                places[image["id"]] = (str(int(found.group(1))), view)
        self.images += len(places)
        names = {each["id"]: str(each["name"]) for each in values["categories"]}
        for each in values["annotations"]:
            region, place = region_of(names[each["category_id"]]), places.get(each["image_id"])
            if region is None:
                self.unknown.add(names[each["category_id"]])
                continue
            self.regions.add(region)
            if place is not None:
                self._found.setdefault(place, []).append((region, each["segmentation"]))

    @property
    def places(self) -> list[tuple[str, ViewName]]:
        """(patient, view) of all views with an outline."""
        return list(self._found)

    def of(self, patient: str) -> dict[str, list[tuple[str, Any]]]:
        """Return {view: [(region, segmentation)]} of a patient, JSON values."""
        return {view: self._found[patient, view] for view in VIEW_NAMES if (patient, view) in self._found}

    def mask(self, patient: str, view: ViewName, shape: tuple[int, int], numbers: Mapping[str, int]) -> Any:
        """Return the (rows, columns) int64 region numbers as stored; None if that view was not outlined.

        Raises:
            UserError: an outline is damaged, or is one of an image of another size.
        """
        if (patient, view) not in self._found:
            return None
        result = np.zeros(shape, np.int64)
        for region, segmentation in self._found[patient, view]:
            try:
                result[_drawn(segmentation, shape)] = numbers[region]
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise UserError(f"An outline of its {view} view is damaged; download the outlines again.") from error
        return result


def read_coco(folder: Path) -> CocoBones:
    """Read the annotations in labels_train.json and labels_val.json, at any depth.

    Raises:
        UserError: there is no such file, or one is damaged.
    """
    paths = sorted(path for path in folder.rglob("labels_*.json") if not path.name.startswith("."))
    if not paths:
        raise UserError(f"{folder} holds neither labels_train.json nor labels_val.json; give the folder they lie in.")
    bones = CocoBones()
    for path in paths:
        try:
            bones.add(read_json(path, remedy="download it again"))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(f"{path} holds no COCO annotations; download it again.") from error
    return bones


def _drawn(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Rasterise polygons, or run lengths down the columns, as a (rows, columns) mask.

    Raises:
        UserError: the run lengths are those of an image of another size.
    """
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = list(_run_lengths(counts)) if isinstance(counts, str) else counts
        flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        rows, columns = segmentation["size"]
        if (rows, columns) != shape or flat.size != rows * columns:
            raise UserError(f"Its outlines are those of an image of {columns} x {rows} pixels.")
        return flat.reshape(columns, rows).T
    from PIL import Image, ImageDraw

    picture = Image.new("1", (shape[1], shape[0]))
    for polygon in segmentation:
        ImageDraw.Draw(picture).polygon([float(value) for value in polygon], fill=1)
    return np.asarray(picture, bool)


def _run_lengths(text: str) -> Iterator[int]:
    """Decode COCO's compressed run lengths: 5 bits a character, least first; from the 4th on, delta to two before."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            letter = ord(text[place]) - 48
            value |= (letter & 0x1F) << shift
            more = bool(letter & 0x20)
            place += 1
            shift += 5
            if not more and letter & 0x10:
                value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    yield from runs
