"""Unexpected errors: shown in a dialog whose log can be copied; the panel stays usable."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import collections
import functools
import logging
import platform
import time
import traceback
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError

from .panel_texts import panelWords

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
Owner = TypeVar("Owner")

#: What was said lately, oldest first, and who shows it as it comes.
lines: collections.deque[str] = collections.deque(maxlen=500)
listeners: list[Callable[[], None]] = []


def note(text: str) -> None:
    """Keep a line for the log."""
    lines.append(f"{time.strftime('%H:%M:%S')} {text}")
    for listener in list(listeners):
        listener()


def slot(method: Callable[Concatenate[Owner, Given], Answer]) -> Callable[Concatenate[Owner, Given], Answer | None]:
    """A method that Qt, a timer or the scene calls: an error in it is reported, and `recover` of its object is called.

    Without it an error ends in Slicer's console, and the panel stays as it was in the middle of the work. An object
    with a `fail` tells a UserError with it, in the panel. After an error the method returns None.
    """

    @functools.wraps(method)
    def call(self: Owner, /, *values: Given.args, **named: Given.kwargs) -> Answer | None:
        try:
            return method(self, *values, **named)
        except UserError as error:
            fail: Callable[[UserError], None] | None = getattr(self, "fail", None)
            (fail if fail is not None else tell)(error)
        except Exception as error:  # noqa: BLE001 - shown in a dialog, with the log
            report(error)
        recover = getattr(self, "recover", None)
        if recover is not None:
            recover()
        return None

    return call


def tell(sentence: str | UserError) -> None:
    """Show a message or a UserError in a dialog."""
    import slicer

    slicer.util.errorDisplay(panelWords(sentence))


def report(error: Exception) -> None:
    """Report an unexpected error, with a log that can be copied."""
    import slicer

    logging.error("".join(traceback.format_exception(error)))
    note("".join(traceback.format_exception(error)))
    slicer.util.errorDisplay(
        _("Something went wrong: {error}\nYour scan is unchanged. The details below can be copied.").format(
            error=shortly(error)
        ),
        detailedText=logOf(error),
    )


def shortly(error: Exception) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def logOf(error: Exception) -> str:
    """Return the details for a bug report: versions and traceback."""
    return "\n".join([versions(), "", "".join(traceback.format_exception(error))])


def versions() -> str:
    """Return the versions of the extension and its platform."""
    import slicer

    version = f"{slicer.app.majorVersion}.{slicer.app.minorVersion}"
    return f"Slicer {version}, Python {platform.python_version()}, {platform.platform()}"
