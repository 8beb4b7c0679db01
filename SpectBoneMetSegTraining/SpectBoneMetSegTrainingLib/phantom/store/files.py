"""Files of stored patients: numpy arrays with the activity in half precision, and JSON for the rest."""

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

#: Keys of a file: concatenated pixels of all layers, region maps, JSON of the rest.
PIXELS, REGIONS, ABOUT = "pixels", "regions {}", "about"


def write_patient(path: Path, patient: StoredPatient) -> None:
    """Write a patient's file atomically.

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
    """Read a patient's file.

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
            tuple(_layer(record, pixels) for record in about["body"]),
            tuple(_layer(record, pixels) for record in about["mimics"]),
            tuple(
                Disease(record["pattern"], tuple(_layer(lesion, pixels) for lesion in record["lesions"]))
                for record in about["diseases"]
            ),
            {view: arrays[REGIONS.format(view)] for view in VIEW_NAMES},
            CropPlacement(**{name: _tuples(value) for name, value in about["thorax"].items()}),
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is missing or damaged; delete it and make the patient store again.") from error


class _Packed:
    """Collector of the layers' pixels in one half-precision array: a file of many small arrays is slow to read."""

    def __init__(self) -> None:
        self.pixels: list[NDArray[np.float16]] = []
        self._count = 0

    def add(self, layer: Layer) -> dict[str, Any]:
        """Add the pixels of a layer, divided by their highest magnitude; returns the layer's JSON record."""
        views = {}
        for view, (box, image) in layer.views.items():
            scale = float(np.abs(image).max(initial=0.0)) or 1.0
            corner = [box[0].start, box[1].start, *image.shape]
            views[view] = {"first": self._count, "box": corner, "scale": scale}
            self.pixels.append((image / np.float32(scale)).astype(np.float16).ravel())
            self._count += image.size
        return {"name": layer.name, "kind": layer.kind, "burden": layer.burden, "views": views}


def _layer(record: dict[str, Any], pixels: NDArray[np.float16]) -> Layer:
    views = {}
    for view in VIEW_NAMES:
        view_record = record["views"][view]
        row, column, height, width = view_record["box"]
        flat = pixels[view_record["first"] : view_record["first"] + height * width]
        image = flat.reshape(height, width).astype(np.float32) * np.float32(view_record["scale"])
        views[view] = (slice(row, row + height), slice(column, column + width)), image
    return Layer(record["name"], record["kind"], views, float(record["burden"]))


def _tuples(value: Any) -> Any:
    """Convert the lists of JSON back to tuples."""
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
