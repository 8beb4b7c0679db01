"""A child process that compares a reading in memory with earlier scans, and reads those that were not read yet."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..common.calls import Call, Progress, serve

__all__ = ["ACTIONS", "COMPARISON", "SHOWN", "compare", "start_comparison"]

#: What the folder of a comparison holds: what a window shows, and the folder with the files of the command `compare`.
SHOWN, COMPARISON = "shown.npz", "comparison"


def start_comparison(arguments: Mapping[str, Any], python: str | None = None) -> Call:
    """Start the process, see `compare` for the arguments; returns at once.

    Raises:
        UserError: the interpreter cannot be started.
    """
    import SpectBoneMetSegLib

    return Call(__name__, (SpectBoneMetSegLib,), "compare", arguments, python)


def compare(arguments: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Compare, and write what there is to show and to save.

    Args:
        arguments: "own", a file of `reading_file`; "earlier", result folders and scans; "folder", takes what is
            written; "model", "engine", "device" and "options" of `Options` for scans that are read.
        progress: told how many of the steps are done, and what begins: "read", "compare" or "draw".

    Returns:
        "shown" and "comparison", paths of what SHOWN and COMPARISON name.

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
    # Those without a day stand in the order in which they are given: what was named comes before what is open.
    comparison = compare_readings([*readings[1:], own])
    progress(steps - 1, steps, "draw")
    folder = Path(arguments["folder"])
    save_side_by_side(side_by_side(comparison, own), folder / SHOWN)
    save_comparison(comparison, folder / COMPARISON)
    return {"shown": str(folder / SHOWN), "comparison": str(folder / COMPARISON)}


ACTIONS = {"compare": compare}


def _tidy_up(arguments: dict[str, Any]) -> None:
    """Nobody's scan stays behind when the window is gone."""
    shutil.rmtree(arguments["folder"], ignore_errors=True)


if __name__ == "__main__":
    serve(ACTIONS, _tidy_up)
