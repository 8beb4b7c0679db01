"""The exception whose message is shown to the user, and the reasons in such messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["DamagedFileError", "UserError", "reason_of", "why_unread"]


class UserError(Exception):
    """An error that the user can correct.

    The message is one sentence that names the file (or value) and the remedy. Its wording suits command line, panel and
    script alike. The options to change and the command that helps are attributes: each front end adds them in its own
    form.

    Attributes:
        fields: options to change, by their names on the command line ("pixel_size").
        command: the command that helps, as it follows `spectbonemetseg` on the command line; "" for none.
    """

    def __init__(self, message: str, *fields: str, command: str = "") -> None:
        super().__init__(message)
        self.fields = fields
        self.command = command

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON values "message", "fields" and "command", to send the error to another process."""
        return {"message": str(self), "fields": list(self.fields), "command": self.command}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> UserError:
        """Return the error of values from `to_dict`."""
        return cls(values["message"], *values["fields"], command=values["command"])

    def with_hints(self, hints: Iterable[str]) -> str:
        """Return the message with hints in parentheses at its end; unchanged without hints."""
        text = ", ".join(hints)
        return f"{str(self).removesuffix('.')} ({text})." if text else str(self)


class DamagedFileError(UserError):
    """A file is empty, cut short or damaged; a caller that knows its origin can give a better remedy."""


def reason_of(error: Exception) -> str:
    """Return the reason of an error in a few words; of an error of the system without error number and file name.

    pydicom raises an OSError anew, with a traceback in its message and without `strerror`; its reason is extracted.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return re.sub(r".*\[Errno \d+\] ", "", str(error).partition("\n")[0]) or type(error).__name__


def why_unread(error: UserError | OSError) -> str:
    """Return the sentence that says why a file was left out."""
    return str(error) if isinstance(error, UserError) else f"It cannot be read ({reason_of(error)})."
