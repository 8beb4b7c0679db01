"""What the documents promise of Slicer: the console's example runs, the fields and sentences they name exist."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
pytest_plugins = ["slicerhost.fixtures"]

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "slicer.md").read_text(encoding="utf-8")


def test_the_consoles_example_runs_unchanged(host, a_warm_worker, monkeypatch, tmp_path, capsys):
    logic = host.module.SpectBoneMetSegLogic
    # One worker for all tests; the example would start another one.
    monkeypatch.setattr(logic, "worker", property(lambda self: a_warm_worker))
    monkeypatch.setattr(host.slicer.app, "temporaryPath", str(tmp_path))
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/slicer.md", "exec"), {"__name__": "console"})
    shown = capsys.readouterr().out
    assert f"saved in {tmp_path / 'results' / 'simulated_scan'}" in shown
    assert f"first.dcm -> {tmp_path / 'results' / 'first'}" in shown
    for case in ("simulated_scan", "first"):
        assert (tmp_path / "results" / case / "lesions.csv").is_file()


def test_the_fields_that_the_page_names_are_in_the_panel(panel):
    from PySide6 import QtWidgets

    kinds = (QtWidgets.QLabel, QtWidgets.QAbstractButton, QtWidgets.QWidget)
    texts = {str(widget.property("text")) for kind in kinds for widget in panel.parent.findChildren(kind)}
    for name in (
        "Apply",
        "Load",
        "Posterior view from the front",
        "Read the region in the box instead",
        "What the file does not state",
        "Edit by hand",
        "Save all results",
        "Reset to the model's result",
    ):
        assert f"*{name}*" in PAGE, name
        assert name in texts, name
    assert {"Views:", "Threshold:", "Result:", "Used:"} <= texts


@pytest.mark.parametrize("column", ["decision", "classification"])
def test_the_columns_that_the_page_explains_are_in_the_table(column):
    from SpectBoneMetSegLib.export.table import COLUMNS
    from SpectBoneMetSegLib.lesions.review import CLASSIFICATIONS, DECISIONS

    assert column in COLUMNS
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{column}`"))
    words = {"decision": DECISIONS, "classification": CLASSIFICATIONS}[column]
    assert [word.strip() or "empty" for word in row.split("|")[2].split(",")] == [word or "empty" for word in words]
