"""What a user does who has nothing but the wheel: read the sample, simulate patients, train on them."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"

pytestmark = pytest.mark.slow


def run(*command: object, cwd: Path) -> str:
    """What a command says, run where no source tree and no variable of this process leads it to other packages."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, env={**environment, "PYTHONNOUSERSITE": "1"})
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """An empty folder that the commands run in."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(wheel, home, tmp_path_factory) -> Path:
    """The folder of the commands of an environment with the wheel, and with this interpreter's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / SCRIPTS / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--no-deps", wheel, cwd=home)
    # A folder that is named in a .pth file comes last, and its own .pth files are not read: an editable installation
    # in it stays unseen.
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    others = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(others), encoding="utf-8")
    return folder / SCRIPTS


@pytest.fixture(scope="module")
def places(environment, home) -> list[Path]:
    """Where the two libraries and the sample study are found."""
    code = (
        "import SpectBoneMetSegLib, SpectBoneMetSegTrainingLib as training\n"
        "from SpectBoneMetSegLib.common.resources import resources_folder\n"
        "sample = resources_folder(training, 'Sample') / 'Sample' / 'simulated_scan.dcm'\n"
        "print(SpectBoneMetSegLib.__file__, training.__file__, sample, sep='\\n')"
    )
    return [Path(line) for line in run(environment / "python", "-c", code, cwd=home).splitlines()]


def test_the_libraries_come_from_the_wheel(environment, places, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for path in places:
        assert path.is_relative_to(environment.parent)
        assert any(path.as_posix().endswith(f"/{name}") for name in names)


def test_the_sample_is_read(environment, places, home):
    run(environment / "spectbonemetseg", "segment", places[-1], "--output", home / "results", cwd=home)
    receipt = json.loads((home / "results" / "simulated_scan" / "receipt.json").read_text(encoding="utf-8"))
    assert receipt["lesions"] > 0


def test_a_model_is_trained_on_simulated_patients(environment, home):
    command = environment / "spectbonemetseg"
    run(command, "simulate", "--patients", 4, "--seed", 1, "--output", home / "data", cwd=home)
    run(command, "train", "--data", home / "data", "--steps", 5, "--output", home / "model", cwd=home)
    assert {"card.json", "weights.npz"} <= {path.name for path in (home / "model").iterdir()}
