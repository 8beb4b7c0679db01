"""The curves of a running training, read bit by bit: a look costs what was added since the last one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class CurveReader:
    """Two columns of a log (CSV) that grows, and starts anew where a training was taken up again."""

    def __init__(self, path: Path, columns: tuple[str, str]) -> None:
        self._path, self._columns = path, columns
        self._file: tuple[int, int] | None = None
        self._place = 0
        self._picks: tuple[int, int] | None = None

    def read(self) -> tuple[Array, bool]:
        """What came since the last look.

        Returns:
            (n, 2) rows of the two columns; whether they replace all earlier ones instead of following them.
        """
        empty = np.zeros((0, 2))
        try:
            with self._path.open("rb") as file:
                about = self._path.stat()
                identity = (about.st_dev, about.st_ino)
                replaced = self._file is not None and (identity != self._file or about.st_size < self._place)
                if identity != self._file or replaced:
                    self._file, self._place, self._picks = identity, 0, None
                file.seek(self._place)
                text = file.read()
        except OSError:
            # Not written yet, or gone for the moment between two files of the same name.
            return empty, False
        whole = text[: text.rfind(b"\n") + 1]
        self._place += len(whole)
        lines = [line.split(",") for line in whole.decode("utf-8", "replace").splitlines()]
        if self._picks is None and lines:
            header = lines.pop(0)
            if not set(self._columns) <= set(header):
                return empty, replaced
            self._picks = (header.index(self._columns[0]), header.index(self._columns[1]))
        rows = [] if self._picks is None else [[float(line[i]) for i in self._picks] for line in lines]
        return (np.array(rows) if rows else empty), replaced
