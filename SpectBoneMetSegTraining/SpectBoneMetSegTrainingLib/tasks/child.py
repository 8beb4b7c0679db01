"""The child of `client.Task`: does one call, told as a JSON line on stdin, and tells events as JSON lines on stdout.

It ends with its input, so that it never outlives the window.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from typing import Any, BinaryIO

from SpectBoneMetSegLib.common.errors import UserError

from .actions import TASKS


def do(request: dict[str, Any], out: BinaryIO) -> None:
    """Do one call; what goes wrong becomes an event.

    Args:
        request: "do", the name of a task, and "arguments". out: takes the events.
    """

    def tell(kind: str, **values: Any) -> None:
        out.write(json.dumps({"kind": kind, **values}).encode() + b"\n")
        out.flush()

    def progress(done: int, total: int, message: str = "") -> None:
        tell("progress", done=done, total=total, message=message)

    try:
        tell("done", answer=TASKS[request["do"]](request["arguments"], progress))
    except UserError as error:
        tell("failed", **error.to_dict())
    except Exception as error:
        traceback.print_exc()
        tell("failed", message=f"This went wrong ({type(error).__name__}: {error}); please report it.")


def _end_with(stream: BinaryIO) -> None:
    stream.read()
    # The parent is gone or wants us to go; the main thread may be deep in TensorFlow.
    os._exit(0)


def main() -> None:
    """Do the one call and end."""
    out = os.fdopen(os.dup(1), "wb")
    # What libraries print must not get between the lines meant for the parent.
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    do(request, out)


if __name__ == "__main__":
    main()
