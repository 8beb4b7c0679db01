"""The two scales of the experiments: for two CPU cores, and for the paper's machine."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.model.config import NetworkConfig

from ..paper_sets.recipes import PAPER_FACTOR
from .nnunet.client import NnunetSettings


@dataclass(frozen=True)
class Scale:
    """Settings common to all trainings of one scale.

    Attributes:
        network: network of the paper's method.
        unet_channels: channels of the U-Net, per level.
        steps: gradient steps.
        batch: patches per step.
        patch: side of a patch in pixels.
        learning_rate: initial learning rate.
        unet_steps: steps of the U-Net that take about as long as `steps` of the paper's network.
        converged: factor on the steps for the converged column, where early stopping may end a training before.
        validate_every: steps between two validations.
        patience: validations without improvement after which a training stops early.
        factor: pairs in D2 per pair in D1; 2,280 of 112 images in the paper.
        generator_steps: steps of the DCGAN of D3 and D4.
        nnunet: changes of nnU-Net's plans.
        nnunet_seconds: seconds of nnU-Net in the converged column.
    """

    network: NetworkConfig
    unet_channels: tuple[int, ...]
    steps: int
    batch: int
    patch: int
    learning_rate: float
    unet_steps: int
    converged: int
    validate_every: int
    patience: int
    factor: float
    generator_steps: int
    nnunet: NnunetSettings
    nnunet_seconds: float

    def description(self) -> str:
        """Describe the settings that matter for a comparison of methods."""
        peer = self.nnunet
        changed = {"batch": peer.batch, "patch": peer.patch, "features of the first stage": peer.features}
        changes = ", ".join(f"{name} {value}" for name, value in changed.items() if value) or "nothing"
        return (
            f"Settings: batch {self.batch}, patches of {self.patch} pixels; the paper's network {self.steps} steps, "
            f"channels {_text(self.network.channels)}; U-Net {self.unet_steps} steps, channels "
            f"{_text(self.unet_channels)}; a validation every {self.validate_every} steps, early stopping "
            f"after {self.patience} without improvement. Changes of nnU-Net's own plans: {changes}; "
            f"{peer.iterations} iterations per epoch, {self.nnunet_seconds / 60:.0f} minutes in the converged column."
        )


def _text(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


SCALES = {
    # Eq. 6 predicts an empty mask for long: after 300 steps it finds nothing, after 600 about half of its final result.
    "small": Scale(
        network=NetworkConfig(channels=(8, 12, 16), stem_stride=2),
        unet_channels=(8, 16, 32, 64),
        steps=1500,
        batch=8,
        patch=128,
        learning_rate=3e-3,
        unet_steps=1800,
        converged=3,
        validate_every=250,
        patience=8,
        factor=5.0,
        generator_steps=600,
        nnunet=NnunetSettings(batch=8, patch=128, features=8, iterations=25),
        nnunet_seconds=900.0,
    ),
    "full": Scale(
        network=NetworkConfig(channels=(32, 48, 64), stem_channels=16),
        unet_channels=(64, 128, 256, 512),
        steps=20_000,
        batch=16,
        patch=256,
        learning_rate=2e-3,
        unet_steps=20_000,
        converged=4,
        validate_every=500,
        patience=20,
        factor=PAPER_FACTOR,
        generator_steps=10_000,
        nnunet=NnunetSettings(),
        nnunet_seconds=172_800.0,
    ),
}
