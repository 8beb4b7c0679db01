"""The log of a run: a JSON line per study, with the seconds of each step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from ..common.errors import UserError, reason_of

__all__ = ["check_log", "line_of", "log_file"]

#: Tables in the folder of results, which would overwrite a log of that name.
TABLES = ("manifest.csv", "batch.csv", "failures.csv", "summary.html")


def check_log(path: Path | None, output: Path) -> None:
    """Check before a run that its log can be written.

    Args:
        path: the log; None for no log.
        output: folder of all results.

    Raises:
        UserError: it cannot be opened, or is one of the tables of the run.
    """
    if path is None:
        return
    if path.resolve() in [(output / name).resolve() for name in TABLES]:
        raise UserError(f"{path} is a table of the results; choose another file for the log.", "log")
    existed = path.exists()
    _opened(path).close()
    if not existed:
        path.unlink()


@contextmanager
def log_file(path: Path | None) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that appends a JSON line to a file; without a file it does nothing.

    Raises:
        UserError: the file cannot be opened; from the function, a line cannot be written.
    """
    if path is None:
        yield lambda line: None
        return
    file = _opened(path)

    def write(line: Mapping[str, Any]) -> None:
        try:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
        except OSError as error:
            raise _not_writable(path, error) from error

    try:
        yield write
    finally:
        # A line that could not be written is tried again here; it has been reported.
        with suppress(OSError):
            file.close()


def line_of(file: Path, case: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the line of a study, or of a damaged file: time, result, and the seconds of the steps.

    Args:
        file: the input.
        case: name of the case, "" for a damaged file.
        result: result of `work.read_case`, or a failure.
    """
    line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "input": str(file), "case": case}
    if "failure" in result:
        return {**line, "state": "failed", "reason": result["failure"]}
    return {**line, "state": "read", **{name: result[name] for name in ("lesions", "area_cm2", "device", "seconds")}}


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise _not_writable(path, error) from error


def _not_writable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path} cannot be written ({reason_of(error)}); name another file for the log.", "log")
