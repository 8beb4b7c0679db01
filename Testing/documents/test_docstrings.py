"""Docstrings: every argument and attribute has a line of its own, and one that exists; none is left out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for module in ("SpectBoneMetSeg", "SpectBoneMetSegTraining")
    for path in (ROOT / module / f"{module}Lib").rglob("*.py")
)


def described(node: ast.AST) -> Iterator[str]:
    """The entries of Args and Attributes, each with its continuation lines."""
    text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
    for section in re.findall(r"^(?:Args|Attributes):\n((?:    .*\n?)+)", text or "", re.MULTILINE):
        for entry in re.split(r"^    (?! )", section, flags=re.MULTILINE)[1:]:
            yield " ".join(entry.split())


def names_of(node: ast.FunctionDef | ast.ClassDef) -> set[str]:
    """Arguments of a function; fields of a class, and what its methods take and set."""
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        return {one.arg for one in every if one}
    names = {
        part.target.id for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    for method in (part for part in node.body if isinstance(part, ast.FunctionDef)):
        names |= {method.name} | names_of(method)
        names |= {one.attr for one in ast.walk(method) if isinstance(one, ast.Attribute)}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_entry_is_on_a_line_of_its_own(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        names = names_of(node)
        for entry in described(node):
            name = re.match(r"\*{0,2}(\w+): ", entry)
            assert name, f"{node.name}: {entry}"
            assert name[1] in names, f"{node.name} has no {name[1]}"
            more = [one for one in re.findall(r"[.;] (\w+): ", entry) if one in names]
            assert not more, f"{node.name}: {more[0]} wants a line of its own"


def listed_in(node: ast.FunctionDef | ast.ClassDef) -> list[str]:
    """Names described under Args or Attributes."""
    return [found[1] for entry in described(node) if (found := re.match(r"\*{0,2}(\w+)", entry))]


def public_fields(node: ast.ClassDef) -> list[str]:
    """Public fields of a dataclass or named tuple; empty for other classes."""
    makers = [ast.unparse(each) for each in (*node.decorator_list, *node.bases)]
    if not any(re.search("dataclass|NamedTuple", each) for each in makers):
        return []
    fields = [part.target for part in node.body if isinstance(part, ast.AnnAssign)]
    return [field.id for field in fields if isinstance(field, ast.Name) and not field.id.startswith("_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_section_leaves_no_argument_and_no_field_out(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        listed = listed_in(node)
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            wanted = (
                [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)] if listed else []
            )
        else:
            wanted = public_fields(node)
        missing = [name for name in wanted if name not in {"self", "cls", *listed}]
        assert not missing, f"{node.name} does not describe {', '.join(missing)}"
