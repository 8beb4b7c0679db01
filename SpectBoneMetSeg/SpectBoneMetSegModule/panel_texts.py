"""The library's messages for the panel: fields instead of command-line options."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.scan.planar import ViewName


def viewChoices() -> list[tuple[str, tuple[ViewName, ...] | None]]:
    """[(words, names of the views in stored order or None)] of the field Views."""
    return [
        (_("As the file states"), None),
        (_("Anterior"), ("anterior",)),
        (_("Posterior"), ("posterior",)),
        (_("Anterior, then posterior"), ("anterior", "posterior")),
        (_("Posterior, then anterior"), ("posterior", "anterior")),
    ]


def engineWords(facts: Mapping[str, Any]) -> str:
    """What a model was run with, such as "TensorFlow, CPU", from the entries "engine" and "device" of a receipt."""
    names = {"tensorflow": "TensorFlow", "onnx": "ONNX Runtime"}
    engine, device = facts.get("engine", "-"), facts.get("device", "-")
    return f"{names.get(engine, engine)}, {device}"


def readingStepWords(step: str) -> str:
    """What a step of a reading does; `step` is its name in the library."""
    texts = {
        "load": _("Loading the model"),
        "read": _("Reading the scan"),
        "crop": _("Finding the thorax"),
        "network": _("Running the network"),
        "delineate": _("Outlining"),
        "measure": _("Measuring"),
    }
    return texts.get(step, _("Preparing"))


def fieldTitles() -> dict[str, str]:
    """What the fields of the panels are called, by the names that the library's errors use; others are not theirs."""
    return {
        "crop": _("Read the region in the box instead"),
        "data": _("Gather into"),
        "device": _("Device"),
        "engine": _("Engine"),
        "method": _("Method"),
        "pixel_size": _("Pixel size"),
        "read_anyway": _("Read it anyway"),
        "region": _("What to read"),
        "seed": _("Seed"),
        "start": _("Parent model"),
        "views": _("Views"),
    }


#: Commands that the reading library has; the others are the training library's.
READING_COMMANDS = ("segment", "batch", "models")


def commandWords(command: str) -> str:
    """A command as it is called in Slicer, where none is on the PATH."""
    library = "SpectBoneMetSegLib" if command.split()[0] in READING_COMMANDS else "SpectBoneMetSegTrainingLib.cli"
    return f"`PythonSlicer -m {library} {command}`"


def panelWords(sentence: str | UserError) -> str:
    """A sentence or a UserError of the library as shown in the panels: with the names of fields and of the command."""
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.pipeline import BOX_MAY_BE_WRONG

    if sentence == BOX_MAY_BE_WRONG:
        return _(
            "The thorax box may be wrong: check it in the views. If it is, tick the field of the box under Scan, "
            "move the box and apply again."
        )
    if isinstance(sentence, UserError):
        titles = fieldTitles()
        hints = [_("field {title}").format(title=titles[name]) for name in sentence.fields if name in titles]
        if sentence.command:
            hints.append(commandWords(sentence.command))
        sentence = sentence.with_hints(hints)
    return sentence.replace("pip install", "PythonSlicer -m pip install")
