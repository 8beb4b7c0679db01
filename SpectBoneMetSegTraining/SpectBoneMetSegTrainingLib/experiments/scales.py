"""The two sizes of the experiments: what two cores can do, and what the paper's machine could."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.model.config import NetworkConfig

from ..paper_sets.recipes import PAPER_FACTOR
from .nnunet.client import NnunetSettings


@dataclass(frozen=True)
class Scale:
    """Sizes that all trainings of one scale share.

    Attributes:
        network: of the paper's method.
        unet_channels: of the peer, per level.
        steps: of every training.
        batch: of every training.
        patch: of every training.
        learning_rate: of every training.
        unet_steps: steps of the U-Net that take it about as long as `steps` take the paper's network.
        converged: so many times the steps for the converged column, which may end earlier.
        validate_every: the one stopping rule: looks at the validation patients, and how many without a better one end a
            training.
        patience: the one stopping rule: looks at the validation patients, and how many without a better one end a
            training.
        factor: pairs in D2 for each of D1's; 2,280 of 112 in the paper.
        generator_steps: of the DCGAN of D3 and D4.
        nnunet: what of nnU-Net is changed.
        nnunet_seconds: of its converged column.
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
        """The settings that a comparison of methods must tell, in words."""
        peer = self.nnunet
        changed = {"batch": peer.batch, "patch": peer.patch, "features of the first stage": peer.features}
        own = ", ".join(f"{name} {value}" for name, value in changed.items() if value) or "nothing"
        return (
            f"Settings: batch {self.batch}, patches of {self.patch} pixels; the paper's network {self.steps} steps, "
            f"channels {_words(self.network.channels)}; U-Net {self.unet_steps} steps, channels "
            f"{_words(self.unet_channels)}; a look at the validation patients every {self.validate_every} steps, the "
            f"end after {self.patience} without a better one. Of nnU-Net's own plans is changed: {own}; "
            f"{peer.iterations} iterations an epoch, {self.nnunet_seconds / 60:.0f} minutes in the converged column."
        )


def _words(numbers: tuple[int, ...]) -> str:
    return " ".join(map(str, numbers))


SCALES = {
    # Eq. 6 is slow to leave the empty mask: with 300 steps it finds nothing yet, with 600 about half of what it will.
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
