"""A simulated patient as layers: the projections of each body part, mimic and lesion in both views.

Projection is linear: the weighted sum of the layers is the primary image of a patient in whom lesions, mimics and
organs have another uptake or are absent. Layers include motion, metal and the field's edges. Scatter, sensitivity and
noise are added when a scan is composed (`compose`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.scan.planar import ViewName

from ...dataset.reference_grid import CropPlacement
from ..camera.acquisition import Camera
from ..scan.ground_truth import Projection

__all__ = ["Disease", "Image", "Layer", "StoredPatient"]

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """The contribution of one part of the patient to the primary image.

    Attributes:
        name: "bone", "soft tissue", "bladder", ...; for a mimic or a lesion, the name of its bone.
        kind: "body", one of mimics.KINDS, "metastasis", "diffuse" or "cold".
        views: {view: (window, activity there)}, anterior frame; negative where uptake is reduced.
        burden: extra uptake / normal uptake of all bones; 0 for the body.
    """

    name: str
    kind: str
    views: dict[ViewName, Projection]
    burden: float = 0.0


@dataclass(frozen=True)
class Disease:
    """The metastases of one of a patient's possible diseases.

    Attributes:
        pattern: "foci" or one of diffuse.PATTERNS.
        lesions: layers from head to foot.
    """

    pattern: str
    lesions: tuple[Layer, ...]


@dataclass(frozen=True)
class StoredPatient:
    """A patient in one posture, with one camera.

    Attributes:
        case: name.
        site: hospital, one of scan.hospital_sites.SITES.
        camera: field, pixels and views.
        body: layers that are always present.
        mimics: layers of which each may be present.
        diseases: possible diseases; a scan has at most two of them.
        regions: {view: (rows, columns) uint8 region numbers}, anterior frame.
        thorax: placement of the thorax box.
    """

    case: str
    site: str
    camera: Camera
    body: tuple[Layer, ...]
    mimics: tuple[Layer, ...]
    diseases: tuple[Disease, ...]
    regions: dict[ViewName, NDArray[np.uint8]]
    thorax: CropPlacement
