"""Adapt a parent model to the data set of a hospital: cross-validation, final training, verdict.

    RUN/plan.json  parent.npz  fold-0/ ... (run folders with looks/*.npz)  all-<steps>/

An interrupted adaptation can be resumed at any moment: the plan is stored, and every training resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

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
from ..run_folder import validations_of
from ..setup.cases import training_and_validation, training_cases
from ..setup.config import TrainingConfig
from ..setup.fine_tuning import model_reference
from ..timing import training_times
from ..trainer import StepProgress, train
from .choice import AdaptationComparison, best_step, chosen_point, compare_adapted, gains, shrink_towards_parent
from .folds import ValidationRecorder, parent_predictions, stored_predictions
from .plan import AdaptationPlan, AdaptationTimes, base_config, labelled_patients, make_plan, region_to_train

if TYPE_CHECKING:
    import keras

__all__ = ["AdaptationRequest", "Adapted", "adapt", "plan_for"]

PLAN, PARENT, TIMING = "plan.json", "parent.npz", "timing"
HOW = (
    "cross-validation: every labelled patient was predicted by a model that was not trained on them, with thresholds "
    "chosen on other patients; the parent model with its own thresholds"
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
        steps: gradient steps of the final training.
        per_case: (case, DSC of the parent, DSC of the adapted model) from the greatest gain to the greatest loss.
        held_out_limits: {case: operating point of its cross-validated prediction}.
        paths: files of the cross-validated predictions.
        config: options of the trainings.
        plan: plan of the trainings.
    """

    model: ModelFolder
    parent: ModelFolder
    comparison: AdaptationComparison
    limits: Delineator
    steps: int
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
    path = request.run / PLAN
    earlier = (
        AdaptationPlan.from_dict(read_json(path, remedy="restore it, or choose another output"))
        if path.exists()
        else None
    )
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
    write_json(path, plan.to_dict())
    return plan, config


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
    """Refuse to resume an adaptation with another region or other patients."""
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


def adapt(
    request: AdaptationRequest,
    plan: AdaptationPlan,
    config: TrainingConfig,
    progress: Callable[[int, int], StepProgress] | None = None,
) -> Adapted:
    """Train the folds, choose steps and operating point, compare with the parent, train on all, and write the model.

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
        self.config = replace(config, steps=plan.steps, validate_every=plan.validate_every)
        self.parent = find_model(config.start)
        self.patients = patients_of(request.data)
        self.points = operating_points(MINIMUM_AREA_MM2, "lesions")
        self.runs = [request.run / f"fold-{number}" for number in range(len(plan.groups))]

    def run(self) -> Adapted:
        """Run the whole adaptation."""
        networks = [self._fold(number) for number in range(len(self.plan.groups))]
        held_out = sorted(case for group in self.plan.groups for case in self._held_out(group))
        parent_predictions(self.parent, self.request.data, held_out, self.request.run / PARENT, self.config.region)
        steps, table = self._steps()
        paths = self._paths(steps)
        limits, held_out_limits = self._limits(table), self._held_out_limits(table)
        new = self._scores(paths, held_out_limits)
        old = self._scores([self.request.run / PARENT], {})
        comparison = compare_adapted(old, new)
        network, run, final = self._final(networks, steps)
        model = self._write(network, run, final, limits, paths, comparison)
        changes = gains(old, new)
        return Adapted(
            model, self.parent, comparison, limits, steps, changes, held_out_limits, paths, self.config, self.plan
        )

    def _held_out(self, group: Sequence[int]) -> list[str]:
        return training_and_validation(self.request.data, group)[1]

    def _fold(self, number: int) -> keras.Model:
        """Train one fold, and record the predictions of its held-out patients at every validation."""
        group, run = self.plan.groups[number], self.runs[number]
        config = replace(self.config, validation_folds=group)
        recorder = ValidationRecorder(run / "looks", self._held_out(group))
        return train(self.request.data, run, config, self._progress(number), on_validation=recorder)

    def _progress(self, number: int) -> StepProgress | None:
        return self.progress(number, self.plan.runs) if self.progress else None

    def _paths(self, step: int) -> list[Path]:
        """Return the files of the held-out predictions at a validation step."""
        return [run / "looks" / f"{step}.npz" for run in self.runs]

    def _steps(self) -> tuple[int, dict[str, list[Counts]]]:
        """Return the best validation step over all folds, and {case: counts at every operating point} at that step."""
        if len(self.runs) == 1:
            # There is no final training: the step is the one of this training's best weights.
            steps = [int(max(validations_of(self.runs[0]), key=lambda row: row["dice"])["step"])]
        else:
            # Validations without any lesion were not recorded.
            planned = range(self.plan.validate_every, self.plan.steps + 1, self.plan.validate_every)
            steps = [step for step in planned if all(path.exists() for path in self._paths(step))]
        tables = {step: dict(counts_at(self._predictions(self._paths(step)), self.points)) for step in steps}
        best = best_step(tables, self.points)
        return best, tables[best]

    def _predictions(self, paths: Sequence[Path]):  # type: ignore[no-untyped-def]
        return stored_predictions(paths, self.request.data, self.config.network, self.config.region)

    def _limits(self, table: dict[str, Any]) -> Delineator:
        """Return the operating point chosen on all held-out patients, shrunk towards the parent's."""
        chosen = chosen_point(table, list(table), self.points)[0]
        return shrink_towards_parent(chosen, self.parent.card, self._count(table))

    def _count(self, cases: Sequence[str] | dict[str, Any]) -> int:
        return len({self.patients[case] for case in cases})

    def _held_out_limits(self, table: dict[str, Any]) -> dict[str, Delineator]:
        """Return {case: operating point chosen by patients of other folds, or by the other half of a single fold}."""
        groups = [self._held_out(group) for group in self.plan.groups]
        if len(groups) == 1:
            names = sorted({self.patients[case] for case in groups[0]})
            groups = [[case for case in groups[0] if names.index(self.patients[case]) % 2 == half] for half in (0, 1)]
        result: dict[str, Delineator] = {}
        for group in groups:
            others = [case for case in table if case not in group]
            limits = (
                shrink_towards_parent(
                    chosen_point(table, others, self.points)[0], self.parent.card, self._count(others)
                )
                if others
                else Delineator.of(self.parent.card)
            )
            result |= dict.fromkeys(group, limits)
        return result

    def _scores(self, paths: Sequence[Path], limits: dict[str, Delineator]) -> list[CaseScores]:
        """Score the stored predictions at the operating point of each case, by default the parent's."""
        default = Delineator.of(self.parent.card)
        found: list[CaseScores] = []
        for prediction in self._predictions(paths):
            found += score_cases([prediction], limits.get(prediction[0].case, default), self.patients)
        return without_flags(found)

    def _final(self, networks: Sequence[keras.Model], steps: int) -> tuple[keras.Model, Path, TrainingConfig]:
        """Train on all labelled patients for the chosen number of steps; with a single training, return that one."""
        if len(self.plan.groups) == 1:
            return networks[0], self.runs[0], replace(self.config, validation_folds=self.plan.groups[0], steps=steps)
        config = replace(self.config, validation_folds=(), steps=steps, validate_every=0)
        run = self.request.run / f"all-{steps}"
        return train(self.request.data, run, config, self._progress(len(self.plan.groups))), run, config

    def _write(
        self,
        network: keras.Model,
        run: Path,
        config: TrainingConfig,
        limits: Delineator,
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
