"""Every text that the user sees in Slicer goes through Slicer's translation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = ["SpectBoneMetSeg", "SpectBoneMetSegTraining"]
#: The files that know Slicer's window. The library's sentences are its own: they also go to a terminal and a receipt.
FILES = sorted(
    path for name in MODULES for folder in (name, f"{name}/{name}Module") for path in (ROOT / folder).glob("*.py")
)
TRANSLATED = {"_", "translate", "tr"}
#: Attributes and methods whose text is shown.
SHOWN_ATTRIBUTES = {"text", "toolTip", "title", "helpText", "acknowledgementText", "loadType", "tooltip", "categories"}
SHOWN_METHODS = {
    "setText", "setToolTip", "setTitle", "setWindowTitle", "addItem", "addItems", "setHorizontalHeaderLabels",
    "setPlaceholderText", "errorDisplay", "infoDisplay", "warningDisplay", "showStatusMessage", "UserError",
}  # fmt: skip
#: Names are the same in every language.
NAMES = {"TensorFlow", "ONNX Runtime", "cm²"}
#: A style sheet has words that nobody reads.
STYLE = re.compile(r"([a-z-]+: [^;]+; ?)+")
#: Words of a sentence, or one that begins with a capital: neither an identifier nor a signal.
PROSE = re.compile(r"[^\W\d_]{2,}[ ,:]+[^\W\d_]|[.!?]$")


def literals(tree: ast.AST) -> Iterator[tuple[int, str, bool]]:
    """(line, text, whether it is surely shown) of every text that is not translated; no docstrings, no log messages."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
        and isinstance(node.body[0].value, ast.Constant)
    }

    def walk(node: ast.AST, *, shown: bool) -> Iterator[tuple[int, str, bool]]:
        if id(node) in docstrings:
            return
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node.lineno, node.value, shown
            return
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if name in TRANSLATED or owner == "logging":
                return
            # The second value of an item is data.
            arguments = node.args[:1] if name == "addItem" else [*node.args, *(word.value for word in node.keywords)]
            for argument in arguments:
                yield from walk(argument, shown=name in SHOWN_METHODS)
            yield from walk(node.func, shown=False)
            return
        if isinstance(node, ast.Assign):
            attributes = {target.attr for target in node.targets if isinstance(target, ast.Attribute)}
            yield from walk(node.value, shown=bool(attributes & SHOWN_ATTRIBUTES))
            return
        if isinstance(node, ast.Compare | ast.Subscript | ast.Assert):
            shown = False
        for child in ast.iter_child_nodes(node):
            yield from walk(child, shown=shown)

    return walk(tree, shown=False)


def untranslated(source: str) -> list[str]:
    """The texts of a module file that a user sees and no translator."""
    found = []
    for line, text, shown in literals(ast.parse(source)):
        has_words = bool(re.search(r"[^\W\d_]{2,}", text)) and text not in NAMES and not STYLE.fullmatch(text)
        if has_words and (shown or PROSE.search(text)):
            found.append(f"{line}: {text}")
    return found


#: Not words of the interface: contributors are a name, DICOM has its own terms, a test's progress is for developers, a
#: comparison's verdict is shown in a sentence.
ALLOWED = {
    # A command, not a sentence.
    "pip install",
    "PythonSlicer -m pip install",
    "`spectbonemetseg segment`",
    "not worse",
    "The SpectBoneMetSeg developers",
    "WHOLE BODY",
    "Loading the sample study",
    "Moving the threshold and removing a segment",
    "Test passed",
    # Names by which Slicer knows its effects.
    "Level tracing",
    "Logical operators",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_text_that_is_shown_is_left_untranslated(path):
    left = [entry for entry in untranslated(path.read_text(encoding="utf-8")) if entry.split(": ", 1)[1] not in ALLOWED]
    assert left == []


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ('label.text = "Done"', True),
        ('label.text = _("Done")', False),
        ('label.text = "" if x else "Ready"', True),
        ('label.text = f"Saved in {folder}"', True),
        ('label.text = _("Saved in {f}").format(f=folder)', False),
        ('box.addItem("Automatic", "auto")', True),
        ('box.addItem(_("Automatic"), "auto")', False),
        ('raise UserError("Choose a scan.")', True),
        ('words = ["Nothing was found."]', True),
        ('logging.error("Nothing was found.")', False),
        ('button.connect("clicked(bool)", slot)', False),
        ('def f():\n    """Nothing is shown."""', False),
        ('x = names["Nothing here, really."]', True),
        ('label.styleSheet = "color: red; border: 1px solid red;"', False),
        ('label.text = "color: red"', True),
    ],
)
def test_the_search_finds_what_is_shown_and_nothing_else(source, seen):
    assert bool(untranslated(source)) == seen


@pytest.mark.parametrize("module", MODULES)
def test_the_panels_file_leaves_every_text_to_the_translators(module):
    texts = list(ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").iter("string"))
    shown = [text for text in texts if text.text and " " in text.text]
    assert len(shown) > 15
    assert [text.text for text in texts if text.get("notr") == "true"] == []
