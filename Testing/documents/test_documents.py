"""README and docs say what is there: links lead somewhere, commands exist, figures are those of the shipped model."""

import ast
import csv
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from SpectBoneMetSegLib.cli.main import _parser
from SpectBoneMetSegLib.model.config import SOFT_TISSUE_LEVEL, NetworkConfig

ROOT = Path(__file__).resolve().parents[2]
#: They only gather other pages for the site.
GATHER = ("index.md", "architecture.md", "contributing.md")
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in GATHER),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_local_link_and_named_file_exists(page):
    text = page.read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert not [link for link in links if "://" not in link and not (page.parent / link).exists()]
    named = re.findall(r"`((?:Resources|SpectBoneMetSeg|SpectBoneMetSegTraining|Testing)/[\w./-]+)`", text)
    assert not [name for name in named if not (ROOT / name).exists()]
    assert not re.findall(r"@[A-Z]+@", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_on_the_page_is_understood(page):
    text = page.read_text().replace("\\\n", " ")
    commands = re.findall(r"^\s*(?:spectbonemetseg|PythonSlicer -m SpectBoneMetSegLib) (.+)$", text, re.MULTILINE)
    for line in commands:
        words = re.sub(r'"\$\(.*?\)[^"]*"', "FILE", line).split()
        _parser({}).parse_args(words)
    assert commands or page.name == "extensions-index.md"


def test_the_research_use_notice_is_in_the_readme():
    assert "Research use only - not for diagnosis or treatment" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(("model", "least"), [("thorax", 0.55), ("whole-body", 0.6)])
def test_shipped_models_are_trained_and_their_cards_say_on_what(model, least):
    card = json.loads((ROOT / "SpectBoneMetSeg" / "Resources" / "Models" / model / "card.json").read_text())
    # On simulated patients an untrained model is near 0 and any threshold of counts below 0.2.
    assert card["metrics"]["validation"]["both views"]["dice"] > least
    assert "imulated" in card["training"]["data"]
    assert "Research use only" in card["notice"]


def test_a_page_says_how_the_shipped_model_was_trained():
    card = json.loads((ROOT / "SpectBoneMetSeg" / "Resources" / "Models" / "whole-body" / "card.json").read_text())
    readme = (ROOT / "docs" / "shipped-model.md").read_text()
    trained = card["training"]
    assert f"--steps {trained['steps']} " in readme
    assert f"--patch {trained['patch_pixels']} " in readme
    stored = re.match(r"\d+", trained["stored_patients"]).group()
    assert f"simulate --store --patients {stored} --seed 7 " in readme


def test_the_level_of_the_shipped_model_is_in_its_card_and_on_the_page_about_training():
    card = json.loads((ROOT / "SpectBoneMetSeg" / "Resources" / "Models" / "whole-body" / "card.json").read_text())
    level = card["network"]["scaling"]
    assert NetworkConfig.from_dict(card["network"]).scaling == SOFT_TISSUE_LEVEL
    page = (ROOT / "docs" / "training.md").read_text()
    [row] = [line for line in page.splitlines() if line.startswith("| `soft-tissue` |")]
    assert (
        f"| {level['level_factor']:g} times the {level['level_percentile']:g}th percentile of the body's pixels |"
        in row
    )
    assert f"above {level['knee'] ** 2:g} times the level" in row


def test_the_documented_ranking_table_is_what_its_command_prints(tmp_path):
    shutil.copytree(ROOT / "docs" / "next-scan", tmp_path, dirs_exist_ok=True)
    (tmp_path / "curves.png").unlink()
    script = ROOT / "Testing" / "benchmarks" / "next_scan.py"
    command = [sys.executable, str(script), "--data", str(tmp_path / "unneeded"), "--output", str(tmp_path)]
    reported = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert (tmp_path / "curves.png").exists()
    page = (ROOT / "docs" / "training-jobs.md").read_text()
    cell = r"([\d.]+) \((\d+)\)"
    first = re.search(rf"^\| 6 \| {cell} \| same start \| same start \|", page, re.MULTILINE)
    value = f"{first[1]} ({first[2]})"
    assert f"6 patients: random {value}, foreground {value}, rank {value}, " in reported
    gain = r"([+-][\d.]+) \(([\d.]+)\)"
    rows = re.findall(
        rf"^\| (\d+) \| {cell} \| {cell} \| {cell} \| {gain} \| {gain} \|$",
        page,
        re.MULTILINE,
    )
    assert [row[0] for row in rows] == ["12", "18", "24"]
    prices = []
    for count, at_random, lesions, foreground, more, rank, most, *gains in rows:
        [line] = [line for line in reported.splitlines() if line.startswith(f"{count} patients:")]
        assert f": random {at_random} ({lesions}), foreground {foreground} ({more}), rank {rank} ({most}), " in line
        for other, difference, error in (("random", *gains[:2]), ("foreground", *gains[2:])):
            assert f"rank minus {other}: difference {difference}, standard error {error}, " in line
            # "No choice is better than chance here".
            assert abs(float(difference)) < 2 * float(error)
        prices.append(int(most) / int(lesions))
    assert f"{min(prices):.1f} to {max(prices):.1f} times as many lesions" in page


def test_the_calibration_page_has_every_row_of_its_tables_and_a_reason_for_each_that_differs():
    page, folder = (ROOT / "docs" / "calibration.md").read_text(), ROOT / "docs" / "calibration"
    cells = re.findall(
        r"^\| (.+?) \| (anterior|posterior) \| (.+?) \| (.+?) \| ?(.*?) ?\| ?(.*?) ?\|$", page, re.MULTILINE
    )
    shown = {(title, view): rest for title, view, *rest in cells}
    with (folder / "population.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == len(shown) == 53
    reasons = dict(re.findall(r"^- \*\*([a-z])\*\*: (.{60,})$", page, re.MULTILINE))
    for row in rows:
        simulated, real, off, reason = shown[row["row"], row["view"]]
        for name, numbers in (("ours", simulated), ("real", real)):
            values = [float(row[column]) for column in row if column.startswith(f"{name} ")]
            assert [float(number) for number in numbers.split(" / ")] == pytest.approx(values, rel=6e-3, abs=6e-3)
        assert off == " ".join(f"P{percentile}" for percentile in row["off"].split())
        assert (reason in reasons) if off else reason == ""
    assert set(reasons) == {reason for *_, reason in shown.values() if reason}
    off = sum(len(row["off"].split()) for row in rows)
    fits = sum(not row["off"] for row in rows)
    assert f"{fits} of 53 rows are within 20 % at every percentile, and so are {5 * 53 - off} of all 265" in page


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_a_page_with_bare_commands_says_first_how_slicer_calls_them(page):
    text = page.read_text()
    if page.name == "slicer.md" or not re.search(r"^spectbonemetseg ", text, re.MULTILINE):
        return
    before = text[: re.search(r"^spectbonemetseg ", text, re.MULTILINE).start()]
    assert "PythonSlicer -m SpectBoneMetSegTrainingLib.cli" in before
    assert "](slicer.md#the-command-line-inside-slicer)" in before
    assert "\n## The command line inside Slicer\n" in (ROOT / "docs" / "slicer.md").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / "Testing" / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_a_benchmark_imports_names_that_exist(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    for node in (each for each in imports if each.module.startswith("SpectBoneMetSeg")):
        module = importlib.import_module(node.module)
        missing = [name.name for name in node.names if not hasattr(module, name.name)]
        # A package's module is an attribute only once it is imported.
        assert not [name for name in missing if importlib.util.find_spec(f"{node.module}.{name}") is None]
