"""The child process of `client.Worker`: receives requests and sends events as JSON lines."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from ..common.channel import Channel, open_channel, requests_from_parent
from ..common.errors import UserError
from ..lesions.model_result import ModelResult
from ..lesions.serialisation import load_scan, save_result
from ..pipeline import Clock, Options, Reader
from ..scan.planar import WholeBodyScan
from .client import FOLDER_VARIABLE

if TYPE_CHECKING:
    from ..model.engines import DeviceName, EngineName

#: Fraction of a request that is done when a step begins; loading a model takes the largest part.
BEGINS = {
    "load": 0.0,
    "read": 0.4,
    "check": 0.41,
    "aggregate": 0.42,
    "crop": 0.43,
    "prepare": 0.45,
    "network": 0.47,
    "delineate": 0.94,
    "measure": 0.96,
}

#: Estimated seconds of the steps before they are measured: a common computer, the engine not yet loaded.
FIRST_GUESS = {
    "load": 2.0,
    "read": 0.05,
    "check": 0.02,
    "aggregate": 0.01,
    "crop": 0.05,
    "prepare": 0.02,
    "network": 0.5,
    "delineate": 0.02,
    "measure": 0.02,
}


class ReportingClock(Clock):
    """A clock that reports each step to the parent, with the time left estimated from the previous request."""

    def __init__(self, channel: Channel, job: int, before: dict[str, float]) -> None:
        super().__init__()
        self._channel, self._job, self._before = channel, job, before

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """As `Clock.step`."""
        steps = list(BEGINS)
        ahead = [self._before.get(other) for other in steps[steps.index(name) :]] if name in steps else [None]
        known = [seconds for seconds in ahead if seconds is not None]
        remaining = round(sum(known), 2) if len(known) == len(ahead) else None
        self._channel.send("progress", job=self._job, step=name, fraction=BEGINS.get(name, 0.5), remaining=remaining)
        with super().step(name):
            yield


class ReadingService:
    """Keeps the reader of the last model loaded and handles requests one after another."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._reader: Reader | None = None
        self._loaded: tuple[Any, ...] | None = None
        self._seconds = dict(FIRST_GUESS)

    def handle(self, request: dict[str, Any]) -> None:
        """Handle one request; an error becomes an event."""
        job = request["job"]
        try:
            if request["do"] == "warm":
                reader = self._load(request, ReportingClock(self._channel, job, self._seconds))
                facts = {"engine": reader.engine.name, "device": reader.engine.device}
                self._channel.send("warm", job=job, facts={**facts, "warnings": list(reader.engine.warnings)})
            else:
                self._read(request)
                self._channel.send("done", job=job)
        except UserError as error:
            self._channel.send("failed", job=job, **error.to_dict())
        except Exception as error:  # noqa: BLE001 - reported to the process that waits
            traceback.print_exc()
            message = f"The scan could not be read ({type(error).__name__}: {error}); please report it."
            self._channel.send("failed", job=job, message=message)

    def _read(self, request: dict[str, Any]) -> None:
        clock = ReportingClock(self._channel, request["job"], self._seconds)
        reader = self._load(request, clock)
        result = read_with(reader, request.get("scan"), request.get("path"), _options(request), clock)
        save_result(result, request["result"])
        self._seconds = {**self._seconds, "load": 0.0, **clock.seconds}

    def _load(self, request: dict[str, Any], clock: Clock) -> Reader:
        wanted = (request.get("model"), request.get("engine", "auto"), request.get("device", "auto"))
        if self._reader is None or self._loaded != wanted:
            with clock.step("load"):
                # The old network is freed first: two may not fit on a GPU.
                self._reader, self._loaded = None, None
                self._reader = Reader(*wanted)
                self._loaded = wanted
        return self._reader


def read_here(
    scan: WholeBodyScan, model: str | None, engine: EngineName, device: DeviceName, options: Options
) -> ModelResult:
    """Read a scan in this process, for scripts that need no child process.

    Raises:
        UserError: see `Reader`.
    """
    return Reader(model, engine, device).infer(scan, options)


def read_with(reader: Reader, stored_scan: str | None, path: str | None, options: Options, clock: Clock) -> ModelResult:
    """Read a scan stored by `serialisation.save_scan`, or the file or folder at `path`."""
    from ..loading import read_scan

    with clock.step("read"):
        if stored_scan:
            scan = load_scan(stored_scan)
        else:
            scan = read_scan(
                path or "",
                views=options.views,
                pixel_size_mm=options.pixel_size_mm,
                views_override=options.views_override,
            )
    return reader.infer(scan, options, clock)


def _options(request: dict[str, Any]) -> Options:
    given = request.get("options") or {}
    known = {entry.name for entry in fields(Options)}
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if name in known
    }
    return Options(**chosen)


def _tidy_up() -> None:
    """Remove the scans of this worker when the window is closed."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Handle requests until the input is closed."""
    channel = open_channel()
    requests = requests_from_parent(_tidy_up)
    service = ReadingService(channel)
    channel.send("ready", facts={"pid": os.getpid(), "started": time.time()})
    while True:
        service.handle(requests.get())


if __name__ == "__main__":
    main()
