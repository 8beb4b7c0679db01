"""`slicer.packaging`: records which packages would be requested, installs nothing.

As in the application a package of another version than requested counts as missing, the user is asked first, nothing
is installed while the application tests itself, and an installation may fail.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

#: Names that count as missing, for tests of that case.
pretend_missing: set[str] = set()
#: Names that count as installed.
pretend_installed: set[str] = set()
#: Versions that count as installed, by name.
pretend_versions: dict[str, str] = {}
#: Whether the user agrees when asked; what was missing then counts as installed.
agrees = False
#: Whether the application tests itself: what is missing is then passed over without a message.
testing = False
#: Whether an installation that the user agreed to fails, as without a network.
fails = False
#: What was requested so far.
asked: list[list[str]] = []


def load_requirements(path: str | Path) -> list[Requirement]:
    """The lines of a requirements file."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(requirements: list[Requirement]) -> bool:
    """Whether nothing is missing."""
    return all(one.name not in pretend_missing and _installed(one) for one in requirements)


def pip_ensure(requirements: list[Requirement], requester: str | None = None) -> None:
    """Ask for what is missing, and install it when the user agrees.

    Raises:
        RuntimeError: something is missing, and the user declined.
        subprocess.CalledProcessError: the installation failed.
    """
    asked.append([str(one) for one in requirements])
    if pip_check(requirements):
        return
    if testing:
        return
    if not agrees:
        raise RuntimeError("User declined package installation")
    if fails:
        raise subprocess.CalledProcessError(1, [sys.executable, "-m", "pip", "install", *map(str, requirements)])
    names = {one.name for one in requirements}
    pretend_installed.update(names)
    pretend_missing.difference_update(names)
    for name in names:
        pretend_versions.pop(name, None)


def _installed(one: Requirement) -> bool:
    from importlib import metadata

    if one.marker is not None and not one.marker.evaluate():
        return True
    if one.name in pretend_versions:
        return one.specifier.contains(pretend_versions[one.name], prereleases=True)
    if one.name in pretend_installed:
        return True
    try:
        return one.specifier.contains(metadata.version(one.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False
