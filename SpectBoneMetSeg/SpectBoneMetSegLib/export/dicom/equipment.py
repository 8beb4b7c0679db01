"""Describe the program as equipment and the model as algorithm, identically in every DICOM object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..._version import __version__
from ...common.notice import RESEARCH_USE
from ...lesions.results import Reading

__all__ = ["MANUFACTURER", "Algorithm", "algorithm_of", "equipment", "series_description"]

MANUFACTURER = "SpectBoneMetSeg"


@dataclass(frozen=True)
class Algorithm:
    """The model that read a scan.

    Attributes:
        name: program and model.
        version: version of the model.
        sha256: hex digest of the model's weights.
    """

    name: str
    version: str
    sha256: str


def algorithm_of(reading: Reading) -> Algorithm:
    """Return the model named in a reading's receipt."""
    model = reading.receipt.get("model")
    known = model if isinstance(model, dict) else {}
    name = f"SpectBoneMetSeg {known.get('name', 'unnamed model')}"
    return Algorithm(name[:64], str(known.get("version", "0"))[:64], str(known.get("sha256", "")))


def equipment(reading: Reading) -> dict[str, Any]:
    """Return the equipment arguments of highdicom's objects."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        # The weights identify the "device" that made the results.
        "device_serial_number": algorithm_of(reading).sha256[:16] or "unknown",
    }


def series_description(what: str) -> str:
    """Return a series description of at most 64 characters (VR LO) with the notice of research use."""
    return f"{what} ({RESEARCH_USE.split(' - ')[0]})"[:64]
