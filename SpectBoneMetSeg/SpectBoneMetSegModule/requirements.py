"""The packages that a reading needs; nothing is installed before the user agrees."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

import platform
import sys
from pathlib import Path

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.resources import package_folder

import SpectBoneMetSegModule

RESOURCES = package_folder(SpectBoneMetSegModule).parent / "Resources"
TENSORFLOW, ONNX = RESOURCES / "requirements.txt", RESOURCES / "requirements-onnx.txt"


def requirementsFile(engine="auto", model=""):
    """The packages of an engine, as a file.

    Automatic takes TensorFlow where it is installed, otherwise ONNX Runtime, which is much smaller, for a model that it
    can run.
    """
    if engine == "auto" and not areInstalled(TENSORFLOW) and hasOnnx(model):
        return ONNX
    return ONNX if engine == "onnx" else TENSORFLOW


def tensorflowIsMissingHere():
    """Whether there is no TensorFlow for this computer: Macs with an Intel processor, Python 3.12 and newer."""
    return sys.platform == "darwin" and platform.machine() == "x86_64" and sys.version_info >= (3, 12)


def needsTensorflow(file):
    """Whether TensorFlow is among the packages of a file."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    return any(line.strip().lower().startswith("tensorflow") for line in lines)


def areInstalled(file):
    """Whether all packages of a file are there; never asks."""
    try:
        import slicer.packaging as packaging
    except ImportError:
        # An older Slicer; it is told when the user asks for a reading.
        return False
    return packaging.pip_check(packaging.load_requirements(file))


def ensureInstalled(file):
    """Ask for missing packages and install them.

    Raises:
        UserError: this computer cannot have them, the user declined, or the installation failed.
    """
    if tensorflowIsMissingHere() and needsTensorflow(file) and not areInstalled(file):
        raise UserError(
            _(
                "TensorFlow has no package for Macs with an Intel processor and Slicer's Python: read with the engine "
                "ONNX Runtime and a model that has it, such as the one that is shipped; teach on another computer."
            )
        )
    try:
        import slicer.packaging as packaging
    except ImportError as error:
        raise UserError(_("This Slicer is too old: version 5.12 or newer is needed.")) from error
    wanted = packaging.load_requirements(file)
    missing = [str(one) for one in wanted if not packaging.pip_check([one])]
    try:
        packaging.pip_ensure(wanted, requester="SpectBoneMetSeg")
    except Exception as error:
        raise UserError(
            _("Packages are missing and were not installed: {names} ({why}). Apply again to be asked again.").format(
                names=", ".join(missing), why=error
            )
        ) from error


def hasOnnx(model):
    """Whether a model (empty for the default one) can be run by ONNX Runtime."""
    from SpectBoneMetSegLib.model.store import DEFAULT_MODEL_NAME, ONNX_FILE, find_model, shipped_models_folder

    try:
        return find_model(model or None).onnx.exists()
    except UserError:
        return False
    except ImportError:
        # Before the packages are installed only the models that are shipped can be found.
        return (shipped_models_folder() / (model or DEFAULT_MODEL_NAME) / ONNX_FILE).exists()
