"""A data set in which every view is a case of its own, as the paper's 2,280 images are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..dataset.cases import Instance, cases_of, finish_dataset, load_case
from ..dataset.examples import Example, example_of, write_example
from ..dataset.files import claim_folder, read_json
from ..dataset.sources import inherited_sources


def write_separate_views(
    data: Path, output: Path, seed: int, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write every view of every training and unlabelled case as a one-view case; complete cases are kept.

    Both have the patient of their source, in the anterior frame, and are called "anterior": the network does not know
    which view it sees, as in the paper.

    Args:
        data: a data set.
        output: the folder to write.
        seed: seed of the folds; the seed of `data` reproduces its folds.
        progress: called after every case.

    Raises:
        UserError: not a data set, or `output` holds something else.
    """
    claim_folder(output, "apart.json", {"data": str(data.resolve()), "seed": seed}, "data set with its views apart")
    cases = [(split, case) for split in ("train", "unlabelled") for case in cases_of(data, split)]
    for number, (split, case) in enumerate(cases, start=1):
        _write_views(data, output, split, case)
        if progress:
            progress(number, len(cases))
    about = read_json(data / "dataset.json")
    finish_dataset(output, about["name"], seed, f"{about['description']} Views apart.", inherited_sources(about))


def _write_views(data: Path, output: Path, split: str, case: str) -> None:
    record = read_json(data / "instances" / f"{case}.json")
    names = {view: f"{case}_{view[:3]}" for view in record["views"]}
    if all((output / "instances" / f"{name}.json").exists() for name in names.values()):
        return
    kept = ("patient", "source", "flags", "data")
    about = {"patient": case, **{key: record[key] for key in kept if key in record}}
    example = example_of(load_case(data, case))
    for view, counts in example.counts.items():
        lesions = tuple(
            Instance(lesion.id, {"anterior": lesion.masks[view]}, {"anterior": lesion.labelled[view]}, lesion.about)
            for lesion in example.lesions
            if view in lesion.masks
        )
        write_example(output, split, names[view], Example({"anterior": counts}, lesions), about)
