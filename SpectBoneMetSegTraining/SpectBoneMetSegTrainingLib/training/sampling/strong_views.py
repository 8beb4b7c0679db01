"""Strong augmentation of unlabelled patches: noise, blur and gamma, and lesions pasted from labelled patches.

Sources: weak and strong augmentation, Sohn et al. 2020 (FixMatch); copy-paste of lesions, Bai et al. 2023 (BCP).
Inputs are square roots of relative counts (`model.inputs`); uptake is additive in counts, so lesions are pasted on the
squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.config import NetworkConfig

Array = NDArray[np.float32]

#: Range of the standard deviation of the noise, in units of the inputs.
NOISE = (0.0, 0.12)
#: Range of the Gaussian sigma in pixels.
BLUR_PIXELS = (0.3, 1.2)
#: Range of the exponent of the inputs.
GAMMA = (0.8, 1.25)
#: Probability that lesions are pasted.
PASTE_SHARE = 0.7
#: Gaussian sigma in pixels of a pasted lesion's edge, about that of the camera.
EDGE_PIXELS = 2.0
#: Lesions are only pasted inside the body, where inputs are above this.
BODY_INPUT = 0.4


def strong_view(
    weak: Array, donor: Array, donor_label: Array, network: NetworkConfig, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Augment a patch strongly, without moving its pixels, and paste lesions of another patch.

    Args:
        weak: (rows, columns, inputs), the weakly augmented patch.
        donor: the same shape; a labelled patch.
        donor_label: (rows, columns, outputs), 1 on its lesions.
        network: names the channels.
        rng: source of all random numbers.

    Returns:
        (rows, columns, inputs), the augmented patch, and (rows, columns, outputs), 1 on pasted lesions; both float32.
    """
    from scipy.ndimage import gaussian_filter

    image, pasted = weak, np.zeros_like(donor_label)
    if rng.random() < PASTE_SHARE:
        image, pasted = _paste(image, donor, donor_label, network)
    if rng.random() < 0.5:
        image = gaussian_filter(image, (*[rng.uniform(*BLUR_PIXELS)] * 2, 0))
    if rng.random() < 0.5:
        image = image ** np.float32(rng.uniform(*GAMMA))
    # On the square-root scale, Poisson noise has nearly the same strength everywhere; outside the body there is none.
    noise = rng.uniform(*NOISE) * rng.standard_normal(image.shape)
    image = np.clip(np.where(image > 0, image + noise, image), 0, network.scaling.maximum)
    return image.astype(np.float32), pasted


def _paste(image: Array, donor: Array, label: Array, network: NetworkConfig) -> tuple[Array, Array]:
    """Add the donor's lesion uptake above its surroundings, at the same positions, per view."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    union = label.max(-1)
    squares, pasted = image**2, np.zeros_like(label)
    body = image.max(-1) > BODY_INPUT
    for channel, name in enumerate(network.inputs):
        mask = label[..., network.outputs.index(name)] if name in network.outputs else union
        lesion = (mask > 0) & body
        if not lesion.any():
            continue
        near = binary_dilation(lesion, iterations=3)
        ring = binary_dilation(near, iterations=4) & ~near
        level = np.median(donor[..., channel][ring] ** 2) if ring.any() else 0.0
        edge = np.maximum(gaussian_filter(lesion.astype(np.float32), EDGE_PIXELS), lesion)
        squares[..., channel] += edge * np.maximum(donor[..., channel] ** 2 - level, 0)
    for output in range(label.shape[-1]):
        pasted[..., output] = (label[..., output] > 0) & body
    return np.sqrt(squares), pasted
