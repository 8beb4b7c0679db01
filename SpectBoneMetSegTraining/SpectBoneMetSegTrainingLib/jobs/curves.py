"""Incremental reading of a running training's curves: each call reads only the lines added since the last one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class CurveReader:
    """Reader of two columns of a growing log (CSV), which is replaced when a training is resumed."""

    def __init__(self, path: Path, columns: tuple[str, str]) -> None:
        self._path, self._columns = path, columns
        self._file: tuple[int, int] | None = None
        self._offset = 0
        self._indices: tuple[int, int] | None = None

    def read(self) -> tuple[Array, bool]:
        """Read the rows added since the last call.

        Returns:
            (n, 2) values of the two columns, and whether they replace all earlier ones instead of following them.
        """
        empty = np.zeros((0, 2))
        try:
            with self._path.open("rb") as file:
                stat = self._path.stat()
                identity = (stat.st_dev, stat.st_ino)
                replaced = self._file is not None and (identity != self._file or stat.st_size < self._offset)
                if identity != self._file or replaced:
                    self._file, self._offset, self._indices = identity, 0, None
                file.seek(self._offset)
                text = file.read()
        except OSError:
            # Not written yet, or being replaced.
            return empty, False
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = [line.split(",") for line in whole.decode("utf-8", "replace").splitlines()]
        if self._indices is None and lines:
            header = lines.pop(0)
            if not set(self._columns) <= set(header):
                return empty, replaced
            self._indices = (header.index(self._columns[0]), header.index(self._columns[1]))
        rows = [] if self._indices is None else [[float(line[i]) for i in self._indices] for line in lines]
        return (np.array(rows) if rows else empty), replaced
