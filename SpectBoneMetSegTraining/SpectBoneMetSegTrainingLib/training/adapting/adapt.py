"""From a data set and a model to a model fitted to that hospital, a verdict, and what its page needs.

    RUN/plan.json  parent.npz  fold-0/ ... (run folders with looks/*.npz)  all-<steps>/

Broken off at any moment, it goes on: the plan is made once, and every training is one that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import alone_in
from SpectBoneMetSegLib.common.packages import is_there
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
from ..trainer import StepProgress, train
from .choice import AdaptationComparison, best_step, chosen_point, compare_adapted, gains, shrink_towards_parent
from .folds import ValidationRecorder, parent_predictions, stored_predictions
from .plan import Plan, base_config, labelled_patients, make_plan, region_to_train, step_seconds

if TYPE_CHECKING:
    import keras

__all__ = ["Adapted", "Request", "adapt", "plan_for"]

PLAN, PARENT = "plan.json", "parent.npz"
HOW = (
    "on patients left out: every labelled patient was judged by a training that did not learn from them, cut at limits "
    "that the others chose; the parent at its own"
)


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        data: data set.
        run: folder for the trainings.
        output: model folder to write.
        start: the parent, None for the one read when none is named.
        store: folder of simulated patients mixed in, None for none.
        minutes: that it may take.
        folds: at most so many parts are left out in turn.
        steps: of each training, None for what fits.
        region: that the readers looked at, None for what their outlines tell.
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
    """What came of it.

    Attributes:
        model: both.
        parent: both.
        comparison: the comparison.
        limits: in force.
        steps: that were learnt.
        per_case: (case, DSC before, DSC now) from the greatest gain to the greatest loss.
        cut: {case: limits with which it was judged}.
        paths: files of what was said of those left out.
        config: of the trainings.
        plan: of the trainings.
    """

    model: ModelFolder
    parent: ModelFolder
    comparison: AdaptationComparison
    limits: Delineator
    steps: int
    per_case: list[tuple[str, float, float]]
    cut: dict[str, Delineator]
    paths: list[Path]
    config: TrainingConfig
    plan: Plan


def plan_for(request: Request) -> tuple[Plan, TrainingConfig]:
    """The plan, made once and kept; and what its trainings share.

    Raises:
        UserError: no such model, too few patients, a data set that cannot be learnt from, or one that changed since.
    """
    check_request(request.data, request.output)
    parent = find_model(request.start)
    start = request.start or str(parent.path)
    unlabelled = bool(cases_of(request.data, "unlabelled"))
    path = request.run / PLAN
    earlier = Plan.from_dict(read_json(path)) if path.exists() else None
    asked = request.region or (earlier.region if earlier else None)
    region, taught = region_to_train(parent.card, request.data, asked)
    config = base_config(parent.card, start, request.data, unlabelled, request.store, request.seed, region)
    if earlier:
        _check_same(request, earlier, region)
        return earlier, config
    plan = make_plan(
        request.data,
        request.minutes,
        request.folds,
        lambda: step_seconds(request.data, request.run / "timing", config),
        request.steps,
        region,
        taught,
    )
    write_json(path, plan.to_dict())
    return plan, config


def _check_same(request: Request, earlier: Plan, region: Region) -> None:
    """Half of one adaptation and half of another judge nobody."""
    if earlier.region not in (None, region):
        raise UserError(
            f"{request.run} was begun for another region ({earlier.region}); remove that folder to begin anew.",
            "region",
        )
    if labelled_patients(request.data) != earlier.patients:
        raise UserError(
            f"{request.data} has other labelled patients than when {request.run} was begun; remove that folder to "
            "begin anew."
        )


def adapt(
    request: Request,
    plan: Plan,
    config: TrainingConfig,
    progress: Callable[[int, int], StepProgress] | None = None,
) -> Adapted:
    """Train as planned, choose, judge, and write the model.

    Args:
        plan: from `plan_for`.
        config: from `plan_for`.
        progress: called with the training's number and how many there are, gives what is called after its steps.

    Raises:
        UserError: whatever cannot be trained on or written.
    """
    with alone_in(request.run):
        return _Adapting(request, plan, config, progress).run()


class _Adapting:
    """One call of `adapt`."""

    def __init__(
        self,
        request: Request,
        plan: Plan,
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
        """All of it."""
        networks = [self._fold(number) for number in range(len(self.plan.groups))]
        held = sorted(case for group in self.plan.groups for case in self._held(group))
        parent_predictions(self.parent, self.request.data, held, self.request.run / PARENT, self.config.region)
        steps, table = self._steps()
        paths = self._paths(steps)
        limits, cut = self._limits(table), self._cut(table)
        new = self._scores(paths, cut)
        old = self._scores([self.request.run / PARENT], {})
        comparison = compare_adapted(old, new)
        network, run, final = self._final(networks, steps)
        model = self._write(network, run, final, limits, paths, comparison)
        return Adapted(
            model, self.parent, comparison, limits, steps, gains(old, new), cut, paths, self.config, self.plan
        )

    def _held(self, group: Sequence[int]) -> list[str]:
        return training_and_validation(self.request.data, group)[1]

    def _fold(self, number: int) -> keras.Model:
        """One training without some patients, who are judged at every look."""
        group, run = self.plan.groups[number], self.runs[number]
        config = replace(self.config, validation_folds=group)
        keeper = ValidationRecorder(run / "looks", self._held(group))
        return train(self.request.data, run, config, self._progress(number), on_validation=keeper)

    def _progress(self, number: int) -> StepProgress | None:
        return self.progress(number, self.plan.runs) if self.progress else None

    def _paths(self, step: int) -> list[Path]:
        """What was said at a look of those left out."""
        return [run / "looks" / f"{step}.npz" for run in self.runs]

    def _steps(self) -> tuple[int, dict[str, list[Counts]]]:
        """The look at which those left out were judged best, and {case: its counts at every point} there."""
        if len(self.runs) == 1:
            # There is no second training: the look is the one whose weights this one gives.
            steps = [int(max(validations_of(self.runs[0]), key=lambda look: look["dice"])["step"])]
        else:
            # Validations without any lesion were not kept.
            every = range(self.plan.validate_every, self.plan.steps + 1, self.plan.validate_every)
            steps = [step for step in every if all(path.exists() for path in self._paths(step))]
        tables = {step: dict(counts_at(self._predictions(self._paths(step)), self.points)) for step in steps}
        best = best_step(tables, self.points)
        return best, tables[best]

    def _predictions(self, paths: Sequence[Path]):  # type: ignore[no-untyped-def]
        return stored_predictions(paths, self.request.data, self.config.network, self.config.region)

    def _limits(self, table: dict[str, Any]) -> Delineator:
        """Chosen on everybody left out, drawn towards the parent's as far as these are few."""
        chosen = chosen_point(table, list(table), self.points)[0]
        return shrink_towards_parent(chosen, self.parent.card, self._count(table))

    def _count(self, cases: Sequence[str] | dict[str, Any]) -> int:
        return len({self.patients[case] for case in cases})

    def _cut(self, table: dict[str, Any]) -> dict[str, Delineator]:
        """{case: limits that patients of other folds chose}; of a single fold, that the other half of it chose."""
        groups = [self._held(group) for group in self.plan.groups]
        if len(groups) == 1:
            names = sorted({self.patients[case] for case in groups[0]})
            groups = [[case for case in groups[0] if names.index(self.patients[case]) % 2 == half] for half in (0, 1)]
        cut: dict[str, Delineator] = {}
        for own in groups:
            others = [case for case in table if case not in own]
            limits = (
                shrink_towards_parent(
                    chosen_point(table, others, self.points)[0], self.parent.card, self._count(others)
                )
                if others
                else Delineator.of(self.parent.card)
            )
            cut |= dict.fromkeys(own, limits)
        return cut

    def _scores(self, paths: Sequence[Path], cut: dict[str, Delineator]) -> list[CaseScores]:
        """Scores of the cases in some files; without limits of their own, at the parent's."""
        own = Delineator.of(self.parent.card)
        found: list[CaseScores] = []
        for prediction in self._predictions(paths):
            found += score_cases([prediction], cut.get(prediction[0].case, own), self.patients)
        return without_flags(found)

    def _final(self, networks: Sequence[keras.Model], steps: int) -> tuple[keras.Model, Path, TrainingConfig]:
        """The training with everybody, as long as suited those left out; of a single training, that one."""
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
        everybody = [*cases.labelled, *cases.validation]
        model = save_model(
            network,
            config.network,
            {
                "description": f"{card.name}, adapted to: {about['description']}",
                **tuned.to_card(),
                "region": config.region,
                "appearance": card.appearance.merged_with(training_appearance(request.data, everybody, config.region)),
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
        if is_there("onnx"):
            from SpectBoneMetSegLib.model.onnx_export import export_onnx

            return export_onnx(model)
        return model
