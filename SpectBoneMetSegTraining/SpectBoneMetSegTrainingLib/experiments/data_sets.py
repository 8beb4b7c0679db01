"""Data sets of the trainings, each made once from a benchmark."""

from __future__ import annotations

from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError

from ..common.progress import counter
from ..dataset.budgets import read_labelled_cases
from ..dataset.files import read_json
from ..dataset.sealed import is_sealed
from ..paper_sets.dcgan import GeneratorConfig
from ..paper_sets.recipes import RECIPES, RecipeRequest, make_recipe
from ..paper_sets.separate_views import write_separate_views
from .definitions import NnunetTraining, Training
from .scales import Scale

#: Seed of the copies and folds of D1 and D2, the same for all trainings, so that their seeds change nothing else.
SET_SEED = 0


def check_benchmark(data: Path) -> dict[str, object]:
    """Return name, simulator version and SHA-256 of the parts of a complete benchmark.

    Raises:
        UserError: the folder is not a complete benchmark, or its development test is sealed.
    """
    if not (data / "benchmark.json").is_file() or not (data / "train" / "d1.json").is_file():
        raise UserError(
            f"{data} is not a benchmark; make one.", command=f"simulate --benchmark hospital-4 --output {data}"
        )
    about = read_json(data / "benchmark.json")
    if about.get("state") != "complete" or is_sealed(data / "development"):
        raise UserError(f"{data} is not complete; simulate it again.", command="simulate --benchmark NAME")
    parts = {part: about["sha256"][part] for part in ("train", "development")}
    return {"name": about["name"], "simulator_version": about["simulator_version"], "sha256": parts}


def d1_patients(data: Path) -> int:
    """Count the patients of a benchmark's D1."""
    return len(read_labelled_cases(data / "train" / "d1.json"))


def data_set(benchmark: Path, folder: Path, training: Training | NnunetTraining, scale: Scale) -> Path:
    """Return the data set of a training; make it if it does not exist yet.

    D1 and D2 serve every budget; a set with generated samples is made for one budget and seed.

    Args:
        benchmark: the benchmark.
        folder: folder of all data sets.
        training: the training.
        scale: sizes of the experiments.

    Raises:
        UserError: the data set cannot be made.
    """
    if isinstance(training, NnunetTraining):
        return _recipe(benchmark, folder / "D1", "D1", None, SET_SEED, scale)
    if training.config.labels is None:
        seed, labels, name = training.seed, training.labels, f"{training.data}-seed{training.seed}"
    else:
        seed, labels, name = SET_SEED, None, training.data
    made = _recipe(benchmark, folder / name, training.data, labels, seed, scale)
    if not training.apart:
        return made
    apart = folder / f"{name}-apart"
    if not (apart / "dataset.json").exists():
        write_separate_views(made, apart, seed, counter(f"{apart.name}: case"))
    return apart


def _recipe(benchmark: Path, output: Path, recipe: str, labels: int | None, seed: int, scale: Scale) -> Path:
    if not (output / "dataset.json").exists():
        train = benchmark / "train"
        cases = read_labelled_cases(train / "d1.json")
        generator = GeneratorConfig(steps=scale.generator_steps, seed=seed) if RECIPES[recipe].generated else None
        request = RecipeRequest(recipe, seed, cases, labels=labels, factor=scale.factor, generator=generator)
        make_recipe(train, output, request, lambda part: counter(f"{output.name}: {part}"))
    return output
