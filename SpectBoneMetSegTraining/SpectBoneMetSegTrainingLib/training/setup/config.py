"""How to train: every option that changes the weights, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.config import NetworkConfig, pooling_divisor

from ...dataset.budgets import BudgetBy
from ...dataset.folds import VALIDATION_FOLD
from ...evaluation.predictions import OperatingPoint

Method = Literal["supervised", "unsupervised", "semi", "strong"]
Precision = Literal["float32", "bfloat16"]

#: Methods whose batches are half labelled, half unlabelled patches.
MIXED: tuple[Method, ...] = ("semi", "strong")


@dataclass(frozen=True)
class TrainingConfig:
    """How to train.

    Attributes:
        steps: gradient steps; batch: patches per step; patch: rows and columns of a patch.
        learning_rate: peak of the cosine schedule; weight_decay: of AdamW.
        average: of the exponential moving average of the weights (the teacher of "strong").
        seed: of patches, initial weights and the choice of labelled patients; network: shape of the network.
        method: "supervised"; "unsupervised", Eq. 7 alone; "semi", Eq. 6; "strong", a mean teacher.
        labels: how many patients or samples have labels, validation included; None for all.
        budget_by: what `labels` counts. A sample is one scan, both views of it.
        published: Eq. 7 and 8 as published instead of corrected; convex: l = (1-a) l_U + a l_S instead of l_U + a l_S.
        augment: turn, scale, thin and flip patches at random; False cuts them as they are, for ready-made sets (D1-D4).
        validate_every: steps between looks at the validation patients, 0 for never; patience: looks without a better
            one after which training stops, 0 for never.
        labelled_cases: names of the cases whose labels may be used, a benchmark's D1 say; None for all. `labels` draws
            from these.
        region: of the body, "thorax" or "whole-body".
        operating_point: how thresholds are chosen in validation, as in `evaluation.predictions.choose_threshold`.
        by_instance: as in `sampling.patches.random_patch`.
        precision: of the network's activations while it learns; weights, losses and what is kept are float32.
        store: folder of stored patients (`simulate --store`), of whom a new scan is drawn for a share of the labelled
            patches, `store_share`; None for none.
        validation_folds: of the data set's folds, those whose patients validate; none, and everybody teaches. Only
            without a budget.
        start: name or path of a model to start from, whose shape `network` then is; start_sha256: of its weights.
            `fine_tuning.with_start` fills in both.
    """

    steps: int = 3500
    batch: int = 8
    patch: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    average: float = 0.99
    seed: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    method: Method = "supervised"
    labels: int | None = None
    budget_by: BudgetBy = "patient"
    published: bool = False
    convex: bool = False
    augment: bool = True
    validate_every: int = 250
    patience: int = 8
    labelled_cases: tuple[str, ...] | None = None
    region: Region = "thorax"
    operating_point: OperatingPoint = "dice"
    by_instance: bool = False
    precision: Precision = "float32"
    store: str | None = None
    store_share: float = 0.9
    validation_folds: tuple[int, ...] = (VALIDATION_FOLD,)
    start: str | None = None
    start_sha256: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        cases = None if self.labelled_cases is None else list(self.labelled_cases)
        folds = list(self.validation_folds)
        return {
            **asdict(self),
            "network": self.network.to_dict(),
            "labelled_cases": cases,
            "validation_folds": folds,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """The inverse of `to_dict`; missing fields take their defaults.

        Raises:
            KeyError, TypeError, ValueError: what is written there are no options of this version.
        """
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**{**plain, "network": NetworkConfig.from_dict(values["network"])})

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UserError: a bad patch or batch size, an unknown method, a budget without sense.
        """
        divisor = pooling_divisor(self.network)
        if self.patch < divisor or self.patch % divisor:
            raise UserError(f"The patch of {self.patch} must be a multiple of {divisor} for this network.", "patch")
        if self.method not in get_args(Method) or self.budget_by not in get_args(BudgetBy):
            raise UserError(
                f"There is no training method {self.method!r} with labels by {self.budget_by!r}.", "method", "labels_by"
            )
        if self.batch < 1 or (self.method in MIXED and self.batch % 2):
            raise UserError(
                f"The batch of {self.batch} must be even: half of a {self.method} batch is labelled.", "batch"
            )
        if not 0 < self.store_share <= 1:
            raise UserError(f"The store's share {self.store_share} must lie above 0 and at most at 1.", "store_share")
        if self.labels is not None and self.labels < (0 if self.method == "unsupervised" else 1):
            raise UserError(f"{self.labels} labels leave nothing to learn from; {self.method} needs some.", "labels")
