"""Worker process of `pool.Pool`: it loads the next scan and writes the last result while the network runs.

Parent and child exchange pickles over the child's stdin and stdout; no port is opened. The child ends when its input is
closed.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import Any, BinaryIO

from ..common.errors import UserError
from ..common.processes import silence_header_warnings
from .cases import Case
from .work import Settings, failure_result, load_case, reader_of, write_result

__all__ = ["main"]


class CasePipeline:
    """Three stages, each in its own thread: load, infer, write. The parent limits the number of cases in progress."""

    def __init__(self, settings: Settings, stream: BinaryIO) -> None:
        self._settings, self._stream = settings, stream
        self._sending = threading.Lock()
        self._requested: queue.SimpleQueue[tuple[int, Case]] = queue.SimpleQueue()
        self._loaded: queue.SimpleQueue[tuple[int, Case, Any]] = queue.SimpleQueue()
        self._read: queue.SimpleQueue[tuple[int, Case, Any]] = queue.SimpleQueue()

    def send(self, *message: Any) -> None:
        """Send one message to the parent."""
        with self._sending:
            pickle.dump(message, self._stream)
            self._stream.flush()

    def run(self) -> None:
        """Read cases until the parent closes the input of this process."""
        try:
            reader = reader_of(self._settings)
        except UserError as error:
            self.send("refused", error.to_dict())
            return
        self.send("ready", reader.engine.name, reader.engine.device)
        for stage in (self._receive, self._load, self._write):
            threading.Thread(target=stage, daemon=True).start()
        while True:
            number, case, loaded = self._loaded.get()
            try:
                result = reader.read_scan(loaded.scan, self._settings.options, loaded.clock)
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                self.send("done", number, failure_result(case, error))
            else:
                self._read.put((number, case, result))

    def _receive(self) -> None:
        try:
            while True:
                self._requested.put(pickle.load(sys.stdin.buffer))
        except (EOFError, pickle.UnpicklingError):
            # The parent has ended or closed our input; the main thread may be busy in the network.
            os._exit(0)

    def _load(self) -> None:
        while True:
            number, case = self._requested.get()
            try:
                self._loaded.put((number, case, load_case(case, self._settings.options)))
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                self.send("done", number, failure_result(case, error))

    def _write(self) -> None:
        while True:
            number, case, reading = self._read.get()
            try:
                result = write_result(case, reading, self._settings)
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                result = failure_result(case, error)
            # Freed before the next one arrives.
            del reading
            self.send("done", number, result)


def main() -> None:
    """Read cases until the input is closed."""
    silence_header_warnings()
    stream = os.fdopen(os.dup(1), "wb")
    # What libraries print goes to stderr from now on.
    os.dup2(2, 1)
    CasePipeline(pickle.load(sys.stdin.buffer), stream).run()


if __name__ == "__main__":
    main()
