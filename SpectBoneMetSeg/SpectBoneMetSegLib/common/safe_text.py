"""Text that others chose (file names, header values), made safe for a terminal's line and a spreadsheet's cell."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["one_line", "safe_cell", "safe_row", "safe_rows"]

#: Unicode categories of control characters, line separators and paragraph separators.
_CONTROL = ("Cc", "Zl", "Zp")
#: Characters that reverse the direction of the text around them.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
#: Spreadsheets run a cell that starts with one of these as a formula.
_FORMULA = ("=", "+", "-", "@")


def one_line(text: str) -> str:
    r"""Return a text as one line: control characters are written as escapes, such as "\n" and "\x1b"."""
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def safe_cell(value: Any) -> Any:
    """Return a value for a cell of a CSV file.

    Texts become one line. A text that a spreadsheet would run as a formula gets an apostrophe in front; numbers, also
    as text, are unchanged.
    """
    if not isinstance(value, str):
        return value
    text = one_line(value)
    return f"'{text}" if len(text) > 1 and text.startswith(_FORMULA) and not _is_number(text) else text


def safe_row(row: Iterable[Any]) -> list[Any]:
    """Return the cells of a row; see `safe_cell`."""
    return [safe_cell(value) for value in row]


def safe_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows by column with the values as cells; see `safe_cell`."""
    return [{name: safe_cell(value) for name, value in row.items()} for row in rows]


def _escaped(character: str) -> str:
    if unicodedata.category(character) in _CONTROL or character in _DIRECTIONS:
        return character.encode("unicode_escape").decode("ascii")
    return character


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
