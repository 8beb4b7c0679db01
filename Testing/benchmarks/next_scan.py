"""Active learning: labels needed with scans chosen by `rank` compared with random choices, on simulated patients.

    python Testing/benchmarks/next_scan.py --data DATA --output docs/next-scan

In each round a small network is trained and evaluated on held-out patients; then more patients are labelled and the
training is continued. They are chosen by `active_learning.greedy_order` ("rank"), at random ("random"), or at random
among patients who have labelled lesions, as their reports would say ("foreground": foreground-aware random, the
baseline of nnActive, arXiv:2511.19183, for whole scans). All strategies start with the same patients and the same
network. Writes curves.csv, with a row per evaluation, and curves.png, and prints a summary; an interrupted run
continues with the next seed. `--ways` selects a part of the strategies.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import ModelFolder, load_network, save_model
from SpectBoneMetSegTrainingLib.dataset.budgets import patients_of
from SpectBoneMetSegTrainingLib.dataset.cases import LabelledCrop, cases_of, load_case
from SpectBoneMetSegTrainingLib.dataset.files import claim_folder
from SpectBoneMetSegTrainingLib.evaluation.predictions import inputs_of
from SpectBoneMetSegTrainingLib.training.active_learning import UncertaintyEstimator, greedy_order, standardised
from SpectBoneMetSegTrainingLib.training.sampling.patches import target_channels
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig
from SpectBoneMetSegTrainingLib.training.trainer import train
from SpectBoneMetSegTrainingLib.training.validation import single_image_predictor

Array = NDArray[np.float64]

COLUMNS = ("seed", "way", "round", "patients", "lesions", "dsc", "threshold")
WAYS = {"random": "at random", "foreground": "at random, with lesions", "rank": "by rank"}
COLOURS = {"random": "0.45", "foreground": "tab:blue", "rank": "tab:red"}
#: Options that change the results: all rows of a table need the same values.
SETTINGS = ("ways", "rounds", "first", "more", "held_out", "steps", "more_steps")
THRESHOLDS = np.arange(0.3, 0.96, 0.05)


def main() -> None:
    """Run the experiment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set of labelled simulated patients")
    parser.add_argument("--output", type=Path, required=True, help="folder for curves.csv and curves.png")
    parser.add_argument("--seeds", type=int, default=6, help="number of repetitions with other seeds (6)")
    parser.add_argument("--rounds", type=int, default=4, help="number of rounds, the first included (4)")
    parser.add_argument("--first", type=int, default=6, help="labelled patients of the first round (6)")
    parser.add_argument("--more", type=int, default=6, help="patients labelled in every further round (6)")
    parser.add_argument("--held-out", type=int, default=40, help="patients of the evaluation (40)")
    parser.add_argument("--steps", type=int, default=400, help="gradient steps of the first round (400)")
    parser.add_argument("--more-steps", type=int, default=150, help="gradient steps of every further round (150)")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), help="strategies (all)")
    args = parser.parse_args()
    try:
        claim_folder(
            args.output, "settings.json", {name: getattr(args, name) for name in SETTINGS}, "ranking experiment"
        )
    except UserError as error:
        parser.error(str(error))
    table = args.output / "curves.csv"
    complete = complete_seeds(table, len(args.ways) * args.rounds)
    for seed in range(args.seeds):
        if seed not in complete:
            run_seed(args, seed, table)
    draw(table, args.output / "curves.png")
    print(summary(table))


def run_seed(args: argparse.Namespace, seed: int, table: Path) -> None:
    """Run all strategies from the same first round."""
    pool = Pool(args.data, args.held_out)
    names = pool.names
    start = [names[i] for i in np.random.default_rng(seed).permutation(len(names))[: args.first]]
    with tempfile.TemporaryDirectory(prefix="next-scan-") as temporary:
        first = fit(args.data, pool.cases(start), seed, args.steps, None, Path(temporary) / "first")
        for way in args.ways:
            labelled, model = list(start), first
            rng = np.random.default_rng((seed, 1))
            for number in range(args.rounds):
                if number:
                    rest = [name for name in names if name not in labelled]
                    if way == "rank":
                        order = pool.ranked(rest, labelled, model)
                    else:
                        order = [rest[i] for i in rng.permutation(len(rest))]
                    if way == "foreground":
                        # A stable sort: patients without a lesion come last, both groups at random.
                        foreground = pool.with_lesions(rest)
                        order.sort(key=lambda name: name not in foreground)
                    labelled += order[: args.more]
                    folder = Path(temporary) / f"{way}{number}"
                    model = fit(args.data, pool.cases(labelled), seed, args.more_steps, model, folder)
                dsc, threshold = best_dice([pool.load(case) for case in pool.test], model)
                lesions = sum(len(pool.load(case).lesions) for case in pool.cases(labelled))
                row = (seed, way, number, len(labelled), lesions, round(dsc, 4), round(threshold, 2))
                write_row(table, row)
                print(*row, file=sys.stderr, flush=True)


class Pool:
    """Patients to label and held-out patients, without those with cold lesions."""

    def __init__(self, data: Path, held_out: int) -> None:
        patients = patients_of(data)
        self.load = cache(lambda case: load_case(data, case))
        self._cases: dict[str, list[str]] = {}
        for case in cases_of(data, "train"):
            if not self.load(case).flags:
                self._cases.setdefault(patients[case], []).append(case)
        names = sorted(self._cases)
        # All seeds have the same held-out patients; the seed draws the first labelled ones.
        order_of_names = np.random.default_rng(2022).permutation(len(names))
        self.names = [names[i] for i in order_of_names[held_out:]]
        self.test = self.cases([names[i] for i in order_of_names[:held_out]])

    def cases(self, names: Sequence[str]) -> list[str]:
        """Return the scans of these patients."""
        return [case for name in names for case in self._cases[name]]

    def with_lesions(self, names: Sequence[str]) -> set[str]:
        """Return the patients with a labelled lesion in any of their scans."""
        return {name for name in names if any(self.load(case).lesions for case in self._cases[name])}

    def ranked(self, rest: Sequence[str], labelled: Sequence[str], model: ModelFolder) -> list[str]:
        """Rank patients by the first of their scans in the order of active learning."""
        estimate = UncertaintyEstimator(load_network(model), model.card.network)
        cases = [(name, case) for name in rest for case in self._cases[name]]
        estimates = [estimate(self.load(case)) for case in [*(case for _, case in cases), *self.cases(labelled)]]
        features = standardised(np.stack([values for _, values in estimates]))
        uncertainty = np.array([value for value, _ in estimates[: len(cases)]])
        order = greedy_order(uncertainty, features[: len(cases)], features[len(cases) :])
        return list(dict.fromkeys(cases[index][0] for index, _ in order))


def fit(
    data: Path, cases: Sequence[str], seed: int, steps: int, start: ModelFolder | None, folder: Path
) -> ModelFolder:
    """Train a small network on these cases; a fifth of the patients is the validation set, as in all trainings."""
    import keras

    keras.backend.clear_session()
    config = TrainingConfig(
        steps=steps,
        patch=64,
        learning_rate=4e-3 if start is None else 2e-3,
        seed=seed,
        network=NetworkConfig(channels=(8, 12, 16), recurrent_steps=1, stem_channels=6),
        validate_every=0,
        labelled_cases=tuple(sorted(cases)),
        start=None if start is None else str(start.path),
    )
    network = train(data, folder.with_name(folder.name + "-run"), config)
    return save_model(network, config.network, {}, folder)


def best_dice(crops: Sequence[LabelledCrop], model: ModelFolder) -> tuple[float, float]:
    """Return (pooled DSC, threshold) at the best threshold for these cases, which favours all strategies equally."""
    predict = predictor(model)
    sums = np.zeros((3, len(THRESHOLDS)))
    for crop in crops:
        label, weight = target_channels(crop, model.card.network.outputs)
        probability = predict(crop)
        for i, threshold in enumerate(THRESHOLDS):
            mark = (probability >= threshold) * weight
            sums[:, i] += (mark * label).sum(), mark.sum(), (label * weight).sum()
    dice = 2 * sums[0] / (sums[1] + sums[2])
    best = int(np.argmax(dice))
    return float(dice[best]), float(THRESHOLDS[best])


def predictor(model: ModelFolder) -> Callable[[LabelledCrop], NDArray[np.float32]]:
    """Return a function that gives the (rows, columns, outputs) probability map of a scan."""
    config = model.card.network
    predict = single_image_predictor(load_network(model), config)
    return lambda crop: predict(inputs_of(crop, config))


def complete_seeds(table: Path, rows_each: int) -> set[int]:
    """Return the seeds with all their rows, and remove the rows of other seeds."""
    if not table.exists():
        return set()
    rows = read_rows(table)
    seeds = [int(row["seed"]) for row in rows]
    complete = {seed for seed in seeds if seeds.count(seed) == rows_each}
    table.unlink()
    for row in rows:
        if int(row["seed"]) in complete:
            write_row(table, [row[name] for name in COLUMNS])
    return complete


def write_row(table: Path, row: Sequence[object]) -> None:
    """Add a row."""
    new = not table.exists()
    with table.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


def summary(table: Path) -> str:
    """Return the means over the seeds: DSC and labelled lesions of all strategies, and patients for a mean DSC."""
    rows = read_rows(table)
    seeds = sorted({row["seed"] for row in rows})
    counts = sorted({int(row["patients"]) for row in rows})
    present = [way for way in WAYS if any(row["way"] == way for row in rows)]
    value = {(row["seed"], row["way"], int(row["patients"])): row for row in rows}
    dsc = {way: np.array([[float(value[s, way, n]["dsc"]) for n in counts] for s in seeds]) for way in present}
    lesions = {
        way: np.mean([[float(value[s, way, n]["lesions"]) for n in counts] for s in seeds], axis=0) for way in present
    }
    lines = [
        f"Simulated patients, {len(seeds)} seeds; mean pooled DSC on the held-out patients (mean lesions labelled)."
    ]
    for i, count in enumerate(counts):
        ways = ", ".join(f"{way} {dsc[way][:, i].mean():.3f} ({lesions[way][i]:.0f})" for way in present)
        others = [way for way in present if way != "rank"] if "rank" in present else []
        gains = ", ".join(gain(dsc["rank"][:, i] - dsc[way][:, i], way) for way in others)
        lines.append(f"{count} patients: {ways}{gains and ', '}{gains}")
    means = {way: dsc[way].mean(axis=0) for way in present}
    for goal in np.arange(0.05, min(curve.max() for curve in means.values()), 0.05):
        if goal > min(curve[0] for curve in means.values()):
            ways = ", ".join(f"{way} {needed(counts, means[way], float(goal)):.0f}" for way in present)
            lines.append(f"Patients for a mean DSC of {goal:.2f} (interpolated): {ways}")
            ways = ", ".join(f"{way} {needed(lesions[way], means[way], float(goal)):.0f}" for way in present)
            lines.append(f"Lesions outlined for a mean DSC of {goal:.2f} (interpolated): {ways}")
    return "\n".join(lines)


def gain(differences: Array, other: str) -> str:
    """Describe the gain of "rank" over another strategy, from the differences of the seeds."""
    error = differences.std(ddof=1) / np.sqrt(len(differences)) if len(differences) > 1 else float("nan")
    return (
        f"rank minus {other}: difference {differences.mean():+.3f}, standard error {error:.3f}, rank better in "
        f"{int((differences > 0).sum())} of {len(differences)} seeds"
    )


def needed(counts: Sequence[int] | Array, curve: Array, goal: float) -> float:
    """Return the number of patients or lesions at which a curve first reaches a goal, by linear interpolation."""
    index = int(np.argmax(curve >= goal))
    return float(np.interp(goal, curve[[index - 1, index]], np.array(counts)[[index - 1, index]]))


def read_rows(table: Path) -> list[dict[str, str]]:
    """Read the rows of the table."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def draw(table: Path, picture: Path) -> None:
    """Plot each seed as a thin line and the mean of each strategy as a thick one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = read_rows(table)
    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for way, colour in COLOURS.items():
        ours = [row for row in rows if row["way"] == way]
        if not ours:
            continue
        for seed in sorted({row["seed"] for row in ours}):
            points = [(int(row["patients"]), float(row["dsc"])) for row in ours if row["seed"] == seed]
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.7, alpha=0.5)
        counts = sorted({int(row["patients"]) for row in ours})
        means = [np.mean([float(row["dsc"]) for row in ours if int(row["patients"]) == count]) for count in counts]
        axes.plot(counts, means, color=colour, linewidth=2.2, marker="o", label=f"chosen {WAYS[way]}, mean")
    axes.set_xticks(sorted({int(row["patients"]) for row in rows}))
    axes.set_xlabel("labelled patients (simulated)")
    axes.set_ylabel("pooled DSC on held-out patients")
    axes.set_title("A small network, trained on in every round; thin lines: seeds", fontsize=10)
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    part = picture.with_suffix(".part.png")
    figure.savefig(part, dpi=130)
    part.replace(picture)


if __name__ == "__main__":
    main()
