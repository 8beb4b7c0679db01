"""What the wheel and Slicer's build package: they find their files, and must find every one and no other."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULES = ["SpectBoneMetSeg", "SpectBoneMetSegTraining"]
#: Files of a module's folder that are made for developers.
NOT_PACKAGED = {"CMakeLists.txt", "Resources/Icons/draw_icons.py"}
#: What Slicer gets from outside the modules' folders; the truth of the sample is for tests.
SHARED = {
    "Resources/Atlas/LICENSE.atlas.txt",
    "Resources/Atlas/skeleton.npz",
    "Resources/Population/patients-with-metastases.json",
    "Resources/Sample/simulated_scan.dcm",
}
#: Where the wheel holds the folders of the tree.
IN_WHEEL = {
    "SpectBoneMetSeg/SpectBoneMetSegLib/": "SpectBoneMetSegLib/",
    "SpectBoneMetSeg/Resources/Models/": "SpectBoneMetSegLib/Resources/Models/",
    "SpectBoneMetSeg/Resources/Schemas/": "SpectBoneMetSegLib/Resources/Schemas/",
    "SpectBoneMetSegTraining/SpectBoneMetSegTrainingLib/": "SpectBoneMetSegTrainingLib/",
    "Resources/Atlas/": "SpectBoneMetSegTrainingLib/Resources/Atlas/",
    "Resources/Population/": "SpectBoneMetSegTrainingLib/Resources/Population/",
    "Resources/Sample/": "SpectBoneMetSegTrainingLib/Resources/Sample/",
}
#: Packages deeper than any there is, which nothing can have listed.
NEW = [f"{module}/{module}{part}/new/and/deep/__init__.py" for module in MODULES for part in ("Lib", "Module")]

#: What the build needs of Slicer: a macro that installs a module's scripts and resources in the folder of all modules.
SLICER_CONFIG = """
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/nothing.cmake)
set(Slicer_QTSCRIPTEDMODULES_LIB_DIR modules)
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR modules)
macro(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  foreach(file IN LISTS MY_SCRIPTS MY_RESOURCES)
    get_filename_component(folder ${file} DIRECTORY)
    install(FILES ${file} DESTINATION modules/${folder})
  endforeach()
endmacro()
"""
#: Nothing is compiled, so that no search for a compiler is needed, which takes longer than all the rest.
HOST_PROJECT = """
cmake_minimum_required(VERSION 3.16.3...3.31.0 FATAL_ERROR)
project(Host NONE)
macro(project)
endmacro()
add_subdirectory(${EXTENSION} extension)
"""


def tracked() -> list[str]:
    """The repository's files, also those that wait to be committed, without what git ignores."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        reported = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git cannot say which files belong to {ROOT}: {error}")
    return [name for name in reported.split("\0") if name and (ROOT / name).is_file()]


def of_module(module: str, names: list[str]) -> set[str]:
    """Those of the tree's files that Slicer gets of a module, relative to its folder."""
    inside = {name.removeprefix(f"{module}/") for name in names if name.startswith(f"{module}/")}
    return {name for name in inside - NOT_PACKAGED if not name.startswith("Testing/")}


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The files of the tree that is packaged: the repository's and new packages."""
    return [*tracked(), *NEW]


@pytest.fixture(scope="module")
def tree(names, tmp_path_factory) -> Path:
    """A copy of the repository with new packages, and with what Python leaves behind when they were imported."""
    folder = tmp_path_factory.mktemp("tree")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name in NEW:
            (folder / name).touch()
        else:
            shutil.copyfile(ROOT / name, folder / name)
    for name in NEW:
        cache = (folder / name).with_name("__pycache__")
        cache.mkdir()
        (cache / "__init__.cpython-312.pyc").touch()
    return folder


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory) -> Path:
    """The folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", folder, cwd=tree)
    return folder


def wheel_in(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def packaged(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def installed(tree, tmp_path_factory) -> Path:
    """The folder of Slicer's modules after the extension was installed by its own build."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed; only the patterns of the build are compared with the tree")
    folder = tmp_path_factory.mktemp("slicer")
    (folder / "SlicerConfig.cmake").write_text(SLICER_CONFIG)
    (folder / "nothing.cmake").touch()
    (folder / "CMakeLists.txt").write_text(HOST_PROJECT)
    run(cmake, "-S", folder, "-B", folder / "build", f"-DSlicer_DIR={folder}", f"-DEXTENSION={tree}")
    run(cmake, "--install", folder / "build", "--prefix", folder / "installed")
    return folder / "installed" / "modules"


def test_the_wheel_holds_the_libraries_and_their_resources(built, names):
    wanted = {to + name.removeprefix(at) for at, to in IN_WHEEL.items() for name in names if name.startswith(at)}
    assert packaged(wheel_in(built)) == wanted


def test_the_source_archive_holds_the_tree_and_gives_the_same_wheel(built, names, tmp_path):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    assert files_in(source) - {"PKG-INFO"} == set(names)
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=source)
    assert packaged(wheel_in(tmp_path)) == packaged(wheel_in(built))


def test_slicer_gets_every_file_of_the_modules(installed, names):
    wanted = SHARED.union(*(of_module(module, names) for module in MODULES))
    assert files_in(installed) == wanted


@pytest.mark.parametrize("module", MODULES)
def test_the_patterns_of_slicers_build_match_every_file(module, tree, names):
    # Where cmake is not installed this replaces the test above.
    text = (ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8").replace("${MODULE_NAME}", module)
    found: set[Path] = set()
    for kind, words in re.findall(r"^file\((GLOB|GLOB_RECURSE) \w+\s+([^)]*)\)", text, re.MULTILINE):
        relative, _, depends, *patterns = words.split()
        # Without the latter a new file would be missing until the build is configured again.
        assert (relative, depends) == ("RELATIVE", "CONFIGURE_DEPENDS")
        for pattern in patterns:
            folder, _, last = (tree / module / pattern).as_posix().rpartition("/")
            found.update(Path(folder).rglob(last) if kind == "GLOB_RECURSE" else Path(folder).glob(last))
    found_names = {path.relative_to(tree / module).as_posix() for path in found if path.is_file()}
    assert found_names == of_module(module, names)


#: Says where shipped files are found by libraries that may lie anywhere; the module's own needs a bit of Slicer.
WHERE = """
import sys, types
sys.modules.update({"slicer": types.ModuleType("slicer"), "slicer.i18n": types.ModuleType("slicer.i18n")})
sys.modules["slicer.i18n"].tr = str
from SpectBoneMetSegLib.model.store import shipped_models_folder
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import atlas_path
print(shipped_models_folder() / "thorax" / "card.json", atlas_path(), sep="\\n")
if "module" in sys.argv:
    from SpectBoneMetSegModule.requirements import GPU, ONNX, TENSORFLOW
    from SpectBoneMetSegModule.sample import MODULE_FOLDER, sampleFile
    from SpectBoneMetSegTrainingModule.requirements import FILE
    icon = MODULE_FOLDER / "Resources" / "Icons" / "SpectBoneMetSeg.png"
    print(GPU, ONNX, TENSORFLOW, FILE, sampleFile(), icon, sep="\\n")
"""


def places(*folders: Path, module: bool) -> list[str]:
    """The shipped files that are found with the packages in `folders`, relative to the first one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "PYTHONDONTWRITEBYTECODE": "1"}
    reported = run(sys.executable, "-c", WHERE, *(["module"] if module else []), env=environment, cwd=folders[0])
    found = [Path(line) for line in reported.splitlines()]
    assert all(path.is_file() for path in found)
    return [os.path.relpath(path, folders[0].resolve()).replace(os.sep, "/") for path in found]


def test_shipped_files_are_found_in_an_installed_wheel(built, tmp_path):
    with zipfile.ZipFile(wheel_in(built)) as archive:
        archive.extractall(tmp_path)
    assert places(tmp_path, module=False) == [
        "SpectBoneMetSegLib/Resources/Models/thorax/card.json",
        "SpectBoneMetSegTrainingLib/Resources/Atlas/skeleton.npz",
    ]


def test_shipped_files_are_found_in_slicer(installed):
    assert set(places(installed, module=True)) == {
        "Resources/Models/thorax/card.json",
        "Resources/Atlas/skeleton.npz",
        "Resources/requirements-gpu.txt",
        "Resources/requirements-tensorflow.txt",
        "Resources/requirements.txt",
        "Resources/requirements-training.txt",
        "Resources/Sample/simulated_scan.dcm",
        "Resources/Icons/SpectBoneMetSeg.png",
    }


def test_shipped_files_are_found_in_the_source_tree(tree):
    # Also in an editable installation, which names these two folders.
    assert set(places(*(tree / module for module in MODULES), module=True)) == {
        "Resources/Models/thorax/card.json",
        "../Resources/Atlas/skeleton.npz",
        "Resources/requirements-gpu.txt",
        "Resources/requirements-tensorflow.txt",
        "Resources/requirements.txt",
        "../SpectBoneMetSegTraining/Resources/requirements-training.txt",
        "../Resources/Sample/simulated_scan.dcm",
        "Resources/Icons/SpectBoneMetSeg.png",
    }


def test_the_extension_adds_every_module_that_can_be_built():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    added = re.findall(r"^add_subdirectory\((\w+)\)", text, re.MULTILINE)
    assert set(added) == {path.parent.name for path in ROOT.glob("*/CMakeLists.txt")}
    for name in added:
        assert (ROOT / name / f"{name}.py").is_file()


def test_the_extension_states_what_the_catalogue_requires():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    values = dict(re.findall(r'set\(EXTENSION_(\w+) "([^"]*)"\)', text))
    assert {"HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"} <= set(values)
    assert values["HOMEPAGE"].startswith("https://")
    assert "Research use only" in values["DESCRIPTION"]


def test_the_catalogue_entry_is_what_the_index_takes():
    # The schema's own properties and limits, version 1.0.2.
    allowed = {"$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "build_subdirectory"}
    text = (ROOT / "SpectBoneMetSeg.json").read_text(encoding="utf-8")
    entry = json.loads(text)
    assert {"$schema", "category", "scm_url"} <= set(entry) <= allowed | {"enabled", "tier", "dicom_support_rule"}
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert f'set(EXTENSION_CATEGORY "{entry["category"]}")' in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert entry["tier"] in (1, 3, 5)
    assert entry["build_dependencies"] == []
    assert entry["dicom_support_rule"] == "Modality == 'NM'"
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
    assert required("requirements.txt") == set(project["dependencies"])
    runtime = {line for line in project["dependencies"] if line.startswith("onnxruntime")}
    assert len(runtime) == 1
    others = set(project["dependencies"]) - runtime
    assert required("requirements-tensorflow.txt") == {*others, *extras["tensorflow"]}
    (build,) = required("requirements-gpu.txt") - others
    assert build.startswith("onnxruntime-gpu[cuda,cudnn]>=")
    assert required("requirements-results.txt") == set(extras["results"])
    own = {line for line in extras["train"] if not line.startswith("spectbonemetseg")}
    training = required("requirements-training.txt", "SpectBoneMetSegTraining")
    assert training == {*project["dependencies"], *extras["tensorflow"], *own}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("requirements.txt", "SpectBoneMetSeg"),
        ("requirements-gpu.txt", "SpectBoneMetSeg"),
        ("requirements-tensorflow.txt", "SpectBoneMetSeg"),
        ("requirements-results.txt", "SpectBoneMetSeg"),
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
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    roots = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    own = {f"{module}{part}" for module in MODULES for part in ("Lib", "Module")}
    standard = {"__future__", "collections", "logging", "os", "pathlib", "typing"}
    assert roots <= standard | {"slicer", "vtk", "qt", "ctk", "numpy", "DICOMLib"} | own


@pytest.mark.parametrize("module", MODULES)
def test_files_end_lines_as_the_index_requires(module):
    for name in of_module(module, tracked()) | {"CMakeLists.txt"}:
        path = ROOT / module / name
        if path.suffix in (".py", ".txt", ".ui", ".json"):
            assert b"\r" not in path.read_bytes(), name
