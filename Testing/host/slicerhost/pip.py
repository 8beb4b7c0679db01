"""`slicer.packaging`: says which packages would be asked for, installs nothing."""

from __future__ import annotations

from pathlib import Path

#: Names that count as missing, for tests of that case.
pretend_missing: set[str] = set()
#: Names that count as installed.
pretend_installed: set[str] = set()
#: What was asked for so far.
asked: list[list[str]] = []


def load_requirements(path: str | Path) -> list[str]:
    """The lines of a requirements file."""
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(requirements: list[str]) -> bool:
    """Whether nothing is missing."""
    return not any(_name(line) in pretend_missing or not _installed(_name(line)) for line in requirements)


def pip_ensure(requirements: list[str], requester: str = "", **options: object) -> None:
    """Ask; in the host the user always declines.

    Raises:
        RuntimeError: something is missing.
    """
    asked.append(list(requirements))
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


def _name(line: str) -> str:
    return line.split(">")[0].split("=")[0].split("[")[0].strip()
