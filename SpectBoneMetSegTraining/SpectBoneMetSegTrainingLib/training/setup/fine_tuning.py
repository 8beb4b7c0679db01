"""Training that starts from an existing model instead of random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.store import find_model, load_network

from .config import TrainingConfig


def with_start(config: TrainingConfig) -> TrainingConfig:
    """The same training with the network's shape and the SHA-256 of the model it starts from.

    Without `start` it comes back as it is. A SHA-256 that is already there must be the model's.

    Raises:
        UserError: no such model, or another one than the training began with.
    """
    if not config.start:
        return config
    card = find_model(config.start).card
    if config.start_sha256 not in (None, card.sha256):
        raise UserError(f"{config.start} is not the model this training started from; restore that one.")
    return replace(config, network=card.network, start_sha256=card.sha256)


def start_weights(config: TrainingConfig) -> list[NDArray[Any]]:
    """Weights of the model that `config.start` names, in Keras' order.

    Raises:
        UserError: no such model, or a damaged one.
    """
    return list(load_network(find_model(config.start)).get_weights())


def parent_of(config: TrainingConfig) -> str:
    """The start model for a card: name, version and SHA-256 of its weights; empty for none."""
    if not config.start:
        return ""
    return model_reference(find_model(config.start).card)


def model_reference(card: ModelCard) -> str:
    """A model as another one's card calls its parent."""
    return f"{card.name} {card.version}, SHA-256 {card.sha256}"
