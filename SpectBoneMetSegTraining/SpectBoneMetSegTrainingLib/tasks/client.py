"""A long call in a child process, so that a window never waits: gathering, checks, ranking, audit.

Tasks end with the window; trainings go on (`jobs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import SpectBoneMetSegLib
from SpectBoneMetSegLib.common.calls import Call, CallEvent

import SpectBoneMetSegTrainingLib

__all__ = ["Task", "TaskEvent"]

TaskEvent = CallEvent


class Task(Call):
    """A call running in a child process, until the event "done", "failed" or "crashed"."""

    def __init__(self, name: str, arguments: Mapping[str, Any], python: str | None = None) -> None:
        """Start the process; return at once.

        Args:
            name: a task of `actions.TASKS`.
            arguments: its arguments, JSON values.
            python: interpreter (PythonSlicer in Slicer); None for the running one.

        Raises:
            UserError: the interpreter cannot be started.
        """
        packages = (SpectBoneMetSegLib, SpectBoneMetSegTrainingLib)
        super().__init__(f"{__package__}.child", packages, name, arguments, python)
