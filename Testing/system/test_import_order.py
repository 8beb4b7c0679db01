"""No package imports one above it, and no two import each other: the order is defined here and nowhere else.

Every import counts, also one inside a function or for types only.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {
    "SpectBoneMetSegLib": ROOT / "SpectBoneMetSeg" / "SpectBoneMetSegLib",
    "SpectBoneMetSegTrainingLib": ROOT / "SpectBoneMetSegTraining" / "SpectBoneMetSegTrainingLib",
}
#: Lowest first; a package imports only what is listed before it. "(front)" is the library's own __init__.
ORDER = {
    "SpectBoneMetSegLib": (
        *("_version", "common", "scan", "loading", "model", "lesions", "quantification"),
        *("export", "followup", "pipeline", "worker", "batch", "receiving", "upkeep", "mrml"),
        *("(front)", "cli", "__main__"),
    ),
    "SpectBoneMetSegTrainingLib": (
        *("common", "dataset", "evaluation", "phantom.person", "phantom.disease", "phantom.camera", "phantom.scan"),
        *(
            "phantom.store",
            "phantom.cohort",
            "gathering",
            "training",
            "paper_sets",
            "jobs",
            "tasks",
            "experiments",
            "cli",
        ),
    ),
}
#: Libraries, lowest first: training imports reading, never the other way.
LIBRARY_ORDER = tuple(ORDER)
MOST_LINES = 400
MOST_MODULES = 15


def modules() -> dict[str, Path]:
    """{dotted name: file} of both libraries; a package has the name of its folder."""
    found = {}
    for library, folder in LIBRARIES.items():
        for path in folder.rglob("*.py"):
            parts = (library, *path.relative_to(folder).with_suffix("").parts)
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, text: str, known: set[str], *, package: bool) -> Iterator[str]:
    """Our own modules that a module imports."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        if isinstance(node, ast.ImportFrom):
            inside = name.split(".")[: None if package else -1]
            base = ".".join(inside[: len(inside) - node.level + 1]) if node.level else ""
            source = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                target = f"{source}.{alias.name}"
                if target in known or source in known:
                    yield target if target in known else source


def floor_of(name: str) -> tuple[int, int] | None:
    """(library, position in its order) of a module; None for a package that only holds others."""
    library, _, rest = name.partition(".")
    order = ORDER[library]
    for place, package in enumerate(order):
        if rest == package or rest.startswith(f"{package}.") or (not rest and package == "(front)"):
            return LIBRARY_ORDER.index(library), place
    return None


def arrows(names: dict[str, Path]) -> set[tuple[str, str]]:
    """(importing, imported) module, without imports of oneself."""
    known = set(names)
    return {
        (name, target)
        for name, path in names.items()
        for target in imports_of(name, path.read_text(encoding="utf-8"), known, package=path.name == "__init__.py")
        if target != name
    }


def upward(found: set[tuple[str, str]]) -> list[str]:
    """The imports of a higher package by a lower one, as text."""
    reported = []
    for importing, imported in sorted(found):
        low, high = floor_of(importing), floor_of(imported)
        # The bare name of a library is a folder's name for code that searches files next to it.
        if low and high and high > low and "." in imported:
            reported.append(f"{importing} imports {imported}, which stands above it")
    return reported


def circles(found: set[tuple[str, str]]) -> list[str]:
    """Modules that import each other, over any number of steps."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    # A package that only gathers its modules' names is part of none of them.
    found = {(a, b) for a, b in found if not a.startswith(f"{b}.")}
    names = sorted({name for arrow in found for name in arrow})
    place = {name: i for i, name in enumerate(names)}
    rows, columns = [place[a] for a, _ in found], [place[b] for _, b in found]
    table = csr_array(([1] * len(found), (rows, columns)), shape=(len(names), len(names)))
    count, group = connected_components(table, directed=True, connection="strong")
    members = [[name for name, number in zip(names, group, strict=True) if number == i] for i in range(count)]
    return [", ".join(circle) for circle in members if len(circle) > 1]


@pytest.fixture(scope="module")
def tree() -> dict[str, Path]:
    return modules()


def test_every_module_belongs_to_a_package_of_the_order(tree):
    holders = {"SpectBoneMetSegTrainingLib", "SpectBoneMetSegTrainingLib.phantom"}
    assert [name for name in tree if floor_of(name) is None and name not in holders] == []


def test_no_package_imports_one_above_it(tree):
    assert upward(arrows(tree)) == []


def test_no_modules_import_each_other(tree):
    assert circles(arrows(tree)) == []


@pytest.mark.parametrize("lazy", [False, True])
def test_a_wrong_import_is_found(lazy):
    known = {"SpectBoneMetSegLib.scan.planar", "SpectBoneMetSegLib.lesions.results"}
    line = "from ..lesions.results import Reading"
    text = f"def late():\n    {line}\n" if lazy else f"if TYPE_CHECKING:\n    {line}\n"
    found = {
        ("SpectBoneMetSegLib.scan.planar", target)
        for target in imports_of("SpectBoneMetSegLib.scan.planar", text, known, package=False)
    }
    assert upward(found)
    assert circles(found | {(imported, importing) for importing, imported in found})


def test_files_stay_short_and_folders_small():
    files = [
        path
        for part in ("SpectBoneMetSeg", "SpectBoneMetSegTraining", "Testing")
        for path in (ROOT / part).rglob("*.py")
    ]
    long = [str(path.relative_to(ROOT)) for path in files if len(path.read_text("utf-8").splitlines()) > MOST_LINES]
    assert long == []
    counted = Counter(path.parent for path in files if path.name != "__init__.py")
    assert {str(folder.relative_to(ROOT)): n for folder, n in counted.items() if n > MOST_MODULES} == {}
