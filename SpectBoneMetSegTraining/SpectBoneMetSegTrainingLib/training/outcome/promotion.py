"""Promotion: verdict on a new model against its parent model (non-inferiority rule), and installation.

The rule (`verdict_of`) uses the difference of pooled DSC, new minus parent, and its 95 % interval over patients:
"better" if the whole interval is above 0, "worse" if it is below 0, "not worse" if it includes 0 and lies above
-MARGIN, "undecided" if its lower end is below -MARGIN, because there are too few patients. With fewer than
MINIMUM_PATIENTS the bootstrap interval is too narrow, and no model is "better" or "not worse".
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.card import MODEL_NAME
from SpectBoneMetSegLib.model.store import ModelFolder, install_model, list_models, read_model, update_card

Verdict = Literal["better", "not worse", "worse", "undecided"]

#: Non-inferiority margin of the DSC; readers differ by more.
MARGIN = 0.02
#: Fewer patients give no trustworthy interval.
MINIMUM_PATIENTS = 8
#: Key in a card's metrics.
COMPARISON = "comparison with parent"


@dataclass(frozen=True)
class Difference:
    """A figure of both models and the difference, new minus parent, with its 95 % interval; NaN if undefined.

    Attributes:
        new: metric of the new model.
        parent: metric of the parent model.
        difference: new minus parent.
        low: lower limit of the 95 % interval of the difference.
        high: upper limit of this interval.
    """

    new: float
    parent: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class ParentComparison:
    """Comparison of a model with its parent model on the same patients.

    Attributes:
        parent: name and version of the parent model.
        parent_sha256: SHA-256 of its weights.
        patients: number of patients.
        cases: number of scans.
        dice: pooled DSC of both views.
        parent_dice: that of the parent model.
        difference: new minus parent, NaN if undefined.
        low: lower end of its 95 % interval.
        high: upper end of its 95 % interval.
        verdict: by `verdict_of`, from the DSC; of an adapted model by `adapting.choice`, from DSC and lesion F1.
        how: description of the measurement and its patients.
        further: other figures by their names in `report.figures`.
    """

    parent: str
    parent_sha256: str
    patients: int
    cases: int
    dice: float
    parent_dice: float
    difference: float
    low: float
    high: float
    verdict: Verdict
    how: str
    further: dict[str, Difference] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """Return the verdict with its figures, in one sentence."""
        verdict = {
            "better": "It is better than",
            "worse": "It is worse than",
            "not worse": "It is not worse than",
            "undecided": "There are too few patients to distinguish it from",
        }[self.verdict]
        return (
            f"{verdict} {self.parent}: DSC {self.dice:.3f} against {self.parent_dice:.3f}, difference "
            f"{self.difference:+.3f} ({interval_text(self.low, self.high)}; patients: {self.patients})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for the card."""
        plain = {name: _rounded(value) for name, value in asdict(self).items()}
        return {**plain, "interval": "95 %, paired bootstrap over patients", "margin": MARGIN}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ParentComparison:
        """Return the comparison from the values of `to_dict`.

        Raises:
            KeyError, TypeError: the values are not a comparison.
        """
        names = [item.name for item in fields(cls) if item.name != "further"]
        further = {name: Difference(**_defined(numbers)) for name, numbers in values.get("further", {}).items()}
        return cls(**_defined({name: values[name] for name in names}), further=further)


def interval_text(low: float, high: float) -> str:
    """Return the 95 % interval of a difference in words; its ends are NaN if too few patients contribute."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return "no interval, because fewer than two patients contribute"
    return f"95 % {low:+.3f} to {high:+.3f}"


def verdict_of(low: float, high: float, patients: int) -> Verdict:
    """Return the verdict from the 95 % interval of a DSC difference, new minus parent; its ends may be NaN."""
    if high < 0:
        return "worse"
    if patients < MINIMUM_PATIENTS or not (math.isfinite(low) and math.isfinite(high)):
        return "undecided"
    if low > 0:
        return "better"
    return "not worse" if low >= -MARGIN else "undecided"


def comparison_of(model: ModelFolder) -> ParentComparison | None:
    """Return the comparison with the parent model from a model's card, None if there is none."""
    try:
        return ParentComparison.from_dict(model.card.metrics[COMPARISON])
    except (KeyError, TypeError):
        return None


def promote(folder: Path, name: str | None = None, *, even_if_worse: bool = False) -> ModelFolder:
    """Install a trained model in the user's model store, where the reading module lists it.

    Args:
        folder: folder of the model.
        name: new name of the model; None keeps its own.
        even_if_worse: install it even if the verdict is "worse".

    Raises:
        UserError: the model is worse than its parent or damaged, or the name is invalid or taken.
    """
    model = read_model(folder)
    comparison = comparison_of(model)
    if comparison is not None and comparison.verdict == "worse" and not even_if_worse:
        raise UserError(
            f"{model.card.name} was not installed. {comparison.sentence} A worse model is installed only on request.",
            "even_if_worse",
        )
    wanted = name or model.card.name
    if not MODEL_NAME.fullmatch(wanted):
        raise UserError(f"{wanted!r} is not a valid model name; use letters, digits, '.', '_' and '-'.")
    earlier = next((one for one in list_models() if one.path.name == wanted), None)
    if earlier is not None and earlier.card.sha256 != model.card.sha256:
        raise UserError(f"There is another model {wanted!r} already ({earlier.path}); choose another name.")
    if wanted == model.card.name:
        return install_model(folder)
    with tempfile.TemporaryDirectory(prefix="SpectBoneMetSeg-") as temporary:
        copy = Path(temporary) / wanted
        shutil.copytree(folder, copy)
        update_card(read_model(copy), replace(model.card, name=wanted))
        return install_model(copy)


def _defined(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace None in JSON values by NaN."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None
