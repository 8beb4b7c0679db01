"""What Slicer's build packages: a file that no list names would be missing from the extension."""

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "SpectBoneMetSeg"
MODULES = ["SpectBoneMetSeg", "SpectBoneMetSegTraining"]
#: Files of a module's folder that are made for developers.
NOT_PACKAGED = {"CMakeLists.txt", "Resources/Icons/draw_icons.py"}


def listed(cmake: Path, variable: str) -> list[str]:
    text = re.sub(r"#.*", "", cmake.read_text(encoding="utf-8"))
    names = dict(re.findall(r"set\((\w+)\s([^)]*)\)", text))
    return names[variable].replace("${MODULE_NAME}", cmake.parent.name).split()


def in_tree(module: str) -> set[str]:
    """A module's files, without tests, models (named by a pattern) and what Python leaves behind."""
    paths = (path.relative_to(ROOT / module) for path in (ROOT / module).rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if path.parts[0] != "Testing"
        and path.parts[:2] != ("Resources", "Models")
        and not any(part.startswith(".") or part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_file_of_the_module_is_listed_once(module):
    cmake = ROOT / module / "CMakeLists.txt"
    names = listed(cmake, "MODULE_PYTHON_SCRIPTS") + listed(cmake, "MODULE_PYTHON_RESOURCES")
    assert len(names) == len(set(names))
    assert set(names) == in_tree(module) - NOT_PACKAGED


def test_the_extension_adds_every_module_that_can_be_built():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    added = re.findall(r"^add_subdirectory\((\w+)\)", text, re.MULTILINE)
    assert set(added) == {path.parent.name for path in ROOT.glob("*/CMakeLists.txt")}
    for name in added:
        assert (ROOT / name / f"{name}.py").is_file()


def test_the_sample_study_and_the_simulators_skeleton_are_packaged():
    for variable in ("SAMPLE_FILES", "ATLAS_FILES"):
        for name in listed(ROOT / "CMakeLists.txt", variable):
            assert (ROOT / name).is_file()


def test_the_extension_says_what_the_catalogue_asks_for():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\(EXTENSION_(\w+) "([^"]*)"\)', text))
    assert {"HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"} <= set(values)
    assert values["HOMEPAGE"].startswith("https://")
    assert "Research use only" in values["DESCRIPTION"]


def test_the_catalogue_entry_is_what_the_index_takes():
    # The schema's own properties and limits, version 1.0.1.
    allowed = {"$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "build_subdirectory"}
    text = (ROOT / "SpectBoneMetSeg.json").read_text(encoding="utf-8")
    entry = json.loads(text)
    assert {"$schema", "category", "scm_url"} <= set(entry) <= allowed | {"enabled", "tier"}
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert entry["tier"] in (1, 3, 5)
    assert entry["build_dependencies"] == []
    # An address is a public one; without one the entry names the folder it lies in.
    assert (entry["scm_type"], entry["scm_url"]) == ("local", ".") or (
        entry["scm_type"] == "git" and entry["scm_url"].startswith("https://")
    )
    assert text.endswith("}\n")
    assert "\r" not in text


def required(name: str, module: str = "SpectBoneMetSeg") -> set[str]:
    lines = (ROOT / module / "Resources" / name).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_slicer_asks_for_the_packages_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert required("requirements.txt") == {*project["dependencies"], *extras["tensorflow"]}
    own = {line for line in extras["train"] if not line.startswith("spectbonemetseg")}
    training = required("requirements-training.txt", "SpectBoneMetSegTraining")
    assert training == {*project["dependencies"], *extras["tensorflow"], *own}
    runtime = {line for line in extras["onnx"] if line.startswith("onnxruntime")}
    assert required("requirements-onnx.txt") == {*project["dependencies"], *runtime}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("requirements.txt", "SpectBoneMetSeg"),
        ("requirements-onnx.txt", "SpectBoneMetSeg"),
        ("requirements-training.txt", "SpectBoneMetSegTraining"),
    ],
)
def test_requirements_leave_room_for_slicers_own_versions(name, module):
    assert not [line for line in required(name, module) if "==" in line]


@pytest.mark.parametrize("module", MODULES)
def test_the_icon_is_a_small_square_png(module):
    from PIL import Image

    path = ROOT / module / "Resources" / "Icons" / f"{module}.png"
    with Image.open(path) as icon:
        assert (icon.format, icon.size) == ("PNG", (128, 128))
    assert path.stat().st_size < 50_000


@pytest.mark.parametrize(
    "name",
    [
        "SpectBoneMetSeg/SpectBoneMetSeg.py",
        "SpectBoneMetSeg/DICOMPlanarScintigraphyPlugin.py",
        "SpectBoneMetSegTraining/SpectBoneMetSegTraining.py",
    ],
)
def test_module_files_import_nothing_that_slicer_may_not_have(name):
    import ast

    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    roots = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    own = {f"{module}{part}" for module in MODULES for part in ("Lib", "Module")}
    assert roots <= {"logging", "os", "pathlib", "slicer", "vtk", "qt", "ctk", "numpy", "DICOMLib"} | own


@pytest.mark.parametrize("module", MODULES)
def test_files_end_lines_as_the_index_asks(module):
    for name in in_tree(module):
        path = ROOT / module / name
        if path.suffix != ".png":
            assert b"\r" not in path.read_bytes(), name
