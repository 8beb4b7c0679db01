"""What made the results: the program as equipment, the model as algorithm, the same in every object."""

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
    """The model that read a scan; `sha256` is of its weights."""

    name: str
    version: str
    sha256: str


def algorithm_of(reading: Reading) -> Algorithm:
    """The model of a reading's receipt."""
    model = reading.receipt.get("model")
    known = model if isinstance(model, dict) else {}
    name = f"SpectBoneMetSeg {known.get('name', 'unnamed model')}"
    return Algorithm(name[:64], str(known.get("version", "0"))[:64], str(known.get("sha256", "")))


def equipment(reading: Reading) -> dict[str, Any]:
    """The equipment arguments of highdicom's objects."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MANUFACTURER,
        "software_versions": __version__,
        # The weights are to the results what the machine is to an image.
        "device_serial_number": algorithm_of(reading).sha256[:16] or "unknown",
    }


def series_description(what: str) -> str:
    """A series description of at most 64 letters that says what it must not be used for."""
    return f"{what} ({RESEARCH_USE.split(' - ')[0]})"[:64]
