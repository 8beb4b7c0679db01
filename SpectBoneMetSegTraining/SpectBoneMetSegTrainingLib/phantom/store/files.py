"""A stored patient as one file of numpy arrays: activity in half precision, everything else as JSON."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ...dataset.reference_grid import CropPlacement
from ..camera.acquisition import Camera
from .layers import Disease, Layer, StoredPatient

__all__ = ["read_patient", "write_patient"]

#: Keys of a file: all layers' pixels one after the other, region maps, the rest as JSON.
PIXELS, REGIONS, ABOUT = "pixels", "regions {}", "about"


def write_patient(path: Path, patient: StoredPatient) -> None:
    """Write a patient whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    packed = _Packed()
    about = {
        "case": patient.case,
        "site": patient.site,
        "camera": asdict(patient.camera),
        "thorax": asdict(patient.thorax),
        "body": [packed.add(layer) for layer in patient.body],
        "mimics": [packed.add(layer) for layer in patient.mimics],
        "diseases": [
            {"pattern": disease.pattern, "lesions": [packed.add(layer) for layer in disease.lesions]}
            for disease in patient.diseases
        ],
    }
    arrays: dict[str, NDArray[Any]] = {REGIONS.format(view): regions for view, regions in patient.regions.items()}
    arrays[PIXELS] = np.concatenate(packed.pixels)
    arrays[ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with whole_file(path) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def read_patient(path: Path) -> StoredPatient:
    """Read a patient.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with np.load(path) as saved:
            arrays = dict(saved)
        about, pixels = json.loads(arrays[ABOUT].tobytes()), arrays[PIXELS]
        return StoredPatient(
            about["case"],
            about["site"],
            Camera(**{name: _tuples(value) for name, value in about["camera"].items()}),
            tuple(_layer(told, pixels) for told in about["body"]),
            tuple(_layer(told, pixels) for told in about["mimics"]),
            tuple(
                Disease(told["pattern"], tuple(_layer(lesion, pixels) for lesion in told["lesions"]))
                for told in about["diseases"]
            ),
            {view: arrays[REGIONS.format(view)] for view in VIEW_NAMES},
            CropPlacement(**{name: _tuples(value) for name, value in about["thorax"].items()}),
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is missing or damaged; delete it and make the store again.") from error


class _Packed:
    """Pixels of layers in half precision, one array for all: a file of many small ones is slow to read."""

    def __init__(self) -> None:
        self.pixels: list[NDArray[np.float16]] = []
        self._count = 0

    def add(self, layer: Layer) -> dict[str, Any]:
        """What the JSON says of a layer; its pixels, each / the highest one, join the others."""
        views = {}
        for view, (box, image) in layer.views.items():
            scale = float(np.abs(image).max(initial=0.0)) or 1.0
            corner = [box[0].start, box[1].start, *image.shape]
            views[view] = {"first": self._count, "box": corner, "scale": scale}
            self.pixels.append((image / np.float32(scale)).astype(np.float16).ravel())
            self._count += image.size
        return {"name": layer.name, "kind": layer.kind, "burden": layer.burden, "views": views}


def _layer(told: dict[str, Any], pixels: NDArray[np.float16]) -> Layer:
    views = {}
    for view in VIEW_NAMES:
        about = told["views"][view]
        row, column, high, wide = about["box"]
        flat = pixels[about["first"] : about["first"] + high * wide]
        image = flat.reshape(high, wide).astype(np.float32) * np.float32(about["scale"])
        views[view] = (slice(row, row + high), slice(column, column + wide)), image
    return Layer(told["name"], told["kind"], views, float(told["burden"]))


def _tuples(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
