"""Named, versioned benchmarks of simulated patients: `spectbonemetseg simulate --benchmark NAME`.

DIR/benchmark.json   name, simulator version, seed, sizes, state, SHA-256 of every part
DIR/train            all labelled; d1.json lists the labelled set D1, all other patients are the unlabelled pool
DIR/development      held-out body shapes, with background images for the oracle: for tuning and experiments
DIR/sealed           other patients with held-out shapes and sealed ground truth (see `sealed`)
DIR/datasheet.md     distributions of train and development, with plots
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import sha256_of
from SpectBoneMetSegLib.loading.options import Region

from ...common.parallel import Workers, parallel_map
from ...common.progress import Progress
from ...dataset.cases import LESION, cases_of, finish_dataset, load_case
from ...dataset.files import clear_leftovers, read_json, write_json
from ...dataset.sealed import LOG_FILE, is_sealed, seal
from .population import (
    READER_STREAM,
    SIMULATOR_VERSION,
    Population,
    case_name,
    reader_agreement,
    simulate_population,
    write_simulated,
)

#: Folders of the parts.
PARTS = ("train", "development", "sealed")
#: Largest number of candidates for the sealed test, as a multiple of its patients.
MAX_CANDIDATES_FACTOR = 10
#: Candidates that a cluster simulates at a time.
CLUSTER_BATCH = 128

#: Region of the images: the whole body, which includes the thorax.
REGION: Region = "whole-body"


@dataclass(frozen=True)
class Benchmark:
    """Sizes of a benchmark.

    Attributes:
        seed: of the training part; the development test has seed + 1, the sealed test seed + 2.
        patients: number of patients of the training part.
        pairs: number of these patients in D1, each with two lesion images.
        development: number of patients of the development test.
        positives: number of patients of the sealed test with a labelled lesion in the thorax.
        negatives: number of patients of the sealed test with mimics but without metastases.
        site: hospital of all scans, one of scan.hospital_sites.SITES.
    """

    seed: int
    patients: int
    pairs: int
    development: int
    positives: int
    negatives: int
    site: str = "a"


#: "hospital-4" has the paper's 362 patients and 112 lesion images, as 56 pairs. "hospital-4-site-b" is another hospital
#: to adapt to, with other cameras, readers and uptake.
BENCHMARKS = {
    "hospital-4": Benchmark(4000, 362, 56, 100, 300, 150),
    "hospital-4-small": Benchmark(4100, 12, 3, 8, 4, 2),
    "hospital-4-site-b": Benchmark(4200, 120, 20, 60, 120, 60, "b"),
}


def make_benchmark(
    folder: Path, name: str, workers: Workers = 1, progress: Callable[[str], Progress] | None = None
) -> dict[str, Any]:
    """Make a benchmark, or resume an interrupted one; a complete benchmark is not changed.

    Args:
        folder: of the benchmark.
        name: one of BENCHMARKS.
        workers: processes or cluster.
        progress: returns the progress callback of a part.

    Returns:
        The content of benchmark.json.

    Raises:
        UserError: the folder holds something else or cannot be written, or the sealed test cannot be filled.
    """
    sizes = BENCHMARKS[name]
    request = {
        "name": name,
        "data": "simulated",
        "simulator_version": SIMULATOR_VERSION,
        "seed": sizes.seed,
        "site": sizes.site,
        "sizes": {key: value for key, value in asdict(sizes).items() if key not in ("seed", "site")},
    }
    about = folder / "benchmark.json"
    if _prepared(folder, about, request):
        return dict(read_json(about))
    part_progress = progress or (lambda _part: lambda _done, _total: None)
    try:
        population = Population(sizes.patients, sizes.seed, test_share=0.0, site=sizes.site, region=REGION)
        simulate_population(folder / "train", population, workers, part_progress("train: patient"))
        write_json(folder / "train" / "d1.json", choose_d1(folder / "train", sizes.pairs, sizes.seed))
        population = Population(
            sizes.development, sizes.seed + 1, test_share=1.0, background=True, site=sizes.site, region=REGION
        )
        simulate_population(folder / "development", population, workers, part_progress("development: patient"))
        make_sealed(folder / "sealed", sizes, workers, part_progress("sealed: patient"))
        from .data_sheet import write_data_sheet

        write_data_sheet(folder, request)
        done = {**request, "state": "complete", "sha256": {part: tree_digest(folder / part) for part in PARTS}}
        write_json(about, done)
    except OSError as error:
        why = reason_of(error)
        raise UserError(f"{folder} cannot be written ({why}); free space and run the same command again.") from error
    return done


def choose_d1(data: Path, pairs: int, seed: int) -> dict[str, Any]:
    """Draw the labelled set D1: `pairs` of the patients with labelled lesions in both views of the thorax.

    Args:
        data: data set of the training part.
        pairs: number of patients.
        seed: of the draw.

    Returns:
        The content of d1.json.

    Raises:
        UserError: there are not enough such patients.
    """
    cases = cases_of(data, "train")
    fit = []
    for case in cases:
        crop = load_case(data, case)
        if not crop.flags and len(crop.labels) == 2 and all((label == LESION).any() for label in crop.labels.values()):
            fit.append(case)
    if len(fit) < pairs:
        raise UserError(
            f"{data} holds {len(fit)} patients with labelled lesions in both views, not the {pairs} of its benchmark."
        )
    chosen = {fit[i] for i in np.random.default_rng(seed).permutation(len(fit))[:pairs]}
    return {
        "about": "both images of each labelled case are D1's lesion images; the others' labels are not used",
        "seed": seed,
        "images": 2 * pairs,
        "labelled": sorted(chosen),
        "unlabelled": [case for case in cases if case not in chosen],
    }


def make_sealed(folder: Path, sizes: Benchmark, workers: Workers = 1, progress: Progress | None = None) -> None:
    """Simulate patients in the order of their index until both quotas are filled, and seal them.

    Flagged patients, who are scored separately, are kept but count for no quota.

    Args:
        folder: of the sealed part.
        sizes: seed and quotas.
        workers: processes or cluster.
        progress: progress callback.

    Raises:
        UserError: too few simulated patients fill a quota.
    """
    made, drawn = folder / ".made", folder / ".drawn"
    if not is_sealed(folder):
        _draw(made, drawn, sizes, workers, progress)
        kinds = _kinds(drawn)
        kept = accepted_indices(kinds, sizes)
        assert kept is not None
        for index in set(kinds) - set(kept):
            _remove(made, _name(sizes, index))
        clear_leftovers(made)
        if (made / "readers").is_dir():
            write_json(made / "agreement.json", reader_agreement(made))
        finish_dataset(
            made,
            "SealedSimulatedBoneScans",
            sizes.seed + 2,
            f"Sealed test of simulated planar whole-body bone scans (simulator {SIMULATOR_VERSION}). No patient data.",
        )
        seal(made, folder)
    for leftover in (made, drawn):
        shutil.rmtree(leftover, ignore_errors=True)


def accepted_indices(kinds: dict[int, str], sizes: Benchmark) -> list[int] | None:
    """Return the indices of the sealed test's patients; None while a quota is not filled.

    Args:
        kinds: {index: "positive", "negative", "flagged" or "other"}.
        sizes: the quotas.
    """
    remaining = {"positive": sizes.positives, "negative": sizes.negatives}
    kept: list[int] = []
    for index in range(len(kinds)):
        kind = kinds.get(index)
        if kind is None:
            return None
        if kind == "flagged":
            kept.append(index)
        elif remaining.get(kind, 0) > 0:
            remaining[kind] -= 1
            kept.append(index)
        if not any(remaining.values()):
            return kept
    return None


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 of names and contents of all files in a folder, except the log of openings, which grows."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != LOG_FILE:
            digest.update(f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n".encode())
    return digest.hexdigest()


def _prepared(folder: Path, about: Path, request: dict[str, Any]) -> bool:
    """Claim the folder; returns whether it holds the complete benchmark."""
    if about.exists():
        found = read_json(about)
        if {key: found.get(key) for key in request} != request:
            raise UserError(
                f"{folder} holds another benchmark or version of it; choose another output folder.", "output"
            )
        return bool(found["state"] == "complete")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not a benchmark; choose another output folder.", "output")
    try:
        write_json(about, {**request, "state": "unfinished"})
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({reason_of(error)}); choose another output folder.", "output"
        ) from error
    return False


def _draw(made: Path, drawn: Path, sizes: Benchmark, workers: Workers, progress: Progress | None) -> None:
    """Simulate candidates until enough are accepted; their kinds are stored in `drawn`, so that the run can resume."""
    total = sizes.positives + sizes.negatives
    # The accepted patients do not depend on the size of the batches.
    batch = 4 * workers if isinstance(workers, int) else CLUSTER_BATCH
    kinds = _kinds(drawn)
    while accepted_indices(kinds, sizes) is None:
        waiting = [index for index in range(len(kinds) + batch) if index not in kinds][:batch]
        if max(waiting) > MAX_CANDIDATES_FACTOR * total + batch:
            raise UserError("Too few simulated patients of one kind were found for the sealed test.")
        for _ in parallel_map(partial(_candidate, made, drawn, sizes), waiting, workers):
            pass
        kinds = _kinds(drawn)
        if progress:
            found = list(kinds.values())
            full = min(found.count("positive"), sizes.positives) + min(found.count("negative"), sizes.negatives)
            progress(full, total)


def _candidate(made: Path, drawn: Path, sizes: Benchmark, index: int) -> None:
    """Simulate one candidate and store its kind; the files of an unusable candidate are deleted."""
    from ..scan.simulate import simulate_case

    name, seed = _name(sizes, index), (sizes.seed + 2, index)
    simulated = simulate_case(name, seed, held_out=True, site=sizes.site)
    write_simulated(made, "test", simulated, {"patient": name, "scan": 0}, (*seed, READER_STREAM, 0), region=REGION)
    if simulated.flags:
        kind = "flagged"
    elif simulated.lesions:
        labels = load_case(made, name).labels.values()
        kind = "positive" if any((label == LESION).any() for label in labels) else "other"
    else:
        kind = "negative" if simulated.mimics else "other"
    if kind == "other":
        _remove(made, name)
    write_json(drawn / f"{index:05d}.json", kind)


def _kinds(drawn: Path) -> dict[int, str]:
    return {int(path.stem): read_json(path) for path in sorted(drawn.glob("[0-9]*.json"))}


def _name(sizes: Benchmark, index: int) -> str:
    return case_name(Population(0, sizes.seed + 2), index)


def _remove(made: Path, name: str) -> None:
    """Delete every file of one case."""
    for path in [*made.glob(f"*/{name}*")]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            os.unlink(path)
