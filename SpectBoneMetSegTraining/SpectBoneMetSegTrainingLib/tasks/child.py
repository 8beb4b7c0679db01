"""The child of `client.Task`: does one call and tells how it goes on, in JSON lines."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.common.calls import answer, serve
from SpectBoneMetSegLib.common.channel import Channel

from .actions import TASKS


def do(request: dict[str, Any], channel: Channel) -> None:
    """Do one call; what goes wrong becomes an event.

    Args:
        request: "do", the name of a task, and "arguments".
        channel: takes the events.
    """
    answer(request, channel, TASKS)


if __name__ == "__main__":
    serve(TASKS)
