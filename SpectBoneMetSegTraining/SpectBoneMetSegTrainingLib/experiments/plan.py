"""The experiments as lists of trainings, without side effects: the same lists are run and drawn on the page.

A training is identified by a hash of all that changes its result; equal ones of different experiments are run once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..training.setup.config import TrainingConfig
from .definitions import AnyTraining, Experiment, NnunetTraining, SetName, TableRow, Training, key_of
from .scales import Scale

#: Shares of D1's patients with labels: of the paper's method, of the other networks, at the points of Fig. 7 (up to
#: 37 % in the paper). Of the benchmark's 56 patients they are 21, 39 and 0, 3, 6, 11, 17, 21, 39.
OWN, COMPARED = 0.37, 0.70
SHARES = (0.0, 0.05, 0.10, 0.20, 0.30, OWN, COMPARED)
#: The paper's metrics of D2 with 37 % of the labels, from its text.
PAPER_D2 = (("image_dsc", 0.683), ("image_cpa_precision", 0.715), ("image_recall", 0.601))
SEPARATE_VIEWS = {"inputs": ("anterior",), "outputs": ("anterior",)}
AGGREGATE = {"inputs": ("aggregate",), "outputs": ("union",)}
BOTH_VIEWS = {"inputs": ("anterior", "posterior"), "outputs": ("anterior", "posterior")}
BOTH_TO_UNION = {"inputs": ("anterior", "posterior"), "outputs": ("union",)}


class ExperimentPlan:
    """All experiments of a scale.

    Attributes:
        scale: sizes of the trainings.
        patients: number of patients of D1.
        labels: number of labelled ones in the paper's setting.
        experiments: {name: experiment}.
    """

    def __init__(self, scale: Scale, patients: int) -> None:
        self.scale, self.patients = scale, patients
        self.labels = self.share(OWN)
        self.experiments = {
            item.name: item
            for item in (
                self._table3(),
                self._fig7(),
                self._fig8(),
                self._table5(),
                self._fig9(),
                self._table6(),
            )
        }

    def share(self, part: float) -> int:
        """Number of D1's patients in a share: at least one, unless the share is 0."""
        return max(1, round(part * self.patients)) if part else 0

    def training(
        self,
        name: str,
        seed: int,
        *,
        data: SetName = "D2",
        part: float = OWN,
        ends: dict[str, Any] | None = None,
        network: dict[str, Any] | None = None,
        **options: Any,
    ) -> Training:
        """Define a training; defaults are the paper's setting: D2, separate views, 37 % labels, Eq. 6.

        Args:
            name: name of the training.
            seed: seed of weights, patches and label budget.
            data: data set to train on.
            part: share of patients with labels.
            ends: inputs and outputs of the network.
            network: its other changes.
            options: options of TrainingConfig.
        """
        scale, ends = self.scale, SEPARATE_VIEWS if ends is None else ends
        labels = self.share(part)
        # A generator is trained on labels, so sets with its samples are made for one budget.
        generated = data in ("D3", "D4")
        settings: dict[str, Any] = {
            "steps": scale.steps,
            "batch": scale.batch,
            "patch": scale.patch,
            "learning_rate": scale.learning_rate,
            "validate_every": scale.validate_every,
            "patience": scale.patience,
            "method": "semi",
            "augment": False,
            **options,
        }
        config = TrainingConfig(
            seed=seed,
            labels=None if generated else labels,
            network=replace(scale.network, **ends, **(network or {})),
            **settings,
        )
        return Training(name, data, ends is SEPARATE_VIEWS, labels, config)

    def unet(self, name: str, seed: int, *, part: float = OWN, times: int = 1) -> Training:
        """Define the U-Net of Table 6: supervised, both views as input, their union as output, like nnU-Net."""
        network = {"architecture": "unet", "channels": self.scale.unet_channels}
        network["dilations"] = ((1, 2),) * len(self.scale.unet_channels)
        steps = self.scale.unet_steps * times
        return self.training(
            name, seed, part=part, ends=BOTH_TO_UNION, network=network, method="supervised", steps=steps
        )

    def union(self, name: str, seed: int, method: str, *, times: int = 1) -> Training:
        """Define a training of the paper's network with the input and output of the U-Net and nnU-Net."""
        return self.training(name, seed, ends=BOTH_TO_UNION, method=method, steps=self.scale.steps * times)

    def _table3(self) -> Experiment:
        about = (
            "The paper's semi-supervised method (Eq. 6, 37 % of the patients labelled, each view a sample) on "
            "its four data sets: the originals, geometric copies, DCGAN samples, and (our interpretation of D4) both."
        )
        rows = (
            TableRow("D1: originals", lambda seed: self.training("semi-D1", seed, data="D1")),
            TableRow("D2: geometric copies", self._base, paper=PAPER_D2),
            TableRow("D3: DCGAN samples", lambda seed: self.training("semi-D3", seed, data="D3")),
            TableRow("D4: both", lambda seed: self.training("semi-D4", seed, data="D4")),
        )
        return Experiment("table3", "Table 3: data sets", about, rows)

    def _base(self, seed: int) -> Training:
        return self.training("semi-D2", seed)

    def _budget(self, method: str, part: float) -> Callable[[int], Training]:
        if method == "semi" and not part:
            return lambda seed: self.training("unsupervised-D2", seed, part=0.0, method="unsupervised")
        if method == "semi" and part == OWN:
            return self._base
        name = f"{method}-D2-{part:.0%}".replace("%", "pc")
        return lambda seed: self.training(name, seed, part=part, method=method)

    def _fig7(self) -> Experiment:
        about = (
            "Number of D2's patients with labels, validation patients included; the others are unlabelled. Besides the "
            "paper's method (l_U + 0.4 l_S, corrected): supervised training of the same network on the labelled "
            "patients (weighted cross-entropy and Tversky); ours, a mean teacher; and other forms of Eq. 6."
        )
        rows = [
            TableRow(
                f"Eq. 6, {self.share(part)} patients ({part:.0%})" if part else "Eq. 7 alone, no label",
                self._budget("semi", part),
                paper=PAPER_D2 if part == OWN else (),
                x=self.share(part),
                series="paper's method, Eq. 6",
            )
            for part in SHARES
        ]
        for method, series in (("supervised", "supervised"), ("strong", "ours, mean teacher")):
            rows += [
                TableRow(
                    f"{series}, {self.share(part)} patients ({part:.0%})",
                    self._budget(method, part),
                    x=self.share(part),
                    series=series,
                )
                for part in (0.10, OWN)
            ]
        forms: tuple[tuple[str, dict[str, Any]], ...] = (
            ("Eq. 6 as (1 - a) l_U + a l_S", {"convex": True}),
            ("Eq. 6-8 as published", {"published": True}),
        )
        rows += [self._form(text, options) for text, options in forms]
        return Experiment("fig7", "Figure 7: number of labels", about, tuple(rows), axis="patients with labels")

    def _form(self, text: str, options: dict[str, Any]) -> TableRow:
        """Define a row for another reading of Eq. 6, at the paper's number of labels."""
        name = f"semi-D2-{next(iter(options))}"
        return TableRow(
            f"{text}, {self.labels} patients",
            lambda seed: self.training(name, seed, **options),
            x=self.labels,
            series=text,
        )

    def _fig8(self) -> Experiment:
        about = "Number of recurrent steps (t of Eq. 5), with parameters and test time per image as in Table 4."

        def steps(t: int) -> Callable[[int], Training]:
            if t == self.scale.network.recurrent_steps:
                return self._base
            return lambda seed: self.training(f"semi-D2-t{t}", seed, network={"recurrent_steps": t})

        rows = tuple(TableRow(f"t = {t}", steps(t), x=t, series="paper's method, Eq. 6") for t in range(1, 6))
        columns = ("parameters", "milliseconds per image")
        return Experiment("fig8", "Figure 8 and Table 4: recurrence", about, rows, "recurrent steps t", columns)

    def _table5(self) -> Experiment:
        about = (
            "From plain convolutions to stacked dilated residual convolutions with inception blocks. The cases between "
            "the first and the last are our interpretation; the paper's +0.051 DSC is from the first to the last."
        )
        cases: tuple[tuple[str, dict[str, Any]], ...] = (
            ("1: plain convolutions, max pooling", {"blocks": "plain", "inception": False}),
            ("2: plain convolutions, inception", {"blocks": "plain"}),
            ("3: dilated residual, max pooling", {"inception": False}),
        )

        def row(number: int, label: str, changes: dict[str, Any]) -> TableRow:
            return TableRow(label, lambda seed: self.training(f"semi-D2-case{number}", seed, network=changes))

        rows = [row(number, label, changes) for number, (label, changes) in enumerate(cases, start=1)]
        rows.append(TableRow("4: dilated residual, inception", self._base, paper=(("image_dsc", 0.683),)))
        return Experiment("table5", "Table 5: architecture", about, tuple(rows), columns=("parameters",))

    def _fig9(self) -> Experiment:
        about = (
            "Separate views, their sum (Eq. 4, the paper's D2_Agg), and (ours) both views as two channels. All three "
            "are evaluated on the union of both views' lesions, with the union of the masks of separate views."
        )
        aggregated = (("image_dsc", 0.692), ("image_cpa_precision", 0.721))
        rows = (
            TableRow("separate views", self._base, "union", PAPER_D2),
            TableRow("aggregated image", self._aggregate, "union", aggregated),
            TableRow("both views as channels", lambda s: self.training("semi-D2-both", s, ends=BOTH_VIEWS), "union"),
        )
        return Experiment("fig9", "Figure 9: aggregation", about, rows)

    def _aggregate(self, seed: int) -> Training:
        return self.training("semi-D2-aggregate", seed, ends=AGGREGATE)

    def _table6(self) -> Experiment:
        about = (
            "The other networks take both views of the same patients and predict the union of their lesions. Equal "
            "time: the same number of steps for all methods with the paper's network, about the same time for the "
            "U-Net, the same seconds as Eq. 6 for nnU-Net. Converged: at most {times} times the steps, with "
            "early stopping; for nnU-Net, which has no early stopping, a fixed time and its best checkpoint "
            "on the validation patients."
        )
        scale, times = self.scale, self.scale.converged

        def nnunet(name: str, part: float, *, long: bool) -> Callable[[int], NnunetTraining]:
            def make(seed: int) -> NnunetTraining:
                reference = "" if long else key_of(self.union("union-semi", seed, "semi"))
                return NnunetTraining(name, self.share(part), seed, reference, scale.nnunet_seconds)

            return make

        rows = (
            TableRow("Eq. 6 on the aggregate, 37 % labels", self._aggregate, "union", (("image_dsc", 0.692),)),
            TableRow("Eq. 6, 37 % labels, equal time", lambda s: self.union("union-semi", s, "semi"), "union"),
            TableRow(
                "supervised, 37 % labels, equal time",
                lambda s: self.union("union-supervised", s, "supervised"),
                "union",
            ),
            TableRow(
                "ours, mean teacher, 37 % labels, equal time",
                lambda s: self.union("union-strong", s, "strong"),
                "union",
            ),
            TableRow("U-Net, 37 % labels, equal time", lambda s: self.unet("unet", s), "union"),
            TableRow("U-Net, 70 % labels, equal time", lambda s: self.unet("unet-70", s, part=COMPARED), "union"),
            TableRow("nnU-Net v2, 37 % labels, equal time", nnunet("nnunet", OWN, long=False), "union"),
            TableRow("nnU-Net v2, 70 % labels, equal time", nnunet("nnunet-70", COMPARED, long=False), "union"),
            TableRow(
                "Eq. 6, 37 % labels, converged",
                lambda s: self.union("union-semi-long", s, "semi", times=times),
                "union",
            ),
            TableRow(
                "ours, 37 % labels, converged",
                lambda s: self.union("union-strong-long", s, "strong", times=times),
                "union",
            ),
            TableRow("U-Net, 37 % labels, converged", lambda s: self.unet("unet-long", s, times=times), "union"),
            TableRow("nnU-Net v2, 37 % labels, converged", nnunet("nnunet-long", OWN, long=True), "union"),
        )
        columns = ("parameters", "training minutes")
        about = f"{about.format(times=times)} {scale.description()}"
        return Experiment("table6", "Table 6: comparison with other networks", about, rows, columns=columns)


#: Order of the experiments: short and informative ones first; Table 3 late, because D3 and D4 need a generator.
ORDER = ("fig7", "fig9", "table6", "table5", "table3", "fig8")


def trainings(plan: ExperimentPlan, names: list[str], seeds: list[int]) -> list[AnyTraining]:
    """List every training of the experiments once: by seed, within a seed in ORDER, long ones last."""
    found: dict[str, AnyTraining] = {}
    for seed in seeds:
        of_seed = [row.make(seed) for name in ORDER if name in names for row in plan.experiments[name].rows]
        for training in sorted(of_seed, key=lambda training: "long" in training.name):
            found.setdefault(key_of(training), training)
    return list(found.values())
