"""Child processes are started and killed without a window."""

import subprocess
import sys

import pytest


@pytest.fixture
def windows(monkeypatch):
    """Windows, as far as the functions ask; the value is the flag of a process without a console window."""
    flag = 0x08000000
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", flag, raising=False)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200, raising=False)
    return flag


def test_no_console_window_appears_when_processes_are_killed(windows, monkeypatch):
    from SpectBoneMetSegLib.common.processes import kill_group

    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: calls.append((command, options)))
    kill_group(4711)
    [(command, options)] = calls
    assert command == ["taskkill", "/F", "/T", "/PID", "4711"]
    assert options["creationflags"] & windows
    assert options["capture_output"]


def test_no_console_window_appears_when_a_process_starts(windows):
    from SpectBoneMetSegLib.common.processes import process_group_options

    assert process_group_options()["creationflags"] & windows
