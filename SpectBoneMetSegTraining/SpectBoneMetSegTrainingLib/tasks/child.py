"""Child process of `client.Task`: runs one call and reports its progress as JSON lines."""

from __future__ import annotations

from typing import Any

from SpectBoneMetSegLib.common.calls import run_action, serve
from SpectBoneMetSegLib.common.channel import Channel

from .actions import TASKS


def do(request: dict[str, Any], channel: Channel) -> None:
    """Run one call; an error becomes an event.

    Args:
        request: "do", the name of a task, and "arguments".
        channel: receives the events.
    """
    run_action(request, channel, TASKS)


if __name__ == "__main__":
    serve(TASKS)
