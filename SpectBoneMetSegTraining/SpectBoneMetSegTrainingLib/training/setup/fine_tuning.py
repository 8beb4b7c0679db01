"""Fine-tuning: training that starts from a parent model instead of random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.store import find_model, load_network

from .config import TrainingConfig


def with_start(config: TrainingConfig) -> TrainingConfig:
    """Return the options with the network and the SHA-256 of the parent model.

    Without `start` they are returned unchanged. A SHA-256 that is already set must be the model's.

    Raises:
        UserError: no such model, or not the one that the training started from.
    """
    if not config.start:
        return config
    card = find_model(config.start).card
    if config.start_sha256 not in (None, card.sha256):
        raise UserError(f"{config.start} is not the model this training started from; restore that one.")
    return replace(config, network=card.network, start_sha256=card.sha256)


def start_weights(config: TrainingConfig) -> list[NDArray[Any]]:
    """Load the weights of the parent model, `config.start`, in Keras' order.

    Raises:
        UserError: no such model, or a damaged one.
    """
    return list(load_network(find_model(config.start)).get_weights())


def parent_of(config: TrainingConfig) -> str:
    """Return the parent model's name, version and SHA-256 for a card; empty for none."""
    if not config.start:
        return ""
    return model_reference(find_model(config.start).card)


def model_reference(card: ModelCard) -> str:
    """Return a model's name, version and SHA-256, as a child's card refers to it."""
    return f"{card.name} {card.version}, SHA-256 {card.sha256}"
