"""A simulated patient as layers: what each part of the body, each mimic and each lesion adds to both views.

Projection is linear: weighted layers add up to the primary image of a patient whose lesions, mimics and organs take up
more or less, or are not there. Layers hold motion, metal and the field's edges already; scatter, sensitivity and noise
come when a scan is drawn (`compose`).
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
    """What one part of the patient adds to the primary image.

    Attributes:
        name: "bone", "soft tissue", "bladder", ...; a bone's name for a mimic or a lesion.
        kind: "body", one of mimics.KINDS, "metastasis", "diffuse" or "cold".
        views: {view: (window, activity there)}, anterior frame; below zero where it takes away.
        burden: its extra uptake / the normal uptake of all bones; 0 for the body.
    """

    name: str
    kind: str
    views: dict[ViewName, Projection]
    burden: float = 0.0


@dataclass(frozen=True)
class Disease:
    """Metastases that a patient could have.

    Attributes:
        pattern: "foci" or one of diffuse.PATTERNS.
        lesions: from head to foot.
    """

    pattern: str
    lesions: tuple[Layer, ...]


@dataclass(frozen=True)
class StoredPatient:
    """A patient in one posture before one camera.

    Attributes:
        case: name.
        site: hospital, of scan.hospital_sites.SITES.
        camera: field, pixels and views.
        body: layers that are always there.
        mimics: each may be there.
        diseases: one of them, or none, is there.
        regions: {view: (rows, columns) uint8 region numbers}, anterior frame.
        thorax: where the thorax lies.
    """

    case: str
    site: str
    camera: Camera
    body: tuple[Layer, ...]
    mimics: tuple[Layer, ...]
    diseases: tuple[Disease, ...]
    regions: dict[ViewName, NDArray[np.uint8]]
    thorax: CropPlacement
