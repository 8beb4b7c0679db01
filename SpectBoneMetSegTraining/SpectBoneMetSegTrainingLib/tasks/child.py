"""The child of `client.Task`: does one call and tells how it goes on, in JSON lines."""

from __future__ import annotations

import traceback
from typing import Any

from SpectBoneMetSegLib.common.channel import Channel, open_channel, requests_of_parent
from SpectBoneMetSegLib.common.errors import UserError

from .actions import TASKS


def do(request: dict[str, Any], channel: Channel) -> None:
    """Do one call; what goes wrong becomes an event.

    Args:
        request: "do", the name of a task, and "arguments".
        channel: takes the events.
    """

    def progress(done: int, total: int, message: str = "") -> None:
        channel.tell("progress", done=done, total=total, message=message)

    try:
        channel.tell("done", answer=TASKS[request["do"]](request["arguments"], progress))
    except UserError as error:
        channel.tell("failed", **error.to_dict())
    except Exception as error:
        traceback.print_exc()
        channel.tell("failed", message=f"This went wrong ({type(error).__name__}: {error}); please report it.")


def main() -> None:
    """Do the one call and end."""
    channel = open_channel()
    do(requests_of_parent().get(), channel)


if __name__ == "__main__":
    main()
