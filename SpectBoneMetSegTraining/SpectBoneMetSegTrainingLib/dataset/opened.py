"""A data set with a cache, so that each file is read once by all functions that use its cases."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from .files import read_image, read_json

__all__ = ["Data", "DataSet", "opened"]

#: Bytes of images kept in memory: about 200 whole-body scans with their labels.
IMAGE_BYTES = 2**28


class DataSet:
    """A data set that caches the files read; thread-safe.

    All JSON files and the most recently used images are kept. Later changes on the disk are not seen: functions that
    write into a data set take its folder instead.

    Attributes:
        folder: the data set's folder.
    """

    def __init__(self, folder: Path, image_bytes: int = IMAGE_BYTES) -> None:
        """Open a data set; nothing is read yet.

        Args:
            folder: the data set's folder.
            image_bytes: bytes of images to keep in memory.
        """
        self.folder = folder
        self._limit = image_bytes
        self._json: dict[tuple[str, ...], Any] = {}
        self._images: OrderedDict[tuple[str, ...], NDArray[Any]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def json(self, *parts: str) -> Any:
        """Return the content of a JSON file, by folder and name; callers must not change it.

        Raises:
            UserError: the file is missing or damaged.
        """
        if parts not in self._json:
            self._json[parts] = read_json(self.folder.joinpath(*parts))
        return self._json[parts]

    def image(self, *parts: str) -> NDArray[Any]:
        """Return an image file as (slices, rows, columns), by folder and name; read-only.

        Raises:
            UserError: the file is missing or damaged.
        """
        with self._lock:
            if parts in self._images:
                self._images.move_to_end(parts)
                return self._images[parts]
        image = read_image(self.folder.joinpath(*parts))
        image.flags.writeable = False
        with self._lock:
            if parts not in self._images:
                self._images[parts] = image
                self._bytes += image.nbytes
            while self._bytes > self._limit and self._images:
                self._bytes -= self._images.popitem(last=False)[1].nbytes
        return image

    def records(self) -> dict[str, Any]:
        """Return {file name: content} of `instances/*.json`, sorted by file name.

        Raises:
            UserError: a file is damaged.
        """
        paths = (self.folder / "instances").glob("*.json")
        names = sorted(path.name for path in paths if not path.name.startswith("."))
        return {name: self.json("instances", name) for name in names}


#: A data set: its folder, from which every call reads anew, or an open `DataSet`.
Data = Path | DataSet


def opened(data: Data) -> DataSet:
    """Return an open data set as it is, or open a folder."""
    return data if isinstance(data, DataSet) else DataSet(data)
