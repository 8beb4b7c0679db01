"""Red marrow, where metastases settle: the bones of the trunk, the skull, and the proximal femur and humerus."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..person.skeleton import CERVICAL, LUMBAR, RIBS, THORACIC, load_skeleton
from .metastatic_sites import CLAVICLES, FEMURS, HIP_BONES, HUMERI, SCAPULAE

#: Bones, S (mm, atlas) at which half of the marrow is red, and width (mm) of the transition.
LIMBS: tuple[tuple[tuple[str, ...], float, float], ...] = ((FEMURS, -210.0, 25.0), (HUMERI, 360.0, 20.0))


@lru_cache(maxsize=1)
def red_marrow() -> NDArray[np.float64]:
    """Return the share (n,; 0..1) of red marrow at every bone point of the atlas; the array is cached and read-only."""
    skeleton = load_skeleton()
    axial = ("skull", "sternum", "sacrum", *CERVICAL, *THORACIC, *LUMBAR, *RIBS, *HIP_BONES, *SCAPULAE, *CLAVICLES)
    share = np.where(skeleton.of(*axial), 1.0, 0.0)
    height = skeleton.points[:, 2].astype(float)
    for bones, middle, width in LIMBS:
        limb = skeleton.of(*bones)
        share[limb] = 1 / (1 + np.exp((middle - height[limb]) / width))
    share.setflags(write=False)
    return share
