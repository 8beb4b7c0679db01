"""Names that others chose never break a line of the output, drive a terminal, or become a spreadsheet's formula."""

import csv

import pytest
from SpectBoneMetSegLib.batch.tables import write_batch_table, write_failures
from SpectBoneMetSegLib.common.safe_text import one_line, safe_cell


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("one\u2028two\x85three", r"one\u2028two\x85three"),
        ("\u202egnp.scan", r"\u202egnp.scan"),
        ("Müller 骨扫描\u00a0\u3000x", "Müller 骨扫描\u00a0\u3000x"),
    ],
)
def test_control_characters_are_written_as_escapes_and_letters_stay(text, line):
    assert one_line(text) == line


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+1|cmd", "-2+3", "@SUM(A1)"])
def test_a_name_that_looks_like_a_formula_is_a_text_for_spreadsheets(name):
    assert safe_cell(name) == f"'{name}"


@pytest.mark.parametrize("value", ["-95.9759", "-1e-05", "+3", "-", "", "case", "/a/=b", -3.5, None])
def test_numbers_and_plain_texts_are_unchanged(value):
    assert safe_cell(value) == value


def test_the_tables_of_a_run_have_one_line_for_each_row(tmp_path):
    name = "=a\nb.dcm"
    write_batch_table(tmp_path, [{"input": name, "case": name, "state": "read", "warnings": f"Left out: {name}"}])
    write_failures(tmp_path, [{"input": name, "failure": f"{name} is empty."}])
    for table in ("batch.csv", "failures.csv"):
        lines = (tmp_path / table).read_text().splitlines()
        assert len(lines) == 2
        (row,) = csv.DictReader(lines)
        assert row["input"] == r"'=a\nb.dcm"
