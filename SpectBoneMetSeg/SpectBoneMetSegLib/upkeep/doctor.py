"""Checks of an installation: packages, machine, folders, models and engines, with a remedy for each problem."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from .._version import __version__
from ..common.errors import UserError, reason_of
from ..common.memory import free_memory_mb
from ..common.packages import is_installed
from ..model.engines import EngineName, load_engine
from ..model.store import (
    CARD_FILE,
    ModelFolder,
    find_model,
    list_models,
    read_model,
    shipped_models_folder,
    user_models_folder,
    verify,
)

__all__ = ["DoctorResult", "examine"]

State = Literal["good", "note", "bad"]
Value = TypeVar("Value")

#: Packages of the plain installation, and those of extras, by their distribution names.
NEEDED = ("numpy", "scipy", "pydicom", "SimpleITK", "Pillow", "onnxruntime", "pylibjpeg", "python-gdcm", "platformdirs")
EXTRA = (
    *("tensorflow", "keras", "slicer-core", "dask", "distributed"),
    *("highdicom", "Jinja2", "reportlab", "dicom-anonymizer", "pynetdicom"),
)
PYTHONS = ((3, 11), (3, 13))
#: With less free memory or disk space a run may fail (GB).
LEAST_MEMORY_GB, LEAST_DISK_GB = 1.0, 2.0
#: Maximum difference of a probability between engines that agree.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class DoctorResult:
    """Result of one check.

    Attributes:
        what: name of the check.
        state: "good", "note", or "bad" if something does not work.
        found: what was found.
        remedy: what to do, "" for nothing.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(output: Path, model: str | None = None) -> Iterator[DoctorResult]:
    """Check everything that reading needs, one after another; nothing is changed or downloaded.

    Args:
        output: folder for results.
        model: name or folder of the model to test; None for the default.
    """
    yield _program()
    yield from _packages()
    yield from _machine(output)
    yield from _folders(output)
    yield from _models()
    yield from _devices()
    yield from _engines(model)


def _program() -> DoctorResult:
    version = sys.version_info[:2]
    found = f"SpectBoneMetSeg {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    if PYTHONS[0] <= version <= PYTHONS[1]:
        return DoctorResult("program", "good", found)
    return DoctorResult("program", "bad", found, "Use Python 3.11, 3.12 or 3.13.")


def _packages() -> Iterator[DoctorResult]:
    for name in NEEDED:
        version = _version(name)
        if version:
            yield DoctorResult(f"package {name}", "good", version)
        else:
            yield DoctorResult(f"package {name}", "bad", "not installed", f"pip install {name}")
    installed = {name: version for name in EXTRA if (version := _version(name))}
    text = ", ".join(f"{name} {version}" for name, version in installed.items()) or "none"
    yield DoctorResult("packages of extras", "good", text)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _machine(output: Path) -> Iterator[DoctorResult]:
    from ..batch.pool import cores

    yield DoctorResult("cores", "good", f"{cores()} of {os.cpu_count()} may be used")
    free = free_memory_mb()
    if free is None:
        yield DoctorResult("memory", "note", "not reported by the system")
    else:
        low = free < 2**10 * LEAST_MEMORY_GB
        remedy = "Close other programs, or read with fewer processes at a time." if low else ""
        yield DoctorResult("memory", "bad" if low else "good", f"{free / 2**10:.1f} GB free", remedy)
    folder = _existing(output)
    space = shutil.disk_usage(folder).free / 2**30
    low = space < LEAST_DISK_GB
    remedy = f"Free some space below {folder}: a study takes about 3 MB." if low else ""
    yield DoctorResult("disk", "bad" if low else "good", f"{space:.1f} GB free at {folder}", remedy)


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists; a file in its place, which cannot be written into."""
    folder = folder.expanduser().absolute()
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _folders(output: Path) -> Iterator[DoctorResult]:
    folders = {
        "results": (_existing(output), "Name another folder for the results, or ask for permission to write there."),
        "temporary files": (Path(tempfile.gettempdir()), "Set TMPDIR to a folder that can be written."),
        "own models": (
            _existing(user_models_folder()),
            "Models can be used but not installed: set SPECTBONEMETSEG_MODELS to a folder that can be written.",
        ),
    }
    for name, (folder, remedy) in folders.items():
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
            yield DoctorResult(f"folder for {name}", "good", f"{folder} can be written")
        except OSError as error:
            state: State = "note" if name == "own models" else "bad"
            yield DoctorResult(f"folder for {name}", state, f"{folder} cannot be written ({reason_of(error)})", remedy)


def _models() -> Iterator[DoctorResult]:
    sound = list_models()
    for model in sound:
        yield _checked(f"model {model.path.name}", model)
    known = {model.path for model in sound}
    for store in (shipped_models_folder(), user_models_folder()):
        for card in sorted(store.glob(f"*/{CARD_FILE}")):
            if card.parent in known:
                continue
            try:
                hidden = read_model(card.parent)
                yield DoctorResult(
                    f"model {card.parent.name}", "note", f"{hidden.path}: another model has the same name"
                )
            except UserError as error:
                yield DoctorResult(f"model {card.parent.name}", "bad", str(error), f"Remove or restore {card.parent}.")
    if not sound:
        yield DoctorResult("models", "bad", "none", "Install one (`spectbonemetseg models`).")


def _checked(name: str, model: ModelFolder) -> DoctorResult:
    try:
        verify(model)
    except UserError as error:
        return DoctorResult(name, "bad", str(error), "Install the model again.")
    return DoctorResult(
        name, "good", f"version {model.card.version}, SHA-256 {model.card.sha256[:12]}... matches its card"
    )


def _devices() -> Iterator[DoctorResult]:
    from ..model.gpus import nvidia

    card = nvidia()
    if card is None:
        yield DoctorResult("GPU", "good", "no NVIDIA card; the CPU is used")
    else:
        yield DoctorResult("GPU", "good", f"NVIDIA, CUDA {card.cuda[0]}.{card.cuda[1]}, capability {card.generation}")


def _engines(name: str | None) -> Iterator[DoctorResult]:
    try:
        model = find_model(name)
    except UserError as error:
        yield DoctorResult("engines", "bad", str(error), "Name an installed model.")
        return
    predictions: dict[str, np.ndarray] = {}
    for engine, package in (("onnx", "onnxruntime"), ("tensorflow", "tensorflow")):
        if not is_installed(package):
            needed = engine == "onnx"
            remedy = "pip install onnxruntime" if needed else "Only training needs it."
            yield DoctorResult(f"engine {engine}", "bad" if needed else "note", "not installed", remedy)
            continue
        yield from _test_engine(model, engine, predictions)  # type: ignore[arg-type]
    if len(predictions) == 2:
        one, other = predictions.values()
        difference = float(np.abs(one - other).max())
        agree = difference <= TOLERANCE
        remedy = "" if agree else "Read with one engine only, and report it."
        yield DoctorResult("engines agree", "good" if agree else "bad", f"to {difference:.1g} in probability", remedy)


def _test_engine(model: ModelFolder, engine: EngineName, predictions: dict[str, np.ndarray]) -> Iterator[DoctorResult]:
    """Load a model and predict on an image of smoothed noise of the size of a thorax (256 x 256 pixels)."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(256, 256, len(model.card.network.inputs)))
    spots = gaussian_filter(noise, (4, 4, 0))
    inputs = np.clip(1 + spots / spots.std(), 0, 4).astype(np.float32)
    try:
        loaded, to_load = _timed(lambda: load_engine(model, engine, "auto"))
        loaded.predict(inputs)
        predictions[engine], to_read = _timed(lambda: loaded.predict(inputs))
    except UserError as error:
        yield DoctorResult(f"engine {engine}", "note" if predictions else "bad", str(error), "Use another engine.")
        return
    except Exception as error:  # noqa: BLE001 - every engine has its own exceptions
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        yield DoctorResult(f"engine {engine}", "bad", text, f"Install {engine} again, or use another engine.")
        return
    found = f"runs {model.card.name} on {loaded.device}: {to_load:.1f} s to load, {to_read * 1000:.0f} ms per thorax"
    yield DoctorResult(f"engine {engine}", "note" if loaded.warnings else "good", found, " ".join(loaded.warnings))


def _timed(work: Callable[[], Value]) -> tuple[Value, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start
