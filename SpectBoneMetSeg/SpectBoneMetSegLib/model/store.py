"""The model store: folders of weights and a card, verified by SHA-256."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import UserError, reason_of
from ..common.files import replace_folder, sha256_of, temporary_path, whole_file
from ..common.resources import resources_folder
from .architecture import build_network
from .card import MODEL_NAME, ModelCard
from .config import NetworkConfig
from .inputs import PREPROCESSING_VERSION

if TYPE_CHECKING:
    import keras

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.npz"
ONNX_FILE = "model.onnx"

#: Used if no model is named and it exists; otherwise the first one of `list_models`.
DEFAULT_MODEL_NAME = "whole-body"
#: Environment variable with the folder of the user's own models, instead of the system's default.
MODELS_VARIABLE = "SPECTBONEMETSEG_MODELS"


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk.

    Attributes:
        path: the folder.
        card: its card.json.
    """

    path: Path
    card: ModelCard

    @property
    def weights(self) -> Path:
        """The weights file: one float32 array per weight, named by the weight's path in the network."""
        return self.path / WEIGHTS_FILE

    @property
    def onnx(self) -> Path:
        """The ONNX file, which need not exist."""
        return self.path / ONNX_FILE


def shipped_models_folder() -> Path:
    """Return the folder of the models that are shipped with the program."""
    return resources_folder() / "Models"


def user_models_folder() -> Path:
    """Return the folder of the user's own models; the variable SPECTBONEMETSEG_MODELS may name another one."""
    chosen = os.environ.get(MODELS_VARIABLE)
    try:
        if chosen:
            return Path(chosen).expanduser()
        import platformdirs

        return platformdirs.user_data_path("SpectBoneMetSeg") / "models"
    except RuntimeError:
        # No home directory (a container's bare user id): a path that holds nothing, so that shipped models still work.
        return Path(os.devnull) / "models"


def read_model(folder: str | os.PathLike[str]) -> ModelFolder:
    """Read the card of the model in `folder`.

    Raises:
        UserError: no card, an invalid one, or one of a newer version of this program.
    """
    path = Path(folder)
    try:
        card = ModelCard.from_dict(json.loads((path / CARD_FILE).read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(
            f"{path} is not a model folder: {CARD_FILE} cannot be read ({reason_of(error)}); choose another folder."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = error if isinstance(error, ValueError) else "it is incomplete"
        raise UserError(f"{path / CARD_FILE} is not a valid model card ({why}); restore or retrain it.") from error
    if card.preprocessing_version > PREPROCESSING_VERSION:
        raise UserError(
            f"The model {path} was trained by a newer program (preprocessing {card.preprocessing_version}, this one "
            f"knows {PREPROCESSING_VERSION}); update this program."
        )
    return ModelFolder(path, card)


def list_models() -> list[ModelFolder]:
    """List all readable models: the shipped ones by name, then the user's; of equal names only the first."""
    found: dict[str, ModelFolder] = {}
    for store in (shipped_models_folder(), user_models_folder()):
        for card in sorted(store.glob(f"*/{CARD_FILE}")):
            try:
                model = read_model(card.parent)
            except UserError:
                # A damaged folder must not hide the others; `find_model` reports it.
                continue
            found.setdefault(card.parent.name, model)
    return list(found.values())


def default_model_name() -> str:
    """Return the name of the model that is used if none is named.

    Raises:
        UserError: there is no model.
    """
    stores = (shipped_models_folder(), user_models_folder())
    if any((store / DEFAULT_MODEL_NAME / CARD_FILE).is_file() for store in stores):
        # Even if it is damaged: another model must not be used without notice.
        return DEFAULT_MODEL_NAME
    names = [model.path.name for model in list_models()]
    if not names:
        raise UserError(f"{shipped_models_folder()} and {user_models_folder()} hold no model; train or install one.")
    return names[0]


def find_model(name_or_path: str | os.PathLike[str] | None = None) -> ModelFolder:
    """Find a model by name (shipped, then the user's) or by the path of its folder; None for the default one.

    Raises:
        UserError: no such model (the message lists the available ones), or its card is invalid.
    """
    wanted = os.fspath(name_or_path) if name_or_path else default_model_name()
    if MODEL_NAME.fullmatch(wanted):
        for store in (shipped_models_folder(), user_models_folder()):
            if (store / wanted / CARD_FILE).is_file():
                return read_model(store / wanted)
    folder = Path(os.path.expanduser(wanted))
    if folder.is_dir():
        return read_model(folder)
    available = ", ".join(model.path.name for model in list_models()) or "none"
    raise UserError(f"There is no model {wanted!r}; available are: {available}; or give the path of a model folder.")


def verify(model: ModelFolder) -> None:
    """Compare the files of a model with the SHA-256 in its card.

    Raises:
        UserError: a file is missing or differs.
    """
    digests = {model.weights: model.card.sha256}
    if model.onnx.exists():
        digests[model.onnx] = model.card.onnx_sha256
    for path, digest in digests.items():
        try:
            found = sha256_of(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({reason_of(error)}); install the model again.") from error
        if found != digest:
            raise UserError(f"{path} is damaged: its SHA-256 is not the one in its card; install the model again.")


def load_network(model: ModelFolder) -> keras.Model:
    """Load the verified Keras model with its weights.

    Raises:
        UserError: a damaged file, or weights that do not fit the card's network.
    """
    verify(model)
    network = build_network(model.card.network)
    try:
        _read_weights(network, model.weights)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{model.weights} does not fit the network in its card; install the model again.") from error
    return network


def save_model(
    network: keras.Model, config: NetworkConfig, card_fields: Mapping[str, Any], folder: str | os.PathLike[str]
) -> ModelFolder:
    """Write a model folder atomically; an existing model there is replaced.

    Args:
        network: built by `build_network(config)`.
        config: its architecture.
        card_fields: `ModelCard` fields; network, hash, creation time and preprocessing version are filled in here, the
            name is the folder's unless given.
        folder: where to write.

    Returns:
        The model as written.

    Raises:
        UserError: the folder holds something that is not a model, or cannot be written.
        ValueError: unknown card fields.
    """
    target = Path(folder).absolute()
    check_target(target)
    if not all(np.isfinite(weight.numpy()).all() for weight in network.weights):
        raise UserError(f"{target} was not written: the weights hold values that are no numbers; train again.")
    unknown = sorted(set(card_fields) - {item.name for item in fields(ModelCard)})
    if unknown:
        raise ValueError(f"a model card has no {', '.join(unknown)}")

    def write(temporary: Path) -> None:
        np.savez(temporary / WEIGHTS_FILE, **{weight.path: weight.numpy() for weight in network.weights})
        filled = {
            "name": target.name,
            **card_fields,
            "network": config,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "preprocessing_version": PREPROCESSING_VERSION,
            "sha256": sha256_of(temporary / WEIGHTS_FILE),
            "onnx_sha256": "",
        }
        _write_card(ModelCard(**filled), temporary / CARD_FILE)

    _replace_folder(target, write)
    return read_model(target)


def update_card(model: ModelFolder, card: ModelCard) -> ModelFolder:
    """Replace the card of a model atomically; its other files stay.

    Raises:
        UserError: the card cannot be written.
        ValueError: its hashes are those of other files.
    """
    if (card.sha256, card.onnx_sha256) != (model.card.sha256, model.card.onnx_sha256):
        raise ValueError("a card with other hashes belongs to another model")
    try:
        with whole_file(model.path / CARD_FILE) as part:
            _write_card(card, part)
    except OSError as error:
        raise UserError(f"The card of {model.path} cannot be written ({reason_of(error)}).") from error
    return read_model(model.path)


def check_target(folder: Path) -> None:
    """Check, before any work, that a model can be written to a folder.

    Raises:
        UserError: an invalid model name, or a folder that holds other files than a model's.
    """
    if not MODEL_NAME.fullmatch(folder.name):
        raise UserError(f"{str(folder)!r} is not a valid model folder; use letters, digits, '.', '_' and '-' in names.")
    if not folder.exists():
        return
    contents = {item.name for item in folder.iterdir()} if folder.is_dir() else {""}
    if contents and CARD_FILE not in contents:
        raise UserError(f"{folder} exists and is not a model; choose another folder.")
    foreign = sorted(contents - {CARD_FILE, WEIGHTS_FILE, ONNX_FILE})
    if foreign:
        raise UserError(f"{folder} also holds {foreign[0]}, which a new model would delete; move it elsewhere first.")


def add_onnx(model: ModelFolder, content: bytes) -> ModelFolder:
    """Write model.onnx into a model's folder, and its SHA-256 into the card.

    Raises:
        UserError: the folder cannot be written.
    """

    def write(temporary: Path) -> None:
        shutil.copyfile(model.weights, temporary / WEIGHTS_FILE)
        (temporary / ONNX_FILE).write_bytes(content)
        _write_card(replace(model.card, onnx_sha256=sha256_of(temporary / ONNX_FILE)), temporary / CARD_FILE)

    remedy = "the model stays as it was; free some space or name another folder"
    _replace_folder(model.path.absolute(), write, "model.onnx", remedy)
    return read_model(model.path)


def copy_model(model: ModelFolder, folder: Path, card: ModelCard) -> ModelFolder:
    """Copy a model's weights and ONNX file, with another card.

    Raises:
        UserError: the folder holds something that is not a model, or cannot be written.
    """

    def write(temporary: Path) -> None:
        for path in (model.weights, model.onnx):
            if path.exists():
                shutil.copyfile(path, temporary / path.name)
        _write_card(card, temporary / CARD_FILE)

    _replace_folder(folder.absolute(), write)
    return read_model(folder)


def halve_model(model: ModelFolder, folder: Path) -> ModelFolder:
    """Copy a model with float16 weights, half as large; without model.onnx, which holds the original weights.

    Raises:
        UserError: weights beyond the range of float16, or the folder cannot be written.
    """
    with np.load(model.weights, allow_pickle=False) as stored:
        halves = {name: stored[name].astype(np.float16) for name in stored.files}
    if not all(np.isfinite(weights).all() for weights in halves.values()):
        raise UserError(f"{model.path} has weights that 16 bits cannot hold.")

    def write(temporary: Path) -> None:
        np.savez(temporary / WEIGHTS_FILE, **halves)
        card = replace(model.card, sha256=sha256_of(temporary / WEIGHTS_FILE), onnx_sha256="")
        _write_card(card, temporary / CARD_FILE)

    _replace_folder(folder.absolute(), write)
    return read_model(folder)


def install_model(folder: str | os.PathLike[str]) -> ModelFolder:
    """Copy a verified model into the user's models; a model of the same name there is replaced.

    Raises:
        UserError: not a model, damaged, or its name is that of a shipped model, which takes precedence.
    """
    model = read_model(folder)
    verify(model)
    if (shipped_models_folder() / model.card.name).exists():
        raise UserError(f"{model.path}: {model.card.name!r} is the name of a shipped model; rename it in {CARD_FILE}.")
    target = user_models_folder() / model.card.name
    installed = model if target.resolve() == model.path.resolve() else copy_model(model, target, model.card)
    verify(installed)
    return installed


def remove_model(name: str) -> Path:
    """Delete a model from the user's models, and return the deleted folder.

    Raises:
        UserError: no such model there, a shipped one, or it cannot be deleted.
    """
    folder = user_models_folder() / name
    named = MODEL_NAME.fullmatch(name) is not None
    if not named or not (folder / CARD_FILE).is_file():
        shipped = named and (shipped_models_folder() / name / CARD_FILE).is_file()
        own = "not one of your own models; `models` lists them"
        reason = "shipped with the program and cannot be deleted" if shipped else own
        raise UserError(f"{name!r} is {reason}.")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise UserError(f"{folder} cannot be deleted ({reason_of(error)}); ask for permission to write.") from error
    return folder


def _read_weights(network: keras.Model, path: Path) -> None:
    """Set every weight from the file; ValueError unless both hold exactly the same weights.

    Keras' own format is not used: it changes between versions, and leaves missing weights untrained with a warning.
    """
    with np.load(path, allow_pickle=False) as arrays:
        if sorted(arrays.files) != sorted(weight.path for weight in network.weights):
            raise ValueError("other weights")
        for weight in network.weights:
            weight.assign(arrays[weight.path])


def _write_card(card: ModelCard, path: Path) -> None:
    path.write_text(json.dumps(card.to_dict(), indent=2) + "\n", encoding="utf-8")


def _replace_folder(
    target: Path,
    write: Callable[[Path], None],
    what: str = "The model",
    remedy: str = "free some space or name another folder",
) -> None:
    """Fill a temporary folder next to `target` by `write`, then rename it to `target`.

    Args:
        target: the model folder.
        write: writes the files into the folder that it gets.
        what: subject of the error message.
        remedy: remedy in the error message.

    Raises:
        UserError: it cannot be written; an earlier folder stays.
    """
    check_target(target)
    new = temporary_path(target.resolve())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new.mkdir()
        write(new)
        replace_folder(new, target)
    except OSError as error:
        raise UserError(f"{what} cannot be written to {target} ({reason_of(error)}); {remedy}.") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
