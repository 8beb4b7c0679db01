"""Results of trainings, and metrics of rows over seeds with intervals; missing results are left out.

Intervals are 95 % percentile intervals of a bootstrap over patients and, with several seeds, over seeds, with the same
samples for every row, so that differences are paired. With one seed they do not include the variance between trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError

from ...dataset.files import read_json
from ...evaluation import bootstrap
from ...evaluation.report import figures
from ...evaluation.scores import CaseScores
from ..compact_scores import FIGURES, from_record
from ..definitions import Experiment, TableRow, key_of
from ..plan import ExperimentPlan
from ..runner import ABOUT
from ..scales import SCALES

Array = NDArray[np.float64]
Results = Mapping[str, dict[str, Any]]


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % interval.

    Attributes:
        value: mean over seeds.
        low: lower limit of the 95 % interval.
        high: upper limit of the 95 % interval.
        seeds: number of seeds.
    """

    value: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True)
class Output:
    """All results of an output folder.

    Attributes:
        folder: the output folder.
        about: benchmark, scale, cases of the pictures.
        results: {key: content} of the results.
        plan: plan of the scale.
        seeds: seeds with results.
    """

    folder: Path
    about: dict[str, Any]
    results: dict[str, dict[str, Any]]
    plan: ExperimentPlan
    seeds: list[int]

    def of_row(self, row: TableRow) -> dict[int, dict[str, Any]]:
        """Return the existing results of a row as {seed: result}."""
        keys = {seed: key_of(row.make(seed)) for seed in self.seeds}
        return {seed: self.results[key] for seed, key in keys.items() if key in self.results}


def load_results(output: Path) -> Output:
    """Read every result of an output folder.

    Raises:
        UserError: no experiment has been run there, or a result is damaged.
    """
    about_file = output / "results" / ABOUT
    if not about_file.exists():
        raise UserError(f"{output} holds no experiment; run some first.", command=f"experiment all --output {output}")
    about = read_json(about_file)
    results = {}
    for path in sorted((output / "results").glob("*.json")):
        if path.name != ABOUT and not path.name.startswith("."):
            result = read_json(path)
            results[result["key"]] = result
    seeds = sorted({int(result["seed"]) for result in results.values()})
    return Output(output, about, results, ExperimentPlan(SCALES[about["scale"]], about["d1_patients"]), seeds)


def estimates(results: Mapping[int, dict[str, Any]], measured: str) -> dict[str, Estimate]:
    """Estimate FIGURES of the results of one row, {seed: result}; {} without results."""
    if not results:
        return {}
    points, draws = _points_and_draws(results, measured)
    return {name: _estimate(points[name], draws[name]) for name in FIGURES}


def difference(
    first: Mapping[int, dict[str, Any]], second: Mapping[int, dict[str, Any]], measured: tuple[str, str], figure: str
) -> Estimate | None:
    """Estimate second row minus first in one metric, over their common seeds; None without any."""
    common = sorted(set(first) & set(second))
    if not common:
        return None
    pairs = [
        _points_and_draws({seed: rows[seed] for seed in common}, name)
        for rows, name in zip((first, second), measured, strict=True)
    ]
    (one, one_draws), (two, two_draws) = pairs
    return _estimate(two[figure] - one[figure], two_draws[figure] - one_draws[figure])


def group_difference(
    results: Mapping[int, dict[str, Any]],
    measured: str,
    figure: str,
    first: Callable[[CaseScores], bool],
    second: Callable[[CaseScores], bool],
) -> Estimate | None:
    """Estimate a metric of the second group of patients minus that of the first, in one row."""
    if not results:
        return None
    groups = [_points_and_draws(results, measured, chosen) for chosen in (first, second)]
    (one, one_draws), (two, two_draws) = groups
    found = _estimate(two[figure] - one[figure], two_draws[figure] - one_draws[figure])
    # Without a patient in one of the groups there is no difference.
    return found if np.isfinite(found.value) else None


def _points_and_draws(
    results: Mapping[int, dict[str, Any]], measured: str, chosen: Callable[[CaseScores], bool] | None = None
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Compute {metric: (seeds,)} and {metric: (seeds, samples)}, with the same bootstrap samples for every row."""
    points: dict[str, list[Array]] = {name: [] for name in FIGURES}
    draws: dict[str, list[Array]] = {name: [] for name in FIGURES}
    for seed in sorted(results):
        scores = from_record(results[seed]["cases"][measured])
        patients = np.stack(list(bootstrap.patient_sums(scores).values()))
        weights = bootstrap.draw_patients(len(patients), bootstrap.SAMPLES, 0)
        if chosen is not None:
            names = sorted({score.patient for score in scores})
            inside = {score.patient for score in scores if chosen(score)}
            keep = np.array([name in inside for name in names], np.float64)
            patients = patients * keep[:, None]
        whole = figures(bootstrap.resampled(patients, np.ones((1, len(patients)))))
        drawn = figures(bootstrap.resampled(patients, weights))
        for name in FIGURES:
            points[name].append(whole[name][0])
            draws[name].append(drawn[name])
    return {n: np.array(v) for n, v in points.items()}, {n: np.stack(v) for n, v in draws.items()}


def _estimate(points: Array, draws: Array) -> Estimate:
    """Compute mean and interval, with resampled seeds, of points (seeds,) and draws (seeds, samples)."""
    seeds, samples = draws.shape
    chosen = np.random.default_rng(1).integers(seeds, size=(seeds, samples))
    low, high = bootstrap.interval(np.take_along_axis(draws, chosen, axis=0).mean(0))
    return Estimate(float(points.mean()), low, high, seeds)


def mean_of(results: Mapping[int, dict[str, Any]], field: str) -> float | None:
    """Compute the mean of a number over the seeds; None without results."""
    values: Sequence[float] = [float(result[field]) for result in results.values() if result.get(field) is not None]
    return float(np.mean(values)) if values else None


def missing(output: Output) -> dict[str, list[str]]:
    """Return {experiment: labels of rows without results}."""
    found = {}
    for name, experiment in output.plan.experiments.items():
        labels = _missing_rows(output, experiment)
        if labels:
            found[name] = labels
    return found


def _missing_rows(output: Output, experiment: Experiment) -> list[str]:
    return [row.label for row in experiment.rows if not output.of_row(row)]
