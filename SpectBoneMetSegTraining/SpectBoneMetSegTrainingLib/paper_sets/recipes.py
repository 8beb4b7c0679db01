"""The paper's data sets D1, D2, D2_Agg, D3 and D4 (Lin et al. 2022, Sec. 3.1 and 3.2) from a data set of scans.

| set    | paper                                          | here                                              |
|--------|------------------------------------------------|---------------------------------------------------|
| D1     | 112 lesion images (we read: 56 pairs of views) | the labelled cases with lesions, or those named   |
| D2     | D1 + flip, rotation, translation: 2,280 images | the same, 1,140 pairs of 56                       |
| D2_Agg | D2 with both views added up: 1,140 images      | the same, stored as one view                      |
| D3     | D1 + DCGAN samples, number unknown             | as many pairs as D2                               |
| D4     | not described in our copy                      | ours: D2 + as many samples as D3                  |

A copy keeps its source's patient, so that splits by patient keep both together. The generator of D3 and D4 is trained
only on labelled training patients, not on validation patients; its samples are used for training only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES

from ..common.progress import Progress
from ..dataset.budgets import draw_subsets, patients_of
from ..dataset.cases import GENERATED, cases_of, draw_folds, finish_dataset, load_case, shows_lesion
from ..dataset.examples import Example, aggregated, example_of, write_example
from ..dataset.files import claim_folder, read_json
from ..dataset.folds import VALIDATION_FOLD
from ..dataset.sources import inherited_sources
from .dcgan import GeneratorConfig
from .generator_images import image_of, sampled_example
from .geometric import apply_transform, draw_transform

#: Pairs in D2 per pair in D1: 2,280 images of 112.
PAPER_FACTOR = 2280 / 112
RECORD = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """Content of a set.

    Attributes:
        copies: with geometric copies.
        generated: with samples of a generator.
        aggregated: views are added.
    """

    copies: bool = False
    generated: bool = False
    aggregated: bool = False


RECIPES = {
    "D1": Recipe(),
    "D2": Recipe(copies=True),
    "D2_Agg": Recipe(copies=True, aggregated=True),
    "D3": Recipe(generated=True),
    "D4": Recipe(copies=True, generated=True),
}


@dataclass(frozen=True)
class RecipeRequest:
    """Options of a set, stored in it as recipe.json.

    Attributes:
        recipe: one of RECIPES.
        seed: seed of all random numbers.
        cases: D1's cases; None for all unflagged labelled cases that show a lesion.
        labels: number of patients who keep their labels (the paper's subset 2#), the others become unlabelled (subset
            1#); None for all.
        hold_out: whether 30 % of the patients of each subset are test cases, as in the paper (Sec. 3.3).
        factor: pairs in D2 per pair in D1.
        generator: configuration of the generator of D3 and D4; None for the default with this seed.
    """

    recipe: str
    seed: int = 0
    cases: tuple[str, ...] | None = None
    labels: int | None = None
    hold_out: bool = False
    factor: float = PAPER_FACTOR
    generator: GeneratorConfig | None = None


def make_recipe(
    data: Path, output: Path, request: RecipeRequest, progress: Callable[[str], Progress] | None = None
) -> dict[str, int]:
    """Write the set into `output`; complete cases of an interrupted run are kept.

    Args:
        data: data set with the scans.
        output: folder to write.
        request: options of the set.
        progress: returns the progress callback of a part.

    Returns:
        Number of cases in "train", "test" and "unlabelled"; with a generator also the number of its samples, which are
        among those in "train", and of its samples with a lesion.

    Raises:
        UserError: no lesion cases, an unknown recipe, an invalid budget, or a folder that holds something else.
    """
    recipe = _recipe_of(request)
    if recipe.generated and request.generator is None:
        request = replace(request, generator=GeneratorConfig(seed=request.seed))
    counter = progress or (lambda _part: lambda _done, _total: None)
    cases = d1_cases(data, request)
    patients = patients_of(data)
    sides = split_cases({case: patients[case] for case in cases}, request)
    extra = copies_of(len(cases), request.factor)
    if recipe.generated and not sum(extra):
        raise UserError(f"The factor {request.factor:g} leaves no sample to generate; give a larger one.", "factor")
    about = read_json(data / "dataset.json")
    claim_folder(
        output, RECORD, {"data": str(data.resolve()), **asdict(request), "cases": cases}, "data set of a recipe"
    )
    copies = extra if recipe.copies else [0] * len(cases)
    case_done, total = counter("case"), len(cases)
    made: dict[str, int] = {}
    try:
        for index, case in enumerate(cases):
            _write_source(data, output, case, sides[case], recipe, copies[index], (request.seed, index))
            case_done(index + 1, total)
        if request.generator is not None and recipe.generated:
            made = _write_generated(
                output, cases, sum(extra), request.generator, request.seed, counter("generator: step")
            )
        finish_dataset(
            output,
            request.recipe,
            request.seed,
            f"{request.recipe} after Lin et al. 2022, from: {about['description']}",
            inherited_sources(about),
        )
    except OSError as error:
        why = reason_of(error)
        raise UserError(f"{output} cannot be written ({why}); free space and run the same command again.") from error
    return {**{split: len(cases_of(output, split)) for split in ("train", "test", "unlabelled")}, **made}


def d1_cases(data: Path, request: RecipeRequest) -> list[str]:
    """List D1's cases: those requested, or every unflagged labelled case in which a view shows a lesion.

    Raises:
        UserError: there are none, or a requested one is not a labelled training case.
    """
    labelled = cases_of(data, "train")
    if request.cases is None:
        crops = (load_case(data, case) for case in labelled)
        found = [crop.case for crop in crops if not crop.flags and shows_lesion(crop)]
    else:
        found = sorted(request.cases)
        foreign = sorted(set(found) - set(labelled))
        if foreign:
            raise UserError(
                f"{foreign[0]} is not a labelled training case of {data}; choose other labelled cases.",
                "labelled_cases",
            )
    if not found:
        raise UserError(f"{data} holds no labelled case that shows a lesion; label or simulate some first.")
    return found


def split_cases(patients: Mapping[str, str], request: RecipeRequest) -> dict[str, str]:
    """Assign D1's cases, {case: patient}, to the splits: {case: "train", "test" or "unlabelled"}.

    Raises:
        UserError: more labels than patients, or none.
    """
    patient_count = len(set(patients.values()))
    labels = patient_count if request.labels is None else request.labels
    if not 1 <= labels <= patient_count:
        raise UserError(f"There are lesion images of {patient_count} patients; choose 1 to {patient_count}.", "labels")
    subsets = draw_subsets(patients, labels / patient_count, request.seed)
    sides = dict.fromkeys(subsets.unlabelled_train, "unlabelled") | dict.fromkeys(subsets.labelled_train, "train")
    kept = {"unlabelled": subsets.unlabelled_test, "train": subsets.labelled_test}
    for split, names in kept.items():
        sides |= dict.fromkeys(names, "test" if request.hold_out else split)
    return sides


def copies_of(cases: int, factor: float) -> list[int]:
    """Compute the copies of each case, to make `factor` times as many cases; 56 cases make the paper's 1,140."""
    extra = max(0, round(factor * cases) - cases)
    return [extra // cases + (index < extra % cases) for index in range(cases)]


def _recipe_of(request: RecipeRequest) -> Recipe:
    if request.recipe not in RECIPES:
        raise UserError(f"There is no recipe {request.recipe}; there are {', '.join(RECIPES)}.")
    if not 1 <= request.factor <= 1000:
        raise UserError(f"The factor {request.factor:g} must lie between 1 and 1000.", "factor")
    return RECIPES[request.recipe]


def _write_source(
    data: Path, output: Path, case: str, split: str, recipe: Recipe, copies: int, seed: tuple[int, int]
) -> None:
    """Write a case and its copies, except existing ones."""
    names = [case, *(f"{case}_c{number:03d}" for number in range(1, copies + 1))]
    if all((output / "instances" / f"{name}.json").exists() for name in names):
        return
    record = read_json(data / "instances" / f"{case}.json")
    example = example_of(load_case(data, case))
    # The transform of an unlabelled case must not depend on its hidden label.
    visible = example if split != "unlabelled" else Example(example.counts, ())
    kept = {key: record[key] for key in ("flags", "data") if key in record}
    about = {"patient": record.get("patient", case), "source": case, **kept}
    for number, name in enumerate(names):
        if (output / "instances" / f"{name}.json").exists():
            continue
        transformed = example
        if number:
            transform = draw_transform(visible, np.random.default_rng((*seed, number)))
            transformed = apply_transform(example, transform)
            about = {**about, "motion": asdict(transform)}
        write_example(output, split, name, aggregated(transformed) if recipe.aggregated else transformed, about)


def _write_generated(
    output: Path, cases: list[str], count: int, config: GeneratorConfig, seed: int, progress: Progress
) -> dict[str, int]:
    """Train the generator on the D1 cases of the first fold's training set, and write `count` samples."""
    from .generator_training import draw_samples, train_generator

    training_cases = sorted(set(draw_folds(output, seed)[VALIDATION_FOLD]["train"]) & set(cases))
    examples = [example_of(load_case(output, case)) for case in training_cases]
    training_images = [image_of(example, config.size) for example in examples if len(example.counts) == len(VIEW_NAMES)]
    images = (
        np.stack([training_image.image for training_image in training_images])
        if training_images
        else np.zeros((0, config.size, config.size, 4), np.float32)
    )
    generator = train_generator(images, output / "generator", config, progress, training_cases)
    side = next(iter(examples[0].counts.values())).shape[0]
    about = {"patient": GENERATED, "data": "drawn by a generator", "flags": []}
    lesions = 0
    for number, image in enumerate(draw_samples(generator, config, count)):
        # Copies are numbered from 1, so that 0 is a stream of its own.
        rng = np.random.default_rng((seed, number, 0))
        example = sampled_example(image, training_images[int(rng.integers(len(training_images)))].levels, side, rng)
        lesions += bool(example.lesions)
        write_example(output, "train", f"{GENERATED}_{number:05d}", example, about)
    return {"generated": count, "generated_with_lesions": lesions}
