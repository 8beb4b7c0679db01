"""A child process that compares a reading in memory with earlier scans, and reads those that have no results yet."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.calls import Call, Progress, serve

__all__ = ["ACTIONS", "COMPARISON", "SHOWN", "compare", "start_comparison"]

#: Names in the folder of a comparison: the file for display, and the folder with the files of the command `compare`.
SHOWN, COMPARISON = "shown.npz", "comparison"


def start_comparison(arguments: Mapping[str, Any], python: str | None = None) -> Call:
    """Start the process; return at once. See `compare` for the arguments.

    Raises:
        UserError: the interpreter cannot be started.
    """
    import SpectBoneMetSegLib

    return Call(__name__, (SpectBoneMetSegLib,), "compare", arguments, python)


def compare(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Compare scans, and write the files for display and for saving.

    Args:
        arguments: "own", a file of `reading_file`; "earlier", result folders and scans; "folder", receives the files;
            "model", "engine", "device" and "options" of `Options` for scans that are read.
        progress: called with the number of steps done, their total, and the next step: "read", "compare" or "draw".

    Returns:
        "shown" and "comparison", the paths of SHOWN and COMPARISON.

    Raises:
        UserError: an earlier scan cannot be read, or they cannot be compared.
    """
    from ..followup.compare import compare as compare_readings
    from ..followup.files import save_comparison
    from ..followup.read_back import is_result, read_result
    from ..followup.side_by_side import save_side_by_side, side_by_side
    from ..loading.options import Options
    from ..pipeline import Reader
    from .reading_file import load_reading

    own, reader = load_reading(arguments["own"]), None
    paths = [Path(each) for each in arguments["earlier"]]
    steps = len(paths) + 2
    readings = [own]
    for number, path in enumerate(paths):
        progress(number, steps, "read")
        if is_result(path):
            readings.append(read_result(path))
            continue
        if reader is None:
            reader = Reader(arguments.get("model") or None, arguments["engine"], arguments["device"])
        readings.append(reader.read(path, Options(**arguments.get("options", {}))))
    progress(steps - 2, steps, "compare")
    # Scans without a date keep this order: the named scans come before the open one.
    comparison = compare_readings([*readings[1:], own])
    progress(steps - 1, steps, "draw")
    folder = Path(arguments["folder"])
    save_side_by_side(side_by_side(comparison, own), folder / SHOWN)
    save_comparison(comparison, folder / COMPARISON)
    return {"shown": str(folder / SHOWN), "comparison": str(folder / COMPARISON)}


ACTIONS = {"compare": compare}


def _tidy_up(arguments: dict[str, Any]) -> None:
    """Remove the files of a comparison when the window is closed."""
    shutil.rmtree(arguments["folder"], ignore_errors=True)


if __name__ == "__main__":
    serve(ACTIONS, _tidy_up)
