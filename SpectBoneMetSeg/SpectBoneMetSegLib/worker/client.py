"""A persistent child process that reads scans: the window never freezes, and TensorFlow is never loaded into it.

The parent sends a JSON line per request, the child one per event; arrays are passed as files in a private folder.
Nothing here blocks: the window calls `poll` from a timer.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import SpectBoneMetSegLib

from ..common.channel import Child
from ..common.errors import UserError, reason_of
from ..common.processes import child_environment
from ..lesions.model_result import ModelResult
from ..lesions.serialisation import load_result, save_scan
from ..scan.planar import WholeBodyScan

if TYPE_CHECKING:
    from ..model.engines import DeviceName, EngineName
    from ..pipeline import Options

__all__ = ["FOLDER_VARIABLE", "Event", "Worker"]

#: Environment variable with the private folder, which the child removes if the window ends without doing so.
FOLDER_VARIABLE = "SPECTBONEMETSEG_WORKER_FOLDER"

Kind = Literal["ready", "progress", "warm", "done", "failed", "crashed"]


@dataclass(frozen=True)
class Event:
    """A message from the child, or its end.

    Attributes:
        kind: "ready" after the start, "progress", "warm" when a model is loaded, "done", "failed" (the request, not the
            child), "crashed" (the child has ended).
        job: number of the request, 0 for none.
        step: current step: "load", or a step of the pipeline.
        fraction: part of the request that is done, 0..1.
        remaining: seconds left, None if unknown.
        message: error message for the user ("failed" and "crashed").
        fields: fields of the error, see `UserError`.
        command: command of the error, see `UserError`.
        result: result of "done".
        facts: further values, such as the device of "warm".
    """

    kind: Kind
    job: int = 0
    step: str = ""
    fraction: float = 0.0
    remaining: float | None = None
    message: str = ""
    fields: Sequence[str] = ()
    command: str = ""
    result: ModelResult | None = None
    facts: Mapping[str, Any] | None = None

    @property
    def error(self) -> UserError:
        """The error of "failed" and "crashed"."""
        return UserError(self.message, *self.fields, command=self.command)


class Worker:
    """A child process, started when first needed and again after a crash or a cancellation."""

    def __init__(
        self,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Prepare a worker; the process is started when needed.

        Args:
            python: interpreter (PythonSlicer in Slicer); None for the running one.
            environment: environment of the child; None for that of this process.
            command: command line instead of `python -m SpectBoneMetSegLib.worker.child`.
        """
        self._command = list(command or [python or sys.executable, "-m", f"{__package__}.child"])
        self._environment = environment
        self._child: Child | None = None
        self._folder: Path | None = None
        self._last_job = 0
        self._open: dict[int, Path] = {}

    @property
    def running(self) -> bool:
        """Whether the child is alive."""
        return self._child is not None and self._child.running

    @property
    def busy(self) -> bool:
        """Whether a request is in progress."""
        return bool(self._open)

    @property
    def pid(self) -> int | None:
        """Process ID of the child."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start the child unless it is alive; return at once.

        Raises:
            UserError: the interpreter cannot be started.
        """
        if self.running:
            return
        self.cancel()
        self._folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        environment = child_environment(SpectBoneMetSegLib, environment=self._environment)
        try:
            self._child = Child(self._command, {**environment, FOLDER_VARIABLE: str(self._folder)})
        except UserError:
            self.cancel()
            raise

    def warm_up(self, model: str | None = None, engine: EngineName = "auto", device: DeviceName = "auto") -> int:
        """Load a model before the first scan; return the number of the job."""
        return self._send({"do": "warm", "model": model, "engine": engine, "device": device}, None)

    def read(
        self,
        scan: WholeBodyScan | str | Path,
        model: str | None = None,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        options: Options | None = None,
    ) -> int:
        """Request the reading of a scan in memory, or of a file or folder; return the number of the job.

        Args:
            scan: the scan, or its path.
            model: name or folder of the model; None for the default.
            engine: inference engine.
            device: device of the engine.
            options: options of the reading.

        Raises:
            UserError: the child cannot be started or accepts no requests, or there is no space for the scan.
        """
        self.start()
        assert self._folder is not None
        if not self._folder.is_dir():
            # The folder for temporary files was cleaned up.
            self.cancel()
            self.start()
        request: dict[str, Any] = {"do": "read", "model": model, "engine": engine, "device": device}
        if options is not None:
            request["options"] = asdict(options)
        if isinstance(scan, WholeBodyScan):
            request["scan"] = str(self._folder / f"scan-{self._last_job + 1}.npz")
            try:
                save_scan(scan, request["scan"])
            except OSError as error:
                raise UserError(
                    f"The scan cannot be written to {self._folder} ({reason_of(error)}); check the space on the disk."
                ) from error
        else:
            request["path"] = str(Path(scan).absolute())
        result = self._folder / f"result-{self._last_job + 1}.npz"
        return self._send({**request, "result": str(result)}, result)

    def poll(self) -> list[Event]:
        """Return the events since the last call, without waiting."""
        if self._child is None:
            return []
        ended = not self._child.running
        events = [event for message in self._child.read_events() if (event := self._event(message)) is not None]
        if ended:
            events.append(self._crash())
        return events

    def wait(
        self,
        job: int,
        on_event: Callable[[Event], None] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> ModelResult:
        """Wait for the result of a job.

        Args:
            job: number of the job.
            on_event: called with other events, such as the progress.
            idle: called about 50 times a second while waiting.

        Raises:
            UserError: the reading failed, the child ended, or the job was cancelled.
        """
        while True:
            for event in self.poll():
                if event.kind == "crashed" or (event.job == job and event.kind == "failed"):
                    raise event.error
                if event.job == job and event.kind == "done":
                    assert event.result is not None
                    return event.result
                if on_event is not None:
                    on_event(event)
            if self._child is None or job not in self._open:
                raise UserError("The reading was cancelled.")
            if idle is not None:
                idle()
            time.sleep(0.02)

    def cancel(self) -> None:
        """Kill the child and everything it started; the next request starts a new one."""
        if self._child is not None:
            self._child.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._child, self._folder = None, None
        self._open.clear()

    def close(self) -> None:
        """Let an idle child end by itself, or kill it if a request is in progress."""
        if self._child is not None and not self._open:
            self._child.close()
        self.cancel()

    def _send(self, request: dict[str, Any], result: Path | None) -> int:
        self.start()
        assert self._child is not None
        self._last_job += 1
        self._open[self._last_job] = result or Path()
        try:
            self._child.send({**request, "job": self._last_job})
        except OSError as error:
            raise self._crash().error from error
        return self._last_job

    def _event(self, message: Mapping[str, Any]) -> Event | None:
        """Return the event of a message, with its result loaded; None for other messages."""
        event = _parsed(message)
        if event is None:
            return None
        kind, job = event.kind, event.job
        if kind not in ("done", "failed", "warm"):
            return event
        path = self._open.pop(job, None)
        if kind != "done" or path is None:
            return event
        try:
            return Event("done", job, fraction=1.0, result=load_result(path))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            return Event(
                "failed", job, message=f"The result cannot be read ({reason_of(error)}); check the space on the disk."
            )
        finally:
            path.unlink(missing_ok=True)

    def _crash(self) -> Event:
        """Return the child's exit as an event, and reset the worker."""
        assert self._child is not None
        how, job = self._child.describe_exit(), max(self._open, default=0)
        self.cancel()
        return Event("crashed", job, message=f"The reading process ended unexpectedly ({how}); try again.")


def _parsed(message: Mapping[str, Any]) -> Event | None:
    """Return a message as an event; None if it has an unknown kind or wrong types."""
    if message["event"] not in get_args(Kind):
        return None
    types: dict[str, Any] = {
        "job": int, "step": str, "fraction": int | float, "remaining": int | float | None, "message": str,
        "fields": list, "command": str, "facts": dict | None,
    }  # fmt: skip
    values = {name: value for name, value in message.items() if name in types}
    if not all(isinstance(value, types[name]) for name, value in values.items()):
        return None
    if not all(isinstance(field, str) for field in values.get("fields", ())):
        return None
    return Event(message["event"], **values)
