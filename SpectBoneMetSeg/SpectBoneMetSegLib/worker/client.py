"""A persistent child process that reads scans, so that a window never freezes and TensorFlow never enters it.

The parent sends one JSON line per request, the child one per event; arrays travel in files of a private folder. Nothing
here blocks: the window calls `poll` from a timer.
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
from ..common.errors import UserError
from ..common.processes import child_environment
from ..lesions.model_result import ModelResult
from ..lesions.serialisation import load_result, save_scan
from ..scan.planar import WholeBodyScan

if TYPE_CHECKING:
    from ..model.engines import DeviceName, EngineName
    from ..pipeline import Options

__all__ = ["FOLDER_VARIABLE", "Event", "Worker"]

#: Tells the child its private folder, which it removes when the window is gone without having done so.
FOLDER_VARIABLE = "SPECTBONEMETSEG_WORKER_FOLDER"

Kind = Literal["ready", "progress", "warm", "done", "failed", "crashed"]


@dataclass(frozen=True)
class Event:
    """Something the child said, or its end.

    Attributes:
        kind: "ready" after the start, "progress", "warm" when a model is loaded, "done", "failed" (the request, not the
            child), "crashed" (the child is gone).
        job: number of the request, 0 for none.
        step: what is being done: "load", or a step of the pipeline.
        fraction: 0..1 of the request.
        remaining: seconds still to go, None when nothing is known.
        message: for the user, one sentence ("failed" and "crashed").
        fields: of the error that says so, see `UserError`.
        command: likewise.
        result: of "done".
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
        """What went wrong, of "failed" and "crashed"."""
        return UserError(self.message, *self.fields, command=self.command)


class Worker:
    """One child process, started when first needed and again after a crash or a cancel."""

    def __init__(
        self,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            python: the interpreter; in Slicer that is PythonSlicer.
            environment: the child's environment instead of this process's.
            command: the whole command line instead of `python -m SpectBoneMetSegLib.worker.child`.
        """
        self._command = list(command or [python or sys.executable, "-m", f"{__package__}.child"])
        self._environment = environment
        self._child: Child | None = None
        self._folder: Path | None = None
        self._last_job = 0
        self._open: dict[int, Path] = {}

    @property
    def running(self) -> bool:
        """Whether the child lives."""
        return self._child is not None and self._child.running

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return bool(self._open)

    @property
    def pid(self) -> int | None:
        """Process number of the child."""
        return self._child.pid if self._child is not None else None

    def start(self) -> None:
        """Start the child unless it lives; returns at once.

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
        """Have a model loaded ahead of the first scan; returns the job's number."""
        return self._send({"do": "warm", "model": model, "engine": engine, "device": device}, None)

    def read(
        self,
        scan: WholeBodyScan | str | Path,
        model: str | None = None,
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        options: Options | None = None,
    ) -> int:
        """Ask for a reading of a scan in memory or of a file or folder; returns the job's number.

        Raises:
            UserError: the child cannot be started or no longer takes requests, or there is no space for the scan.
        """
        self.start()
        assert self._folder is not None
        if not self._folder.is_dir():
            # Somebody tidied up the place for temporary files.
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
                    f"The scan cannot be handed over in {self._folder} ({error.strerror}); check the space on the disk."
                ) from error
        else:
            request["path"] = str(Path(scan).absolute())
        result = self._folder / f"result-{self._last_job + 1}.npz"
        return self._send({**request, "result": str(result)}, result)

    def poll(self) -> list[Event]:
        """What happened since the last call; never waits."""
        if self._child is None:
            return []
        ended = not self._child.running
        events = [event for said in self._child.read_events() if (event := self._event(said)) is not None]
        if ended:
            events.append(self._crash())
        return events

    def wait(
        self,
        job: int,
        on_event: Callable[[Event], None] | None = None,
        idle: Callable[[], None] | None = None,
    ) -> ModelResult:
        """Wait for the result of a job; `on_event` gets the progress, `idle` is called many times a second meanwhile.

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
        """Kill the child with everything it started; the next request starts another one."""
        if self._child is not None:
            self._child.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._child, self._folder = None, None
        self._open.clear()

    def close(self) -> None:
        """End the child in peace, or kill it when it is at work."""
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

    def _event(self, said: Mapping[str, Any]) -> Event | None:
        """What the child tells; None for what is no event of ours."""
        event = _understood(said)
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
            return Event("failed", job, message=f"The result cannot be read ({error}); check the space on the disk.")
        finally:
            path.unlink(missing_ok=True)

    def _crash(self) -> Event:
        """The child's last words as an event; afterwards the worker is as new."""
        assert self._child is not None
        how, job = self._child.describe_exit(), max(self._open, default=0)
        self.cancel()
        return Event("crashed", job, message=f"The reading process ended unexpectedly ({how}); try again.")


def _understood(said: Mapping[str, Any]) -> Event | None:
    """The event in what the child said, None for anything else."""
    if said["event"] not in get_args(Kind):
        return None
    types: dict[str, Any] = {
        "job": int, "step": str, "fraction": int | float, "remaining": int | float | None, "message": str,
        "fields": list, "command": str, "facts": dict | None,
    }  # fmt: skip
    values = {name: value for name, value in said.items() if name in types}
    if not all(isinstance(value, types[name]) for name, value in values.items()):
        return None
    if not all(isinstance(field, str) for field in values.get("fields", ())):
        return None
    return Event(said["event"], **values)
