"""The one exception whose message is meant for the person in front of the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["UserError"]


class UserError(Exception):
    """Something the user can put right.

    The message is one sentence that names the file (or value) and the remedy, in words that hold for a command line, a
    panel and a script alike. What to set, and the command that helps, stand beside it: each front end says how that is
    done there.

    Attributes:
        fields: what is to be set otherwise, by the names of the command line's options ("pixel_size").
        command: the command that helps, as it follows `spectbonemetseg` on the command line; "" for none.
    """

    def __init__(self, message: str, *fields: str, command: str = "") -> None:
        super().__init__(message)
        self.fields = fields
        self.command = command

    def to_dict(self) -> dict[str, Any]:
        """JSON values that take the error to another process, of "message", "fields" and "command"."""
        return {"message": str(self), "fields": list(self.fields), "command": self.command}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> UserError:
        """The inverse of `to_dict`."""
        return cls(told["message"], *told["fields"], command=told["command"])

    def with_hints(self, hints: Iterable[str]) -> str:
        """The sentence with hints in parentheses at its end, as it stands without any."""
        inside = ", ".join(hints)
        return f"{str(self).removesuffix('.')} ({inside})." if inside else str(self)
