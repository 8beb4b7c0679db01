"""The extension as the Extensions Index requires it."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def catalogue():
    spec = importlib.util.spec_from_file_location("catalogue", ROOT / "Testing" / "catalogue" / "catalogue.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(catalogue, tmp_path):
    """The files that the index checks."""
    for name in ("SpectBoneMetSeg.json", "CMakeLists.txt", "LICENSE", catalogue.ICON, *catalogue.SCREENSHOTS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_only_the_address_is_missing(catalogue):
    assert all("--set-address" in finding for finding in catalogue.findings(ROOT))


def test_one_line_gives_the_extension_its_address(catalogue, copy):
    catalogue.set_address(copy, "https://github.com/someone/SlicerSpectBoneMetSeg")
    assert catalogue.findings(copy) == []
    text = (copy / "CMakeLists.txt").read_text(encoding="utf-8")
    assert (
        "https://raw.githubusercontent.com/someone/SlicerSpectBoneMetSeg/main/Resources/Screenshots/views.png" in text
    )
    assert (copy / catalogue.ADDRESS_FILE).read_text(encoding="utf-8").startswith("https://github.com/someone")
    catalogue.set_address(copy, "")
    assert (copy / "SpectBoneMetSeg.json").read_bytes() == (ROOT / "SpectBoneMetSeg.json").read_bytes()
    assert text != (copy / "CMakeLists.txt").read_text(encoding="utf-8")


def test_a_repository_of_another_name_and_an_unknown_property_are_reported(catalogue, copy):
    catalogue.set_address(copy, "https://github.com/someone/bonescan")
    entry = copy / "SpectBoneMetSeg.json"
    entry.write_text(entry.read_text(encoding="utf-8").replace('"tier"', '"colour"'), encoding="utf-8")
    reported = " ".join(catalogue.findings(copy))
    assert "begin with Slicer" in reported
    assert "colour" in reported


#: As the index's own: a file that does not lie next to the others is skipped.
INDEX_SCRIPT = """
import os, sys
own = [name for name in sys.argv[1:] if os.path.dirname(name) == "" and os.path.isfile(name)]
print("- :x: Check category failed: no category" if own and os.path.isfile("Other.json") else "all well")
sys.exit(bool(own))
"""


def test_the_indexs_own_script_checks_our_file_and_its_messages_are_passed_on(catalogue, tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "check_description_files.py").write_text(INDEX_SCRIPT)
    (tmp_path / "Other.json").write_text("{}")
    assert catalogue.index_findings(ROOT, tmp_path) == [
        "The index's own script: Check category failed: no category",
    ]
    assert [path.name for path in tmp_path.glob("*.json")] == ["Other.json"]


#: The points of the index's own list for a new extension, by the words that name them in our tables.
POINTS = {
    1: (
        "reasonable name",
        "repository name begins with",
        "3d-slicer-extension",
        "description of 1-2 sentences, patents",
        "licence in the root",
        "URL and revision",
        "icon, at least one screenshot",
        "consistent with CMakeLists.txt",
        "homepage",
        "unused features",
        "binaries",
        "without consent",
    ),
    3: ("tutorial", "conventions", "Windows, macOS, Linux", "pull requests", "@mention", "permissive licence for"),
    5: ("core developer", "automated tests", "forum"),
}


@pytest.mark.parametrize("tier", POINTS)
def test_every_point_of_a_tier_is_answered_in_the_documents(tier):
    text = (ROOT / "docs" / "extensions-index.md").read_text(encoding="utf-8")
    section = text.split(f"## Tier {tier}, point by point")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    for point in POINTS[tier]:
        [(_, met, how)] = [row for row in rows if point in row[0]]
        assert met in ("yes", "no", "not known")
        assert how
    assert len(rows) == len(POINTS[tier])
