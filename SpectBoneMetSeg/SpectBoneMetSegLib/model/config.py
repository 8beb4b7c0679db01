"""Configuration of a network, as stored in its card. Imports no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

InputName = Literal["anterior", "posterior", "aggregate"]
OutputName = Literal["anterior", "posterior", "union"]
BlockName = Literal["plain", "dilated-residual"]
ArchitectureName = Literal["recurrent", "unet", "reader"]

#: Ours: kernel of the first convolution W_F by stride; larger with stride 2, so that it covers every pixel twice.
STEM_KERNEL = {1: 3, 2: 5}


@dataclass(frozen=True)
class InputScaling:
    """Scaling of counts to input channels (`inputs`); every number is stored in the model's card.

    The image's high level defines the body, and the body defines the level by which counts are divided before the
    square root. A field added later has the default that cards without it were trained with.

    Attributes:
        air_fraction: pixels below this fraction of the high level are air.
        tissue_percentile: percentile of the pixels that are not air, for `tissue_fraction`.
        tissue_fraction: pixels below this fraction of that percentile are not body either; 0 keeps all.
        level_percentile: the level is this percentile of the body's pixels times `level_factor`.
        level_factor: factor of the level.
        knee: inputs above it grow with the logarithm of the excess; None for no compression.
        maximum: inputs are clipped at this value, so that an injection site stays within the range of the training set.
        smoothing_pixels: Gaussian sigma in pixels before body and level are measured, so that both hardly depend on the
            number of counts.
        high_percentile: percentile of all pixels that is the image's high level; a hot bladder or injection site
            covers fewer pixels.
    """

    air_fraction: float = 0.15
    tissue_percentile: float = 0.0
    tissue_fraction: float = 0.0
    level_percentile: float = 75.0
    level_factor: float = 1.0
    knee: float | None = None
    maximum: float = 6.0
    smoothing_pixels: float = 2.0
    high_percentile: float = 90.0

    def __post_init__(self) -> None:
        percentiles = (self.tissue_percentile, self.level_percentile, self.high_percentile)
        fractions = (self.air_fraction, self.tissue_fraction, *(value / 100 for value in percentiles))
        if not all(0 <= value <= 1 for value in fractions):
            raise ValueError("fractions lie between 0 and 1, percentiles between 0 and 100")
        if self.smoothing_pixels < 0:
            raise ValueError("smoothing_pixels must not be negative")
        if not (self.level_factor > 0 and self.maximum > 0 and (self.knee is None or self.knee > 0)):
            raise ValueError("level_factor, maximum and knee must be positive")


#: The 75th percentile of the body: in bone, but below joints, kidneys and lesions; clipped at 36 times the level.
#: Diffuse disease raises it.
BODY_LEVEL = InputScaling()
#: The level of soft tissue, which bone disease hardly raises, times the factor that makes it equal to the level above
#: in healthy people; compressed from 16 times the level.
SOFT_TISSUE_LEVEL = InputScaling(
    air_fraction=0.03,
    tissue_percentile=30.0,
    tissue_fraction=0.4,
    level_percentile=25.0,
    level_factor=2.75,
    knee=4.0,
    maximum=10.0,
)


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of the network, stored in the card; one field per switch of the paper's ablation and of ours.

    Attributes:
        inputs: the input channels in order. "posterior" is the posterior view mirrored into the anterior frame,
            "aggregate" the pixel-wise sum of Eq. 4; `inputs.network_inputs` computes them.
        outputs: one probability map each; "posterior" too is in the anterior frame.
        channels: feature channels per stage; each stage ends by halving the grid.
        dilations: per stage the dilation rates of the two 3x3 convolutions of its block (ours).
        recurrent_steps: t of Eq. 5, the number of passes of the feature extraction (3 in the paper).
        tied: True shares the convolutions between the steps; False, as the paper's growing parameter count suggests,
            gives each step its own. BatchNorm always belongs to one step, because the steps' statistics differ.
        skip_connections: connect the features of each stage (last step) and of the input to the upsampling. Ours,
            not in the paper, because a lesion of 3 to 10 pixels is lost on the coarse grid.
        blocks: "dilated-residual" (paper) or "plain" 3x3 convolutions (ablation, Table 5).
        inception: halve the grid by inception blocks (paper) or by 2x2 max pooling (ablation, Table 5).
        stem_stride: 1 runs the recurrence at full resolution, 2 at half, more than twice as fast (ours).
        stem_channels: channels of the first and the last convolution; few, because full resolution is expensive.
        architecture: "recurrent" (paper), "unet" (the comparison of Table 6) or "reader" (ours). The last two use only
            `inputs`, `outputs` and `channels`.
        regions: a second output, (rows / 2, columns / 2, views x scan.skeleton_regions.REGIONS) probabilities of the
            skeleton's regions, view by view as in `outputs`; "reader" alone has it.
        scaling: scaling of counts to inputs.
    """

    inputs: tuple[InputName, ...] = ("anterior", "posterior")
    outputs: tuple[OutputName, ...] = ("anterior", "posterior")
    channels: tuple[int, ...] = (16, 24, 32)
    dilations: tuple[tuple[int, int], ...] = ((1, 2), (1, 2), (1, 2))
    recurrent_steps: int = 3
    tied: bool = False
    skip_connections: bool = True
    blocks: BlockName = "dilated-residual"
    inception: bool = True
    stem_stride: int = 1
    stem_channels: int = 8
    architecture: ArchitectureName = "recurrent"
    scaling: InputScaling = BODY_LEVEL
    regions: bool = False

    def __post_init__(self) -> None:
        _check_names("inputs", self.inputs, get_args(InputName))
        _check_names("outputs", self.outputs, get_args(OutputName))
        if self.blocks not in get_args(BlockName):
            raise ValueError(f"blocks must be one of {get_args(BlockName)}, not {self.blocks!r}")
        if self.architecture not in get_args(ArchitectureName):
            raise ValueError(f"architecture must be one of {get_args(ArchitectureName)}, not {self.architecture!r}")
        if self.regions and (self.architecture != "reader" or "union" in self.outputs):
            raise ValueError('regions need the architecture "reader" and outputs that are views')
        if not self.channels or min(self.channels) < 5:
            raise ValueError(f"every stage needs at least 5 channels, one per inception branch, not {self.channels}")
        if len(self.dilations) != len(self.channels) or any(len(pair) != 2 or min(pair) < 1 for pair in self.dilations):
            raise ValueError(f"every stage needs two dilation rates from 1 up, not {self.dilations}")
        if self.recurrent_steps < 1 or self.stem_channels < 1 or self.stem_stride not in STEM_KERNEL:
            raise ValueError("recurrent_steps and stem_channels start at 1, stem_stride is 1 or 2")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {name: _as_lists(value) for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Make a configuration of the values of `to_dict`; missing fields take their defaults.

        Raises:
            ValueError: unknown fields (of a newer version), or invalid values.
        """
        unknown = sorted(set(values) - {item.name for item in fields(cls)})
        if unknown:
            raise ValueError(f"unknown network settings {', '.join(unknown)}")
        plain = {name: _as_tuples(value) for name, value in values.items()}
        if "scaling" in plain:
            plain["scaling"] = _scaling(plain["scaling"])
        return cls(**plain)


def _scaling(values: Any) -> InputScaling:
    """Make an InputScaling of the values in a card."""
    unknown = sorted(set(values) - {item.name for item in fields(InputScaling)})
    if unknown:
        raise ValueError(f"unknown scaling settings {', '.join(unknown)}")
    return InputScaling(**values)


def pooling_divisor(config: NetworkConfig) -> int:
    """Return the number of pixels of which the height and width of the network's input must be multiples."""
    if config.architecture == "reader":
        # Its first level has full resolution; half resolution always exists.
        return int(2 ** max(len(config.channels) - 1, 1))
    stride = config.stem_stride if config.architecture == "recurrent" else 1
    return int(stride * 2 ** len(config.channels))


def _check_names(field: str, names: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    if not names or len(set(names)) != len(names) or not set(names) <= set(allowed):
        raise ValueError(f"{field} must be different names out of {allowed}, not {names}")


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list | tuple) else value
