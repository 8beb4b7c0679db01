"""Is a new model better than its parent, and may it be used: stated rules on paired differences.

The rule (`verdict_of`), on the difference of pooled DSC, new minus parent, and its 95 % interval over patients:
"better" if all of the interval lies above 0, "worse" if all of it lies below 0, "not worse" if it includes 0 and lies
above -MARGIN, "undecided" if it reaches further down: then there are too few patients to tell. With fewer patients than
MINIMUM_PATIENTS the interval is too narrow, and nothing is found better or not worse.
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

#: A DSC this much lower does not count as worse; readers differ by more.
MARGIN = 0.02
MINIMUM_PATIENTS = 8
#: Entry of a card's metrics.
COMPARISON = "comparison with parent"


@dataclass(frozen=True)
class Difference:
    """A figure of both models, and new minus parent with its 95 % interval; NaN where it is undefined."""

    new: float
    parent: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class ParentComparison:
    """A model beside its parent on the same patients.

    Attributes:
        parent: name and version.
        parent_sha256: of its weights.
        patients: how many patients were compared.
        cases: how many scans of theirs.
        dice: pooled DSC of both views.
        parent_dice: the parent's.
        difference: new minus parent, NaN where undefined.
        low: lower end of its 95 % interval.
        high: upper end of it.
        verdict: by `verdict_of`, on the DSC alone; of an adapted model by `adapting.choice`, on lesion F1 as well.
        how: what was measured on whom.
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
        """The verdict in one sentence with its figures."""
        words = {
            "better": "It is better than",
            "worse": "It is worse than",
            "not worse": "It is not worse than",
            "undecided": "There are too few patients to tell it from",
        }[self.verdict]
        return (
            f"{words} {self.parent}: DSC {self.dice:.3f} against {self.parent_dice:.3f}, difference "
            f"{self.difference:+.3f} (95 % interval {self.low:+.3f} to {self.high:+.3f}; patients: {self.patients})."
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, for the card."""
        plain = {name: _rounded(value) for name, value in asdict(self).items()}
        return {**plain, "interval": "95 %, paired bootstrap over patients", "margin": MARGIN}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ParentComparison:
        """The inverse of `to_dict`; KeyError or TypeError for anything else."""
        names = [item.name for item in fields(cls) if item.name != "further"]
        further = {name: Difference(**_defined(numbers)) for name, numbers in values.get("further", {}).items()}
        return cls(**_defined({name: values[name] for name in names}), further=further)


def verdict_of(low: float, high: float, patients: int) -> Verdict:
    """The verdict on a 95 % interval of a DSC difference, new minus parent; NaN where it is undefined."""
    if high < 0:
        return "worse"
    if patients < MINIMUM_PATIENTS or not (math.isfinite(low) and math.isfinite(high)):
        return "undecided"
    if low > 0:
        return "better"
    return "not worse" if low >= -MARGIN else "undecided"


def comparison_of(model: ModelFolder) -> ParentComparison | None:
    """What a model's card says of the comparison with its parent, None if there was none."""
    try:
        return ParentComparison.from_dict(model.card.metrics[COMPARISON])
    except (KeyError, TypeError):
        return None


def promote(folder: Path, name: str | None = None, even_if_worse: bool = False) -> ModelFolder:
    """Install a finished model in the user's store, where the reading module lists it.

    Args:
        folder: the model.
        name: to install it under; None keeps its own.
        even_if_worse: also a worse one.

    Raises:
        UserError: it is worse than its parent, damaged, has a shipped model's name, or one that another model has.
    """
    model = read_model(folder)
    comparison = comparison_of(model)
    if comparison is not None and comparison.verdict == "worse" and not even_if_worse:
        raise UserError(f"{model.card.name} was not installed. {comparison.sentence} Use it all the same if you must.")
    wanted = name or model.card.name
    if not MODEL_NAME.fullmatch(wanted):
        raise UserError(f"{wanted!r} is no name for a model; use letters, digits, '.', '_' and '-'.")
    earlier = next((one for one in list_models() if one.path.name == wanted), None)
    if earlier is not None and earlier.card.sha256 != model.card.sha256:
        raise UserError(f"There is another model {wanted!r} already ({earlier.path}); choose another name.")
    if wanted == model.card.name:
        return install_model(folder)
    with tempfile.TemporaryDirectory(prefix="SpectBoneMetSeg-") as place:
        copy = Path(place) / wanted
        shutil.copytree(folder, copy)
        update_card(read_model(copy), replace(model.card, name=wanted))
        return install_model(copy)


def _defined(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with NaN for what is undefined."""
    return {name: math.nan if value is None else value for name, value in values.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else None
