"""How to train: every option that changes the weights, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig, pooling_divisor

from .options import check_options, option, options_of

if TYPE_CHECKING:
    # The command line's help is made of this file: what imports NumPy comes later.
    from SpectBoneMetSegLib.loading.options import Region

    from ...dataset.budgets import BudgetBy
    from ...evaluation.predictions import OperatingPoint

Method = Literal["supervised", "unsupervised", "semi", "strong"]
Precision = Literal["float32", "bfloat16"]

#: Methods whose batches are half labelled, half unlabelled patches.
MIXED: tuple[Method, ...] = ("semi", "strong")


def _usual_folds() -> tuple[int, ...]:
    from ...dataset.folds import VALIDATION_FOLD

    return (VALIDATION_FOLD,)


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; the command line, the checks and a model's card are made of these fields.

    Attributes:
        steps: gradient steps.
        batch: patches per step.
        patch: rows and columns of a patch.
        learning_rate: peak of the cosine schedule.
        weight_decay: of AdamW.
        average: of the exponential moving average of the weights (the teacher of "strong").
        seed: of patches, initial weights and the choice of labelled patients.
        network: shape of the network.
        method: "supervised"; "unsupervised", Eq. 7 alone; "semi", Eq. 6; "strong", a mean teacher.
        labels: how many patients or samples have labels, validation included; None for all.
        budget_by: what `labels` counts. A sample is one scan, both views of it.
        published: Eq. 7 and 8 as published instead of corrected.
        convex: l = (1-a) l_U + a l_S instead of l_U + a l_S.
        augment: turn, scale, thin and flip patches at random; False cuts them as they are, for ready-made sets (D1-D4).
        validate_every: steps between looks at the validation patients, 0 for never.
        patience: looks without a better one after which training stops, 0 for never.
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
        start: name or path of a model to start from, whose shape `network` then is.
        start_sha256: of its weights. `fine_tuning.with_start` fills in both.
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
            "its peak ({default})", group="steps", metavar="X", least=0, positive=True, below=1, card="learning_rate"
        ),
    )
    weight_decay: float = field(
        default=1e-4, metadata=option("of AdamW ({default})", group="steps", metavar="X", least=0, below=1)
    )
    average: float = field(
        default=0.99,
        metadata=option("decay of the averaged weights ({default})", group="steps", metavar="X", least=0, below=1),
    )
    seed: int = field(
        default=0,
        metadata=option(
            "of weights, patches and the drawn labels ({default})", group="steps", metavar="S", least=0, card="seed"
        ),
    )
    network: NetworkConfig = field(default_factory=NetworkConfig)
    method: Method = field(
        default="supervised",
        metadata=option(
            "all from labels (default); the paper's Eq. 7 alone; the paper's Eq. 6; a mean teacher",
            choices=get_args(Method),
            card="method",
        ),
    )
    labels: int | None = field(
        default=None, metadata=option("use so many labels, validation included (all)", metavar="N", kind=int)
    )
    budget_by: BudgetBy = field(
        default="patient",
        metadata=option("what --labels counts ({default})", flag="labels_by", choices=("patient", "sample")),
    )
    published: bool = field(default=False, metadata=option("Eq. 7 and 8 as published instead of corrected"))
    convex: bool = field(
        default=False, metadata=option("Eq. 6 as (1-a) l_U + a l_S instead of l_U + a l_S (the paper's is lost)")
    )
    augment: bool = field(
        default=True,
        metadata=option(
            "cut patches as they are, for sets augmented already (see `augment`)",
            flag="no_augment",
            card="augmented_while_training",
        ),
    )
    validate_every: int = field(
        default=250,
        metadata=option("steps between looks at validation, 0: none ({default})", group="steps", metavar="N", least=0),
    )
    patience: int = field(
        default=8,
        metadata=option(
            "stop after so many looks without a better, 0: never ({default})", group="steps", metavar="N", least=0
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
        default="thorax", metadata=option("of the body to learn ({default})", choices=("thorax", "whole-body"))
    )
    operating_point: OperatingPoint = field(
        default="dice",
        metadata=option(
            "what chooses the thresholds in validation: pooled Dice, or it and lesion F1 with a floor on precision",
            choices=("dice", "lesions"),
        ),
    )
    by_instance: bool = field(
        default=False,
        metadata=option(
            "every lesion counts the square root of its area, and is drawn as often as any other",
            card="lesions_by_instance",
        ),
    )
    precision: Precision = field(
        default="float32",
        metadata=option(
            "of the network's arithmetic while it learns; bfloat16 is quicker where the processor knows it ({default})",
            group="steps",
            choices=get_args(Precision),
            card="precision",
        ),
    )
    store: str | None = field(
        default=None,
        metadata=option(
            "draw new scans of these simulated patients in training (see `simulate --store`); --data still validates",
            metavar="DIR",
        ),
    )
    store_share: float = field(
        default=0.9,
        metadata=option("share of the labelled patches from --store ({default})", metavar="X"),
    )
    validation_folds: tuple[int, ...] = field(default_factory=_usual_folds)
    start: str | None = field(
        default=None, metadata=option("start from this model's weights (fine-tuning)", metavar="NAME|PATH")
    )
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
        check_options(self)
        divisor = pooling_divisor(self.network)
        if self.patch < divisor or self.patch % divisor:
            raise UserError(f"The patch of {self.patch} must be a multiple of {divisor} for this network.", "patch")
        if self.method in MIXED and self.batch % 2:
            raise UserError(
                f"The batch of {self.batch} must be even: half of a {self.method} batch is labelled.", "batch"
            )
        if not 0 < self.store_share <= 1:
            raise UserError(f"The store's share {self.store_share} must lie above 0 and at most at 1.", "store_share")
        if self.labels is not None and self.labels < (0 if self.method == "unsupervised" else 1):
            raise UserError(f"{self.labels} labels leave nothing to learn from; {self.method} needs some.", "labels")

    def to_card(self) -> dict[str, Any]:
        """What a model's card tells of the options, by the names that it has for them."""
        return {about.card: getattr(self, item.name) for item, about in options_of(self) if about.card}
