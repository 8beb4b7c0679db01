"""One long call in a child process, so that a window never waits: collecting, checking, comparing, ranking.

A training is no task: it outlives the window (`jobs`), a task ends with it.
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
    """A call under way in a process of its own, from the start to "done", "failed" or "crashed"."""

    def __init__(self, name: str, arguments: Mapping[str, Any], python: str | None = None) -> None:
        """Start the process; returns at once.

        Args:
            name: a task of `actions.TASKS`.
            arguments: its arguments, plain JSON values.
            python: the interpreter; in Slicer that is PythonSlicer. None for the running one.

        Raises:
            UserError: the interpreter cannot be started.
        """
        packages = (SpectBoneMetSegLib, SpectBoneMetSegTrainingLib)
        super().__init__(f"{__package__}.child", packages, name, arguments, python)
