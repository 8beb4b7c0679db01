"""Collect what libraries in C print, which no object of Python sees."""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["native_output"]


@contextmanager
def native_output(*, wanted: bool = True) -> Iterator[list[str]]:
    """Collect the lines that are printed meanwhile on file descriptors 1 and 2; they do not appear on the terminal.

    Args:
        wanted: whether to do so; otherwise nothing changes.

    Yields:
        A list that has the lines afterwards.
    """
    lines: list[str] = []
    if not wanted:
        yield lines
        return
    _flush()
    try:
        saved = {number: os.dup(number) for number in (1, 2)}
    except OSError:
        # A process without a console, such as a GUI's, has no such descriptors.
        yield lines
        return
    with tempfile.TemporaryFile() as printed:
        for number in saved:
            os.dup2(printed.fileno(), number)
        try:
            yield lines
        finally:
            _flush()
            for number, original in saved.items():
                os.dup2(original, number)
                os.close(original)
            printed.seek(0)
            lines += printed.read().decode(errors="replace").splitlines()


def _flush() -> None:
    """Write out what this process, its C libraries included, has printed so far."""
    for stream in (sys.stdout, sys.stderr):
        # A GUI has none.
        if stream is not None:
            stream.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)
