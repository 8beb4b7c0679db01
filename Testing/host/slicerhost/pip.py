"""`slicer.packaging`: says which packages would be asked for, installs nothing."""

from __future__ import annotations

from pathlib import Path

from packaging.requirements import Requirement

#: Names that count as missing, for tests of that case.
pretend_missing: set[str] = set()
#: Names that count as installed.
pretend_installed: set[str] = set()
#: What was asked for so far.
asked: list[list[str]] = []


def load_requirements(path: str | Path) -> list[Requirement]:
    """The lines of a requirements file."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(requirements: list[Requirement]) -> bool:
    """Whether nothing is missing."""
    return all(one.name not in pretend_missing and _installed(one.name) for one in requirements)


def pip_ensure(requirements: list[Requirement], requester: str | None = None) -> None:
    """Ask; in the host the user always declines.

    Raises:
        RuntimeError: something is missing.
    """
    asked.append([str(one) for one in requirements])
    if not pip_check(requirements):
        raise RuntimeError("User declined installation")


def _installed(name: str) -> bool:
    from importlib import metadata

    if name in pretend_installed:
        return True
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
