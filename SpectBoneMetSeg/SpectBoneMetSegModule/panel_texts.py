"""The library's sentences in the words of the panel: the field in place of the command line's option."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import re

from slicer.i18n import tr as _


def sideChoices():
    """[(words, names of the pictures in stored order or None)] of the field Sides."""
    return [
        (_("As the file says"), None),
        (_("Anterior"), ("anterior",)),
        (_("Posterior"), ("posterior",)),
        (_("Anterior, then posterior"), ("anterior", "posterior")),
        (_("Posterior, then anterior"), ("posterior", "anterior")),
    ]


def engineWords(facts):
    """What a model was run with, such as "TensorFlow, CPU", from the entries "engine" and "device" of a receipt."""
    names = {"tensorflow": "TensorFlow", "onnx": "ONNX Runtime"}
    engine, device = facts.get("engine", "-"), facts.get("device", "-")
    return f"{names.get(engine, engine)}, {device}"


#: Commands that the reading library has; the others are the training library's.
READING_COMMANDS = ("segment", "batch", "models")


def command(match):
    """A command as it is called in Slicer, where none is on the PATH."""
    library = "SpectBoneMetSegLib" if match.group(1) in READING_COMMANDS else "SpectBoneMetSegTrainingLib.cli"
    return f"PythonSlicer -m {library} {match.group(1)}"


def panelWords(sentence):
    """A sentence of the library as the panel says it."""
    from SpectBoneMetSegLib.loading.laterality import INSIST_ON_SIDES
    from SpectBoneMetSegLib.pipeline import BOX_MAY_BE_WRONG

    sides = {",".join(names): words for words, names in sideChoices() if names}
    devices = {"cpu": _("CPU"), "gpu": _("GPU"), "tensorflow": "TensorFlow", "onnx": "ONNX Runtime"}
    fields = {"views": _("Sides"), "pixel-size": _("Pixel size"), "device": _("Device"), "engine": _("Engine")}
    fields["read-anyway"] = _("Read it anyway")
    if sentence == BOX_MAY_BE_WRONG:
        return _(
            "The thorax box may be wrong: look at it in the views. If it is, tick the field of the box under Scan, "
            "move the box and apply again."
        )

    def field(match):
        name, value = match.group(1), match.group(2) or ""
        words = sides.get(value) or devices.get(value) or value
        title = fields.get(name, name.replace("-", " "))
        return f"{title}: {words}" if words else title

    # The panel has no field for this: whoever names sides that the file contradicts is to leave them to the file.
    sentence = sentence.replace(INSIST_ON_SIDES, "")
    sentence = sentence.replace("pip install", "PythonSlicer -m pip install")
    sentence = re.sub(r"spectbonemetseg ([a-z]+)", command, sentence)
    values = "|".join(re.escape(value) for value in sorted({*sides, *devices}, key=len, reverse=True))
    return re.sub(rf"--([a-z][a-z-]*)(?: ({values}|[\d.]*\d)(?![\w,]))?", field, sentence)
