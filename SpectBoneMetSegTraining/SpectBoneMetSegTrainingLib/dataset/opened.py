"""A data set whose files are read once, to be handed down through all that looks at its cases."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .files import read_image, read_json

__all__ = ["Data", "DataSet", "opened"]

#: Bytes of images kept in memory as they were stored: about 200 scans of the whole body with their labels.
IMAGE_BYTES = 2**28


class DataSet:
    """A data set that remembers what was read of it; safe to use from threads.

    What its JSON files say is kept, and of its images the latest, as many as fit. What is changed on the disk meanwhile
    is not seen: whoever writes into a data set works on its folder.
    """

    def __init__(self, folder: Path, image_bytes: int = IMAGE_BYTES) -> None:
        """Nothing is read yet."""
        self.folder = folder
        self._limit = image_bytes
        self._json: dict[tuple[str, ...], Any] = {}
        self._images: OrderedDict[tuple[str, ...], NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def json(self, *place: str) -> Any:
        """What a JSON file says, by its folder and name; nobody may change it.

        Raises:
            UserError: it is missing or damaged.
        """
        if place not in self._json:
            self._json[place] = read_json(self.folder.joinpath(*place))
        return self._json[place]

    def image(self, *place: str) -> NDArray[Any]:
        """(slices, rows, columns) of an image file, by its folder and name; nobody may change it.

        Raises:
            UserError: it is missing or damaged.
        """
        with self._lock:
            if place in self._images:
                self._images.move_to_end(place)
                return self._images[place]
        image = read_image(self.folder.joinpath(*place))
        image.flags.writeable = False
        with self._lock:
            if place not in self._images:
                self._images[place] = image
                self._bytes += image.nbytes
            while self._bytes > self._limit and self._images:
                self._bytes -= self._images.popitem(last=False)[1].nbytes
        return image

    def records(self) -> dict[str, Any]:
        """{file name: what it says} of `instances/*.json`, by file name.

        Raises:
            UserError: one is damaged.
        """
        paths = (self.folder / "instances").glob("*.json")
        names = sorted(path.name for path in paths if not path.name.startswith("."))
        return {name: self.json("instances", name) for name in names}


#: A data set: its folder, of which every call reads what it needs, or one that is open.
Data = Path | DataSet


def opened(data: Data) -> DataSet:
    """The data set that is open already, or one that has read nothing yet."""
    return data if isinstance(data, DataSet) else DataSet(data)
