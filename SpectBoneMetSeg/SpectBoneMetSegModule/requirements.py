"""The packages that a reading needs; nothing is installed before the user agrees."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.resources import package_folder

import SpectBoneMetSegModule

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from SpectBoneMetSegLib.model.engines import DeviceName, EngineName

RESOURCES = package_folder(SpectBoneMetSegModule).parent / "Resources"
ONNX = RESOURCES / "requirements.txt"
GPU, TENSORFLOW, RESULTS = (RESOURCES / f"requirements-{name}.txt" for name in ("gpu", "tensorflow", "results"))

#: ONNX Runtime comes in builds that cannot live beside each other; whichever is there reads.
BUILDS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
#: What the build for NVIDIA cards needs: the driver's CUDA, and the generation of the card (Turing).
CUDA, GENERATION = (13, 0), (7, 5)


def requirementsFile(engine: EngineName = "auto", model: str = "", device: DeviceName = "auto") -> Path:
    """The packages of an engine, as a file.

    Automatic takes ONNX Runtime, which is small, for a model that it can run, in the build for NVIDIA cards where card
    and driver fit; whoever has TensorFlow only is asked for nothing.
    """
    if engine == "tensorflow" or (engine == "auto" and not hasOnnx(model)):
        return TENSORFLOW
    if areInstalled(ONNX):
        return ONNX
    if engine == "auto" and areInstalled(TENSORFLOW):
        return TENSORFLOW
    return GPU if device != "cpu" and gpuBuildFits() else ONNX


def gpuBuildFits() -> bool:
    """Whether ONNX Runtime's build for NVIDIA cards would run here."""
    from SpectBoneMetSegLib.model.gpus import nvidia

    if platform.machine() not in ("x86_64", "AMD64"):
        return False
    card = nvidia()
    return card is not None and card.cuda >= CUDA and card.generation >= GENERATION


def tensorflowIsMissingHere() -> bool:
    """Whether there is no TensorFlow for this computer: Macs with an Intel processor, Python 3.12 and newer."""
    return sys.platform == "darwin" and platform.machine() == "x86_64" and sys.version_info >= (3, 12)


def needsTensorflow(file: Path) -> bool:
    """Whether TensorFlow is among the packages of a file."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return any(line.strip().lower().startswith("tensorflow") for line in lines)


def areInstalled(file: Path) -> bool:
    """Whether all packages of a file are there; never asks."""
    try:
        import slicer.packaging as packaging
    except ImportError:
        # An older Slicer; it is told when the user asks for a reading.
        return False
    return all(isThere(packaging, one) for one in packaging.load_requirements(file))


def isThere(packaging: Any, wanted: Requirement) -> bool:
    """Whether a package is installed; of ONNX Runtime any build will do."""
    from packaging.requirements import Requirement

    if packaging.pip_check([wanted]):
        return True
    others = [build for build in BUILDS if build != wanted.name] if wanted.name in BUILDS else []
    return any(packaging.pip_check([Requirement(build)]) for build in others)


def ensureInstalled(file: Path) -> None:
    """Ask for missing packages and install them.

    Raises:
        UserError: this computer cannot have them, the user declined, or the installation failed.
    """
    if tensorflowIsMissingHere() and needsTensorflow(file) and not areInstalled(file):
        raise UserError(
            _(
                "TensorFlow has no package for Macs with an Intel processor and Slicer's Python: read with the engine "
                "ONNX Runtime and a model that has it, such as the one that is shipped; train on another computer."
            )
        )
    try:
        import slicer.packaging as packaging
    except ImportError as error:
        raise UserError(_("This Slicer is too old: version 5.12 or newer is needed.")) from error
    wanted = packaging.load_requirements(file)
    missing = [one for one in wanted if not isThere(packaging, one)]
    # A build of ONNX Runtime that is there must not be joined by another.
    asked = [one for one in wanted if one in missing or one.name not in BUILDS]
    try:
        packaging.pip_ensure(asked, requester="SpectBoneMetSeg")
    except Exception as error:
        raise _notInstalled(missing, str(error)) from error
    if not areInstalled(file):
        # While Slicer tests itself it passes over what is missing.
        raise _notInstalled(missing, _("Slicer installed nothing"))


def _notInstalled(missing: list[Requirement], why: str) -> UserError:
    names = ", ".join(map(str, missing))
    words = _("Packages are missing and were not installed: {names} ({why}). Apply again to be asked again.")
    return UserError(words.format(names=names, why=why))


def hasOnnx(model: str) -> bool:
    """Whether a model (empty for the default one) can be run by ONNX Runtime."""
    from SpectBoneMetSegLib.model.store import DEFAULT_MODEL_NAME, ONNX_FILE, find_model, shipped_models_folder

    try:
        return find_model(model or None).onnx.exists()
    except UserError:
        return False
    except ImportError:
        # Before the packages are installed only the models that are shipped can be found.
        return (shipped_models_folder() / (model or DEFAULT_MODEL_NAME) / ONNX_FILE).exists()
