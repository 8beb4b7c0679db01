"""Training options: every option that changes the weights, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig, pooling_divisor

from .options import check_options, option, options_of

if TYPE_CHECKING:
    # The command line's help is built from this file: modules that import NumPy are imported later.
    from SpectBoneMetSegLib.loading.options import Region

    from ...dataset.budgets import BudgetBy
    from ...evaluation.predictions import OperatingPoint

Method = Literal["supervised", "unsupervised", "semi", "strong"]
Precision = Literal["float32", "bfloat16"]

#: Methods whose batches are half labelled, half unlabelled patches.
MIXED: tuple[Method, ...] = ("semi", "strong")


def _default_folds() -> tuple[int, ...]:
    from ...dataset.folds import VALIDATION_FOLD

    return (VALIDATION_FOLD,)


@dataclass(frozen=True)
class TrainingConfig:
    """Options of a training; command line, checks and model card are built from these fields.

    Attributes:
        steps: gradient steps.
        batch: patches per step.
        patch: rows and columns of a patch.
        learning_rate: peak of the learning-rate schedule (warm-up and cosine decay).
        weight_decay: of AdamW.
        average: decay of the exponential moving average (EMA) of the weights, the mean teacher of "strong".
        seed: of patches, initial weights and the choice of labelled patients.
        network: architecture of the network.
        method: "supervised"; "unsupervised", Eq. 7 alone; "semi", the paper's semi-supervised Eq. 6; "strong", a mean
            teacher with strong augmentation.
        labels: how many patients or samples have labels, validation included; None for all.
        budget_by: what `labels` counts. A sample is one scan, both views of it.
        published: Eq. 7 and 8 as published instead of corrected.
        convex: l = (1-a) l_U + a l_S instead of l_U + a l_S.
        augment: rotate, scale, thin and flip patches at random; False cuts them unchanged, for sets that are already
            augmented (D1-D4).
        validate_every: steps between validations, 0 for none.
        patience: validations without improvement after which training stops (early stopping), 0 for never.
        labelled_cases: names of the cases whose labels may be used, such as a benchmark's D1; None for all. `labels`
            draws from these.
        region: of the body, "thorax" or "whole-body".
        operating_point: how thresholds are chosen on the validation patients, as in
            `evaluation.predictions.choose_threshold`.
        by_instance: as in `sampling.patches.random_patch`.
        precision: of the network's activations in training; weights, losses and the written model are float32.
        store: folder of stored patients (`simulate --store`); a share of the labelled patches is cut from new scans of
            these; None for none.
        store_share: that share, above 0 and at most 1.
        validation_folds: folds of the data set whose patients validate; empty to train on all patients. Only without a
            label budget.
        start: name or path of the parent model (fine-tuning), which also sets `network`.
        start_sha256: SHA-256 of its weights. `fine_tuning.with_start` sets both.
    """

    steps: int = field(
        default=3500, metadata=option("gradient steps ({default})", group="steps", metavar="N", least=1, card="steps")
    )
    batch: int = field(
        default=8, metadata=option("patches per step ({default})", group="steps", metavar="N", least=1, card="batch")
    )
    patch: int = field(
        default=128,
        metadata=option("side of a patch ({default})", group="steps", metavar="PIXELS", least=1, card="patch_pixels"),
    )
    learning_rate: float = field(
        default=2e-3,
        metadata=option(
            "peak of the learning rate ({default})",
            group="steps",
            metavar="X",
            least=0,
            positive=True,
            below=1,
            card="learning_rate",
        ),
    )
    weight_decay: float = field(
        default=1e-4,
        metadata=option("weight decay of AdamW ({default})", group="steps", metavar="X", least=0, below=1),
    )
    average: float = field(
        default=0.99,
        metadata=option("EMA decay of the weights ({default})", group="steps", metavar="X", least=0, below=1),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "seed of weights, patches and label budget ({default})", group="steps", metavar="S", least=0, card="seed"
        ),
    )
    network: NetworkConfig = field(default_factory=NetworkConfig)
    method: Method = field(
        default="supervised",
        metadata=option(
            "labels only (default); the paper's Eq. 7 alone; its semi-supervised Eq. 6; a mean teacher",
            choices=get_args(Method),
            card="method",
        ),
    )
    labels: int | None = field(
        default=None, metadata=option("label budget, validation included (all)", metavar="N", kind=int)
    )
    budget_by: BudgetBy = field(
        default="patient",
        metadata=option("what --labels counts ({default})", flag="labels_by", choices=("patient", "sample")),
    )
    published: bool = field(default=False, metadata=option("Eq. 7 and 8 as published instead of corrected"))
    convex: bool = field(
        default=False, metadata=option("Eq. 6 as (1-a) l_U + a l_S instead of l_U + a l_S (the paper's is unknown)")
    )
    augment: bool = field(
        default=True,
        metadata=option(
            "cut patches unchanged, for sets that are already augmented (see `augment`)",
            flag="no_augment",
            card="augmented_while_training",
        ),
    )
    validate_every: int = field(
        default=250,
        metadata=option("steps between validations, 0: none ({default})", group="steps", metavar="N", least=0),
    )
    patience: int = field(
        default=8,
        metadata=option(
            "early stopping after N validations without improvement, 0: never ({default})",
            group="steps",
            metavar="N",
            least=0,
        ),
    )
    labelled_cases: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            'use only the labels of the cases that this JSON file names under "labelled" (a benchmark\'s d1.json)',
            metavar="FILE",
        ),
    )
    region: Region = field(
        default="thorax", metadata=option("region to train on ({default})", choices=("thorax", "whole-body"))
    )
    operating_point: OperatingPoint = field(
        default="dice",
        metadata=option(
            "thresholds are chosen by pooled DSC, or by its sum with lesion F1 at a minimum precision",
            choices=("dice", "lesions"),
        ),
    )
    by_instance: bool = field(
        default=False,
        metadata=option(
            "weigh every lesion by the square root of its area, and sample all lesions equally often",
            card="lesions_by_instance",
        ),
    )
    precision: Precision = field(
        default="float32",
        metadata=option(
            "precision of activations in training; bfloat16 is faster if the processor supports it ({default})",
            group="steps",
            choices=get_args(Precision),
            card="precision",
        ),
    )
    store: str | None = field(
        default=None,
        metadata=option(
            "train on new scans of the simulated patients in this store (see `simulate --store`); --data validates",
            metavar="DIR",
        ),
    )
    store_share: float = field(
        default=0.9,
        metadata=option("share of the labelled patches cut from scans of --store ({default})", metavar="X"),
    )
    validation_folds: tuple[int, ...] = field(default_factory=_default_folds)
    start: str | None = field(
        default=None, metadata=option("fine-tune this parent model: start from its weights", metavar="NAME|PATH")
    )
    start_sha256: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
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
        """Return the options of `to_dict`; missing fields take their defaults.

        Raises:
            KeyError, TypeError, ValueError: the values are not options of this version.
        """
        plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**{**plain, "network": NetworkConfig.from_dict(values["network"])})

    def check(self) -> None:
        """Refuse invalid options.

        Raises:
            UserError: an invalid patch or batch size, an unknown method, or too small a label budget.
        """
        check_options(self)
        divisor = pooling_divisor(self.network)
        if self.patch < divisor or self.patch % divisor:
            raise UserError(f"The patch of {self.patch} must be a multiple of {divisor} for this network.", "patch")
        if self.method in MIXED and self.batch % 2:
            raise UserError(
                f"The batch of {self.batch} must be even: half of a {self.method} batch is labelled.", "batch"
            )
        if not 0 < self.store_share <= 1:
            raise UserError(
                f"The patient store's share {self.store_share} must be above 0 and at most 1.", "store_share"
            )
        if self.labels is not None and self.labels < (0 if self.method == "unsupervised" else 1):
            raise UserError(f"The method {self.method} cannot train with {self.labels} labels; give more.", "labels")

    def to_card(self) -> dict[str, Any]:
        """Return the options that a model card lists, by their names there."""
        return {about.card: getattr(self, item.name) for item, about in options_of(self) if about.card}
