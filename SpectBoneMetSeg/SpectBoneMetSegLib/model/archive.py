"""Export and import a model as one zip file of card, weights, ONNX file and SHA-256 hashes, byte for byte reproducible.

An import validates names, sizes, hashes, the card, and the sizes of the arrays.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from ..common.errors import UserError, reason_of
from ..common.files import temporary_path
from .store import (
    CARD_FILE,
    ONNX_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    install_model,
    list_models,
    read_model,
    shipped_models_folder,
    verify,
)

__all__ = ["MODEL_SUFFIX", "export_model", "import_model"]

MODEL_SUFFIX = ".spectmodel.zip"
#: SHA-256 of the other files, by name.
HASHES_FILE = "sha256.json"
#: Largest size of each file in bytes; the shipped models have a few MB.
LIMITS = {CARD_FILE: 2**20, HASHES_FILE: 2**12, WEIGHTS_FILE: 2**30, ONNX_FILE: 2**30}
#: Exceptions raised by damaged headers, encrypted entries and invalid JSON.
BROKEN = (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, struct.error)
#: Time stamp of every entry, fixed so that the file is reproducible.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def export_model(model: ModelFolder, path: Path, *, replace: bool = False) -> Path:
    """Write a verified model as one file, atomically; only an earlier file of the same model is replaced unasked.

    Args:
        model: the model to export.
        path: the file, or a folder, in which the file gets the model's name and MODEL_SUFFIX.
        replace: replace any file; the user has agreed.

    Returns:
        The file.

    Raises:
        UserError: the model is damaged, or the file cannot be written or is another one.
    """
    verify(model)
    target = path / f"{model.card.name}{MODEL_SUFFIX}" if path.is_dir() else path
    if target.is_file() and not (replace or _holds(target, model)):
        raise UserError(f"{target} is not a file of the model {model.card.name}: move it or choose another file.")
    files = [file for file in (model.path / CARD_FILE, model.weights, model.onnx) if file.exists()]
    part = temporary_path(target)
    try:
        contents = {file.name: file.read_bytes() for file in files}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        contents[HASHES_FILE] = (json.dumps(hashes, indent=1, sort_keys=True) + "\n").encode()
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(contents):
                entry = zipfile.ZipInfo(name, FIXED_TIME)
                # The same on every system.
                entry.create_system = 3
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, contents[name])
        part.replace(target)
    except OSError as error:
        raise UserError(
            f"The model cannot be written to {target} ({reason_of(error)}); choose another file."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _holds(path: Path, model: ModelFolder) -> bool:
    """Return whether a file is an earlier export of the same version of a model."""
    try:
        card = json.loads(_checked_contents(path)[CARD_FILE])
    except (UserError, ValueError):
        return False
    return isinstance(card, dict) and (card.get("name"), card.get("sha256")) == (model.card.name, model.card.sha256)


def import_model(path: Path, *, replace: bool = False) -> ModelFolder:
    """Install a model from one file into the user's store.

    Args:
        path: a file written by `export_model`.
        replace: also replace another model of the same name in the store.

    Raises:
        UserError: not a model file, a damaged or suspicious one, or another model has its name.
    """
    with tempfile.TemporaryDirectory(prefix="SpectBoneMetSeg-") as temporary:
        folder = Path(temporary) / "model"
        folder.mkdir()
        for name, content in _checked_contents(path).items():
            (folder / name).write_bytes(content)
        try:
            model = read_model(folder)
            verify(model)
        except UserError as error:
            # The original message names the temporary folder.
            raise UserError(f"{path} was not imported: its card is not valid or belongs to other files.") from error
        _check_arrays(model.weights, path)
        same_name = [one for one in list_models() if one.path.name == model.card.name]
        if any(one.card.sha256 != model.card.sha256 for one in same_name) and not replace:
            raise UserError(f"{path} was not imported: there is another model {model.card.name!r} already.")
        if (shipped_models_folder() / model.card.name).exists():
            # `install_model` would name the temporary folder.
            raise UserError(f"{path} was not imported: {model.card.name!r} is the name of a shipped model.")
        return install_model(folder)


def _checked_contents(path: Path) -> dict[str, bytes]:
    """Return the files of an archive by name, after checking names, sizes and hashes."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            # Only these plain names are allowed, so that no entry can be written outside the folder.
            if len(set(names)) != len(names) or not {CARD_FILE, HASHES_FILE, WEIGHTS_FILE} <= set(names) <= set(LIMITS):
                raise UserError(f"{path} is not a model file: it does not hold exactly the files of a model.")
            for entry in entries:
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise UserError(f"{path} is not a model file: {entry.filename} in it is packed in an unusual way.")
                if entry.file_size > LIMITS[entry.filename] or entry.compress_size > LIMITS[entry.filename]:
                    raise UserError(f"{path} was not imported: {entry.filename} in it is larger than any model's.")
            contents = {entry.filename: _read(archive, entry) for entry in entries}
        hashes = json.loads(contents.pop(HASHES_FILE))
    except FileNotFoundError as error:
        raise UserError(f"{path} does not exist; check the path.") from error
    except BROKEN as error:
        raise UserError(f"{path} is not a model file or is damaged; export it again.") from error
    found = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    if hashes != found:
        raise UserError(f"{path} is damaged: the SHA-256 of its files are not those noted in it; export it again.")
    return contents


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """Read an entry; more bytes than its header states are an error."""
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise zipfile.BadZipFile("size")
    return content


def _check_arrays(weights: Path, path: Path) -> None:
    """Refuse arrays that would exhaust the memory."""
    try:
        with zipfile.ZipFile(weights) as arrays:
            size = sum(entry.file_size for entry in arrays.infolist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} was not imported: its weights are damaged.") from error
    if size > LIMITS[WEIGHTS_FILE]:
        raise UserError(f"{path} was not imported: the weights in it are larger than any model's.")
