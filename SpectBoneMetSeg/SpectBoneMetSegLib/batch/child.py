"""A process that reads cases for its parent: it loads the next scan and writes the last one while the network works.

Parent and child send each other pickles over the child's own pipes; no port is opened. The child ends with its input.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from typing import Any, BinaryIO

from ..common.errors import UserError
from .cases import Case
from .work import Settings, failure_result, load_case, reader_of, write_result

__all__ = ["main"]


class CasePipeline:
    """Three stages, each in its own thread: load, infer, write. The parent's orders limit how much is under way."""

    def __init__(self, settings: Settings, stream: BinaryIO) -> None:
        self._settings, self._stream = settings, stream
        self._telling = threading.Lock()
        self._asked: queue.SimpleQueue[tuple[int, Case]] = queue.SimpleQueue()
        self._loaded: queue.SimpleQueue[tuple[int, Case, Any]] = queue.SimpleQueue()
        self._read: queue.SimpleQueue[tuple[int, Case, Any]] = queue.SimpleQueue()

    def tell(self, *message: Any) -> None:
        """Send a message to the parent, whole."""
        with self._telling:
            pickle.dump(message, self._stream)
            self._stream.flush()

    def run(self) -> None:
        """Work until the parent closes our input."""
        try:
            reader = reader_of(self._settings)
        except UserError as error:
            self.tell("refused", error.to_dict())
            return
        self.tell("ready", reader.engine.name, reader.engine.device)
        for stage in (self._take, self._load, self._write):
            threading.Thread(target=stage, daemon=True).start()
        while True:
            number, case, loaded = self._loaded.get()
            try:
                result = reader.read_scan(loaded.scan, self._settings.options, loaded.clock)
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                self.tell("done", number, failure_result(case, error))
            else:
                self._read.put((number, case, result))

    def _take(self) -> None:
        try:
            while True:
                self._asked.put(pickle.load(sys.stdin.buffer))
        except (EOFError, pickle.UnpicklingError):
            # The parent is gone or needs us no more; the main thread may be deep in the network.
            os._exit(0)

    def _load(self) -> None:
        while True:
            number, case = self._asked.get()
            try:
                self._loaded.put((number, case, load_case(case, self._settings.options)))
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                self.tell("done", number, failure_result(case, error))

    def _write(self) -> None:
        while True:
            number, case, reading = self._read.get()
            try:
                result = write_result(case, reading, self._settings)
            except Exception as error:  # noqa: BLE001 - a study that fails must not end the others
                result = failure_result(case, error)
            # Not held until the next one comes.
            del reading
            self.tell("done", number, result)


def main() -> None:
    """Serve until the input ends."""
    stream = os.fdopen(os.dup(1), "wb")
    # What libraries print goes among the messages from now on.
    os.dup2(2, 1)
    CasePipeline(pickle.load(sys.stdin.buffer), stream).run()


if __name__ == "__main__":
    main()
