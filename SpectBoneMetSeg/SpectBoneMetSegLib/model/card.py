"""Model cards: the metadata stored with a model's weights."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..common.notice import RESEARCH_USE
from ..loading.options import Region
from .appearance import AppearanceProfile
from .confidence import Confidence
from .config import NetworkConfig
from .inputs import PREPROCESSING_VERSION

#: Model names are folder names; no path separators, so that they stay inside the store.
MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ModelCard:
    """Metadata of a model (card.json).

    Attributes:
        name: folder name, by which users choose the model; letters, digits, ".", "_" and "-".
        network: architecture of the network.
        version: version of the model.
        description: one sentence about it.
        created: UTC time, ISO 8601.
        threshold: probability from which a pixel belongs to a lesion.
        seed_threshold: probability that a lesion must reach in at least one pixel.
        minimum_area_mm2: smaller lesions are dropped.
        preprocessing_version: `inputs.PREPROCESSING_VERSION` it was trained with.
        region: body region it was trained on, such as "thorax".
        training: summary of the training data and method, with whether the data were simulated.
        metrics: figures on held-out data, with the data set.
        licence: licence of the weights.
        notice: statement of the intended use.
        parent: name, version and SHA-256 of the parent model; empty if none.
        sha256: hex digest of the weights file.
        onnx_sha256: of model.onnx; empty if there is none.
        confidence: calibration of the confidence of areas and scans; None if not calibrated.
        appearance: appearance profile of the training set.
    """

    name: str
    network: NetworkConfig
    version: str = "1"
    description: str = ""
    created: str = ""
    threshold: float = 0.5
    seed_threshold: float = 0.5
    minimum_area_mm2: float = 0.0
    preprocessing_version: int = PREPROCESSING_VERSION
    region: str = "thorax"
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"
    notice: str = RESEARCH_USE
    parent: str = ""
    sha256: str = ""
    onnx_sha256: str = ""
    confidence: Confidence | None = None
    appearance: AppearanceProfile = field(default_factory=AppearanceProfile)

    def __post_init__(self) -> None:
        if not MODEL_NAME.fullmatch(str(self.name)):
            raise ValueError(f"a model's name consists of letters, digits, '.', '_' and '-', not {self.name!r}")
        if not isinstance(self.preprocessing_version, int):
            raise ValueError("preprocessing_version is no whole number")
        if not 0 < self.threshold <= self.seed_threshold < 1:
            raise ValueError("thresholds must satisfy 0 < threshold <= seed_threshold < 1")
        if not 0 <= self.minimum_area_mm2 < math.inf:
            raise ValueError("minimum_area_mm2 must not be negative")

    @property
    def trained_region(self) -> Region:
        """Region whose count level scaled the training inputs; thorax for any other name."""
        return "whole-body" if self.region == "whole-body" else "thorax"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        confidence = None if self.confidence is None else self.confidence.to_dict()
        parts = {"network": self.network.to_dict(), "confidence": confidence, "appearance": self.appearance.to_dict()}
        return {**asdict(self), **parts}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelCard:
        """Make a card of the values of `to_dict`; unknown fields are ignored.

        Raises:
            KeyError, TypeError, ValueError: the values are not those of a card.
        """
        known = {item.name: values[item.name] for item in fields(cls) if item.name in values}
        known["network"] = NetworkConfig.from_dict(values["network"])
        known["appearance"] = AppearanceProfile.from_dict(known.get("appearance", {}))
        if known.get("confidence") is not None:
            known["confidence"] = Confidence.from_dict(known["confidence"])
        return cls(**known)
