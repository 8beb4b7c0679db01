"""Adapt a parent model to the data set of a hospital: cross-validation, final training, verdict.

    RUN/plan.json  parent.npz  fold-0/ ... (run folders with mixed/<share>.npz and <share>.counts.npz)  all/

An interrupted adaptation can be resumed at any moment: the plan is stored, and every training resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import exclusive_access
from SpectBoneMetSegLib.common.packages import is_installed
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.model.store import ModelFolder, find_model, save_model

from ...dataset.budgets import patients_of
from ...dataset.cases import cases_of
from ...dataset.files import read_json, write_json
from ...dataset.opened import Data, opened
from ...dataset.sources import SOURCES, combined_sources, licence_with, sources_of
from ...evaluation.metrics import Counts
from ...evaluation.predictions import Delineator, counts_at, operating_points
from ...evaluation.scores import CaseScores, score_cases, without_flags
from ..outcome.appearance import training_appearance
from ..outcome.finish import check_request, training_record
from ..outcome.operating_point import MINIMUM_AREA_MM2, tune_at
from ..outcome.parent_comparison import comparison_with
from ..outcome.promotion import COMPARISON
from ..outcome.training_scans import TRAINING_SCANS, training_scans
from ..setup.cases import training_and_validation, training_cases
from ..setup.config import TrainingConfig
from ..setup.fine_tuning import model_reference, start_weights
from ..timing import training_times
from ..trainer import StepProgress, train
from .choice import AdaptationComparison, best_share, chosen_point, compare_adapted, gains, shrink_towards_parent
from .folds import mixed_predictions, parent_predictions, stored_counts, stored_predictions
from .mixing import mixed, shares_to_try
from .plan import (
    AdaptationPlan,
    AdaptationTimes,
    base_config,
    digest_of_cases,
    labelled_patients,
    make_plan,
    region_to_train,
)

if TYPE_CHECKING:
    import keras

__all__ = ["AdaptationRequest", "Adapted", "adapt", "plan_for"]

PLAN, PARENT, TIMING = "plan.json", "parent.npz", "timing"
HOW = (
    "cross-validation: every labelled patient was predicted by a model that was not trained on them, with mixture and "
    "thresholds chosen on other patients; the parent model with its own thresholds"
)


@dataclass(frozen=True)
class AdaptationRequest:
    """Request of an adaptation.

    Attributes:
        data: data set.
        run: folder for the plan and the trainings.
        output: model folder to write.
        start: name or path of the parent model, None for the default model.
        store: folder of simulated patients to mix in, None for none.
        minutes: time limit of the whole adaptation.
        folds: maximum number of folds.
        steps: gradient steps of each training, None for as many as fit.
        seed: seed of all random numbers.
        region: region that the readers examined, None to infer it from their outlines.
    """

    data: Data
    run: Path
    output: Path
    start: str | None = None
    store: Path | None = None
    minutes: float = 30.0
    folds: int = 5
    steps: int | None = None
    seed: int = 0
    region: Region | None = None


@dataclass(frozen=True)
class Adapted:
    """Result of an adaptation.

    Attributes:
        model: the adapted model.
        parent: the parent model.
        comparison: paired comparison of both.
        limits: operating point of the adapted model.
        share: share of the trained weights in the model, see `mixing`.
        per_case: (case, DSC of the parent, DSC of the adapted model) from the greatest gain to the greatest loss.
        held_out_limits: {case: operating point of its cross-validated prediction}.
        paths: files of the cross-validated predictions, each of the mixture that other patients chose.
        config: options of the trainings.
        plan: plan of the trainings.
    """

    model: ModelFolder
    parent: ModelFolder
    comparison: AdaptationComparison
    limits: Delineator
    share: float
    per_case: list[tuple[str, float, float]]
    held_out_limits: dict[str, Delineator]
    paths: list[Path]
    config: TrainingConfig
    plan: AdaptationPlan


def plan_for(request: AdaptationRequest, spent: float = 0.0) -> tuple[AdaptationPlan, TrainingConfig]:
    """Return the stored plan, or make and store it, and the options shared by its trainings.

    Args:
        request: the request.
        spent: seconds of its time limit that are already spent.

    Raises:
        UserError: no such model, too few patients, an unsuitable data set, or one that has changed since.
    """
    check_request(request.data, request.output)
    parent = find_model(request.start)
    start = request.start or str(parent.path)
    unlabelled = bool(cases_of(request.data, "unlabelled"))
    earlier = _earlier_plan(request.run)
    requested = request.region or (earlier.region if earlier else None)
    region, reason = region_to_train(parent.card, request.data, requested)
    config = base_config(parent.card, start, request.data, request.store, request.seed, region, unlabelled=unlabelled)
    if earlier:
        _check_same(request, earlier, region)
        return earlier, config
    plan = make_plan(
        request.data,
        request.minutes,
        request.folds,
        lambda: _times(request, parent, config, spent),
        request.steps,
        region,
        reason,
    )
    plan = replace(plan, outlines=digest_of_cases(request.data))
    write_json(request.run / PLAN, plan.to_dict())
    return plan, config


def _earlier_plan(run: Path) -> AdaptationPlan | None:
    """Return the stored plan of a run; None if it has none.

    Raises:
        UserError: the plan is damaged, or of a version that trained in another way.
    """
    path = run / PLAN
    if not path.exists():
        return None
    values = read_json(path, remedy="restore it, or choose another output")
    if "look_every" in values:
        raise UserError(f"{run} was started by an earlier version; remove that folder to start again.")
    return AdaptationPlan.from_dict(values)


def _times(request: AdaptationRequest, parent: ModelFolder, config: TrainingConfig, spent: float) -> AdaptationTimes:
    """Measure how long the parts of the adaptation take: a few steps, a validation, the evaluation of one case."""
    started = monotonic()
    training = training_times(request.data, request.run / TIMING, config)
    cases = training_cases(request.data, config)
    case = (cases.validation or cases.labelled)[:1]
    path = request.run / TIMING / "evaluation.npz"
    parent_predictions(parent, request.data, case, path, config.region)
    predicted = monotonic()
    counts = counts_at(
        stored_predictions([path], request.data, config.network, config.region),
        operating_points(MINIMUM_AREA_MM2, "lesions"),
    )
    list(counts)
    done = monotonic()
    prediction = training.validation_seconds / max(len(cases.validation), 1)
    return AdaptationTimes(
        spent + done - started, training.start_seconds, training.step_seconds, prediction, done - predicted
    )


def _check_same(request: AdaptationRequest, earlier: AdaptationPlan, region: Region) -> None:
    """Refuse to resume an adaptation with another region, other patients or outlines, or another number of steps."""
    if earlier.region not in (None, region):
        raise UserError(
            f"{request.run} was started for another region ({earlier.region}); remove that folder to start again.",
            "region",
        )
    if labelled_patients(request.data) != earlier.patients:
        raise UserError(
            f"{request.data} has other labelled patients than when {request.run} was started; remove that folder to "
            "start again."
        )
    if earlier.outlines and earlier.outlines != digest_of_cases(request.data):
        raise UserError(
            f"{opened(request.data).folder} has other scans or outlines than when {request.run} was started; remove "
            "that folder to start again.",
            "data",
        )
    if request.steps not in (None, earlier.steps):
        raise UserError(
            f"{request.run} was started with {earlier.steps} steps for each training; keep these, or remove that "
            "folder to start again.",
            "steps",
        )


def adapt(
    request: AdaptationRequest,
    plan: AdaptationPlan,
    config: TrainingConfig,
    progress: Callable[[int, int], StepProgress] | None = None,
) -> Adapted:
    """Train the folds, choose mixture and operating point, compare with the parent, train on all, write the model.

    Args:
        request: the request.
        plan: from `plan_for`.
        config: from `plan_for`.
        progress: called with the number of a training and their total; returns the progress callback of its steps.

    Raises:
        UserError: data that cannot be trained on, or an output that cannot be written.
    """
    with exclusive_access(request.run):
        return _Adaptation(request, plan, config, progress).run()


class _Adaptation:
    """One call of `adapt`."""

    def __init__(
        self,
        request: AdaptationRequest,
        plan: AdaptationPlan,
        config: TrainingConfig,
        progress: Callable[[int, int], StepProgress] | None,
    ) -> None:
        self.request, self.plan, self.progress = request, plan, progress
        self.config = replace(config, steps=plan.steps)
        self.parent, self.parent_weights = find_model(config.start), start_weights(config)
        self.patients = patients_of(request.data)
        self.points = operating_points(MINIMUM_AREA_MM2, "lesions")
        self.shares = shares_to_try(len(plan.groups))
        self.runs = [request.run / f"fold-{number}" for number in range(len(plan.groups))]

    def run(self) -> Adapted:
        """Run the whole adaptation."""
        networks = [self._fold(number) for number in range(len(self.plan.groups))]
        groups = [self._held_out(group) for group in self.plan.groups]
        held_out = sorted(case for group in groups for case in group)
        parent_predictions(self.parent, self.request.data, held_out, self.request.run / PARENT, self.config.region)
        files = {share: [run / "mixed" / f"{share}.npz" for run in self.runs] for share in self.shares}
        tables = {share: self._counts(paths) for share, paths in files.items()}
        counted = list(tables[self.shares[0]])
        share, limits = self._choice(tables, counted)
        paths: list[Path] = []
        held_out_limits: dict[str, Delineator] = {}
        for number, group in enumerate(groups):
            others = [case for case in counted if case not in group]
            if others:
                own, own_limits = self._choice(tables, others)
                held_out_limits |= dict.fromkeys(group, own_limits)
            else:
                own = share
                held_out_limits |= self._limits_by_halves(tables[share], group)
            paths.append(files[own][number])
        new = self._scores(paths, held_out_limits)
        old = self._scores([self.request.run / PARENT], {})
        comparison = compare_adapted(old, new)
        network, run, final = self._final(networks)
        network.set_weights(mixed(self.parent_weights, network.get_weights(), share))
        model = self._write(network, run, final, limits, share, paths, comparison)
        changes = gains(old, new)
        return Adapted(
            model, self.parent, comparison, limits, share, changes, held_out_limits, paths, self.config, self.plan
        )

    def _held_out(self, group: Sequence[int]) -> list[str]:
        return training_and_validation(self.request.data, group)[1]

    def _fold(self, number: int) -> keras.Model:
        """Train one fold, and predict its held-out patients with every mixture."""
        group, run = self.plan.groups[number], self.runs[number]
        config = replace(self.config, validation_folds=group)
        network = train(self.request.data, run, config, self._progress(number))
        cases = self._held_out(group)
        for share in self.shares:
            path = run / "mixed" / f"{share}.npz"
            mixed_predictions(network, self.parent_weights, share, self.request.data, cases, path, config)
        return network

    def _progress(self, number: int) -> StepProgress | None:
        return self.progress(number, self.plan.runs) if self.progress else None

    def _predictions(self, paths: Sequence[Path]):  # type: ignore[no-untyped-def]
        return stored_predictions(paths, self.request.data, self.config.network, self.config.region)

    def _counts(self, paths: Sequence[Path]) -> dict[str, list[Counts]]:
        """Return {case: counts at each operating point} of stored predictions."""
        data, config = self.request.data, self.config
        of_files = [stored_counts(path, data, config.network, config.region, self.points) for path in paths]
        return {case: counts for of_file in of_files for case, counts in of_file.items()}

    def _choice(self, tables: dict[float, dict[str, list[Counts]]], cases: Sequence[str]) -> tuple[float, Delineator]:
        """Return the best mixture on some cases and its operating point, shrunk towards the parent's."""
        share = best_share(tables, cases, self.points)
        return share, self._limits(tables[share], cases)

    def _limits(self, table: dict[str, list[Counts]], cases: Sequence[str]) -> Delineator:
        chosen = chosen_point(table, cases, self.points)[0]
        return shrink_towards_parent(chosen, self.parent.card, len({self.patients[case] for case in cases}))

    def _limits_by_halves(self, table: dict[str, list[Counts]], group: Sequence[str]) -> dict[str, Delineator]:
        """Return {case of a single fold: operating point chosen by the other half of its patients}."""
        names = sorted({self.patients[case] for case in group})
        halves = [[case for case in group if names.index(self.patients[case]) % 2 == half] for half in (0, 1)]
        result: dict[str, Delineator] = {}
        for half in halves:
            other = [case for case in table if case not in half]
            result |= dict.fromkeys(half, self._limits(table, other) if other else Delineator.of(self.parent.card))
        return result

    def _scores(self, paths: Sequence[Path], limits: dict[str, Delineator]) -> list[CaseScores]:
        """Score the stored predictions at the operating point of each case, by default the parent's."""
        default = Delineator.of(self.parent.card)
        found: list[CaseScores] = []
        for prediction in self._predictions(paths):
            found += score_cases([prediction], limits.get(prediction[0].case, default), self.patients)
        return without_flags(found)

    def _final(self, networks: Sequence[keras.Model]) -> tuple[keras.Model, Path, TrainingConfig]:
        """Train on all labelled patients; with a single training, return that one."""
        if len(self.plan.groups) == 1:
            return networks[0], self.runs[0], replace(self.config, validation_folds=self.plan.groups[0])
        config, run = replace(self.config, validation_folds=()), self.request.run / "all"
        return train(self.request.data, run, config, self._progress(len(self.plan.groups))), run, config

    def _write(
        self,
        network: keras.Model,
        run: Path,
        config: TrainingConfig,
        limits: Delineator,
        share: float,
        paths: Sequence[Path],
        comparison: AdaptationComparison,
    ) -> ModelFolder:
        request, card = self.request, self.parent.card
        tuned = tune_at(limits, lambda: self._predictions(paths), self.patients)
        cases = training_cases(request.data, config)
        sources = combined_sources(sources_of(request.data), card.training)
        about = opened(request.data).json("dataset.json")
        labelled = [*cases.labelled, *cases.validation]
        model = save_model(
            network,
            config.network,
            {
                "description": f"{card.name}, adapted to: {about['description']}",
                **tuned.to_card(),
                "region": config.region,
                "appearance": card.appearance.merged_with(training_appearance(request.data, labelled, config.region)),
                "parent": model_reference(card),
                "licence": licence_with(card.licence, sources.get(SOURCES, ())),
                "training": {
                    "data": about["description"],
                    **training_record(run, config, cases),
                    "method": f"adapted, {config.method}",
                    "plan": self.plan.to_dict(),
                    "share_of_trained_weights": share,
                    TRAINING_SCANS: training_scans(request.data, cases, config),
                    **sources,
                },
                "metrics": {
                    "validation": {"what": HOW, **tuned.figures},
                    COMPARISON: comparison_with(self.parent, comparison, comparison.verdict, HOW).to_dict(),
                },
            },
            request.output,
        )
        if is_installed("onnx"):
            from SpectBoneMetSegLib.model.onnx_export import export_onnx

            return export_onnx(model)
        return model
