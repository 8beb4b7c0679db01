"""Simulated people and scans that several test files share; the matrix is coarse, so that they are made in a second."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset.cases import Instance, finish_dataset, write_case
from SpectBoneMetSegTrainingLib.phantom.camera import random_acquisition
from SpectBoneMetSegTrainingLib.phantom.camera.acquisition import Camera
from SpectBoneMetSegTrainingLib.phantom.disease import patient as patient_module
from SpectBoneMetSegTrainingLib.phantom.person.anatomy import BodyShape, Person, Posture, make_person
from SpectBoneMetSegTrainingLib.phantom.scan import simulate as simulate_module
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import SimulatedCase, simulate_case

#: A whole-body field of the usual length with pixels four times the usual size.
COARSE_SHAPE, COARSE_SPACING = (256, 64), 9.04
#: Rows and columns of the discs that tiny networks are trained on.
DISC_SIZE = 64

#: Replaces the interpreter: the real process of a job, but its training only counts its steps.
COUNTING_PYTHON = """#!{python}
import subprocess, sys, time
from pathlib import Path
from SpectBoneMetSegTrainingLib.jobs import child as job_child
from SpectBoneMetSegLib.common.locks import FileLock
def count(folder, spec, reporter):
    alone = FileLock(folder.parent / "counting.lock")
    assert alone.acquire(), "two jobs at once"
    run = folder / "run"
    run.mkdir(exist_ok=True)
    place = run / "checkpoint.txt"
    first = int(place.read_text()) if place.exists() else 0
    if spec.description == "break":
        raise ZeroDivisionError("nothing to count")
    if spec.description == "helper":
        hold = "import sys, time; from pathlib import Path; "
        hold += "from SpectBoneMetSegLib.common.locks import FileLock; "
        hold += "lock = FileLock(Path(sys.argv[1])); lock.acquire(); time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", hold, str(folder / "helper.lock")])
    with (run / "log.csv").open("w") as log:
        print("step,loss", file=log, flush=True)
        for step in range(first, spec.config.steps):
            time.sleep(0.02)
            # Whole or not at all: a kill may come at any moment.
            new = run / "checkpoint.new"
            new.write_text(str(step + 1))
            new.replace(place)
            print(f"{{step}},{{1 / (step + 1)}}", file=log, flush=True)
            reporter.progress(step + 1, spec.config.steps, 1 / (step + 1), 0.02)
    return "Counted."
job_child._train = count
job_child.STATUS_SECONDS = 0.01
job_child.run(Path(sys.argv[3]))
"""


def neutral_shape() -> BodyShape:
    """The atlas as it is."""
    return BodyShape(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, (0.0, 0.0, 0.0), np.zeros((0, 7)))


def neutral_posture() -> Posture:
    """Straight, arms and legs hanging."""
    return Posture((0.0, 0.0), (0.0, 0.0), 0.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def atlas_shape() -> BodyShape:
    return neutral_shape()


@pytest.fixture(scope="session")
def atlas_posture() -> Posture:
    return neutral_posture()


@pytest.fixture(scope="session")
def person() -> Person:
    return make_person(neutral_shape(), neutral_posture(), np.random.default_rng(1))


@pytest.fixture(scope="session")
def coarse_case() -> Callable[..., SimulatedCase]:
    """simulate_case on the coarse matrix; by default of an otherwise healthy patient with an ideal camera."""
    draw_camera = random_acquisition.draw_camera

    def make(seed: int, shift: tuple[int, int] = (0, 0), *, plain: bool = True, **options: bool) -> SimulatedCase:
        def ideal(*arguments: Any) -> Camera:
            return replace(random_acquisition.ideal_camera(draw_camera(*arguments)), posterior_shift=shift)

        with pytest.MonkeyPatch.context() as patch:
            if plain:
                patch.setattr(simulate_module, "draw_camera", ideal)
                patch.setattr(patient_module, "add_conditions", lambda person, tracer, rng, disease: (tracer, []))
                patch.setattr(patient_module, "DIFFUSE_SHARE", 0.0)
                patch.setattr(patient_module, "COLD_SHARE", 0.0)
            return simulate_case(f"case {seed}", seed, shape=COARSE_SHAPE, spacing=COARSE_SPACING, **options)

    return make


@pytest.fixture(scope="session")
def patient(coarse_case: Callable[..., SimulatedCase]) -> SimulatedCase:
    """One patient with metastases."""
    return coarse_case(11, positive=True)


def scan_with_lesion(case: str, rng: np.random.Generator) -> tuple[WholeBodyScan, Instance]:
    """A disc of soft tissue with one hot blob that both views show."""
    rows, columns = np.mgrid[:DISC_SIZE, :DISC_SIZE]
    body = ((rows - 32) ** 2 + (columns - 32) ** 2 < 28**2) * 20.0
    row, column = rng.uniform(18, 46, 2)
    blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)
    counts = rng.poisson(body + 120 * blob).astype(np.float32)
    front = PlanarView(counts, (2.26, 2.26), "anterior")
    back = mirror(PlanarView(rng.poisson(body + 100 * blob).astype(np.float32), (2.26, 2.26), "anterior"))
    mask = blob > 0.4
    lesion = Instance(1, {"anterior": mask, "posterior": mask}, {"anterior": True, "posterior": True}, {"bone": "T5"})
    return WholeBodyScan(case, front, back), lesion


@pytest.fixture(scope="session")
def discs() -> Callable[[Path, Sequence[str]], Path]:
    """Write a data set of discs, one case and patient for each of the splits named, and return its folder."""

    def write(folder: Path, splits: Sequence[str]) -> Path:
        rng = np.random.default_rng(1)
        for i, split in enumerate(splits):
            scan, lesion = scan_with_lesion(f"case{i}", rng)
            crop = ThoraxCrop((0, DISC_SIZE), (0, DISC_SIZE), 1.0)
            write_case(folder, split, scan, crop, [lesion], {"patient": scan.case})
        finish_dataset(folder, "Tiny", 1, "Made-up discs with one hot spot.")
        return folder

    return write


@pytest.fixture(scope="session")
def bare_model() -> Callable[..., Path]:
    """Write a model that is whole in the store's eyes, though its one weight fits no network, and return its folder."""

    def write(folder: Path, metrics: dict[str, Any] | None = None, seed: int = 0) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", kernel=np.random.default_rng(seed).random(9, dtype=np.float32))
        digest = sha256_of(folder / "weights.npz")
        card = ModelCard(folder.name, NetworkConfig(channels=(5,), dilations=((1, 2),)), metrics=metrics or {})
        (folder / "card.json").write_text(json.dumps(replace(card, sha256=digest).to_dict()))
        return folder

    return write


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """Train without TensorFlow's graphs: building one takes longer than the few steps of a test.

    Tests of jobs (`jobs/test_real_job.py`), of the trainer and of the backends train with graphs, as users do.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(run_eagerly=True)
    yield
    tf.config.run_functions_eagerly(run_eagerly=False)


@pytest.fixture
def counting(tmp_path: Path) -> str:
    """An interpreter for jobs whose training takes no time; see COUNTING_PYTHON."""
    script = tmp_path / "counting-python"
    script.write_text(COUNTING_PYTHON.format(python=sys.executable))
    script.chmod(0o755)
    return str(script)
