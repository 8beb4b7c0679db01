"""`spectbonemetseg augment`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError

from ..common.extras import require
from ..common.progress import counter

if TYPE_CHECKING:
    from ..paper_sets.dcgan import GeneratorConfig


class AugmentCommand:
    """Make one of the paper's data sets from a data set of scans."""

    help = "Make one of the paper's data sets (D1, D2, D2_Agg, D3, D4) from labelled scans."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder with the scans")
        parser.add_argument(
            "--output", required=True, metavar="DIR", help="folder to write; an interrupted run resumes"
        )
        parser.add_argument(
            "--recipe",
            required=True,
            metavar="NAME",
            help="D1, D2 (geometric copies), D2_Agg (sum of the views), D3 (DCGAN samples), D4 (copies and samples)",
        )
        parser.add_argument(
            "--labelled-cases",
            metavar="FILE",
            help='JSON file with the cases of D1 under "labelled", such as a benchmark\'s train/d1.json '
            "(all labelled cases that show a lesion)",
        )
        parser.add_argument(
            "--labels",
            type=int,
            metavar="N",
            help="number of patients who keep their labels, the paper's subset 2# (all)",
        )
        parser.add_argument(
            "--hold-out",
            action="store_true",
            help="use 30 %% of the patients of each subset for the test, as in the paper",
        )
        parser.add_argument(
            "--factor", type=float, metavar="X", help="pairs in D2 for each of D1's (20.36: the paper's 2,280 of 112)"
        )
        group = parser.add_argument_group("the generator of D3 and D4 (DCGAN, 3 discriminator steps per step)")
        group.add_argument("--generator-steps", type=int, metavar="N", help="steps of the generator (3000)")
        group.add_argument("--generator-size", type=int, metavar="PIXELS", help="16, 32, 64 or 128 (64)")
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed (0)")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Write the data set."""
        silence_libraries()
        from ..dataset.budgets import read_labelled_cases
        from ..paper_sets.recipes import PAPER_FACTOR, RECIPES, RecipeRequest, make_recipe

        if args.recipe not in RECIPES:
            raise UsageError(f"There is no recipe {args.recipe}; there are {', '.join(RECIPES)}.")
        if args.recipe in ("D3", "D4"):
            require("The generator of samples", "tensorflow", "matplotlib")
        if args.seed < 0 or (args.factor is not None and not 1 <= args.factor <= 1000):
            raise UsageError("--seed starts at 0, --factor lies between 1 and 1000.")
        request = RecipeRequest(
            args.recipe,
            args.seed,
            read_labelled_cases(Path(args.labelled_cases)) if args.labelled_cases else None,
            args.labels,
            args.hold_out,
            PAPER_FACTOR if args.factor is None else args.factor,
            _generator(args, used=RECIPES[args.recipe].generated),
        )
        made = make_recipe(Path(args.data), Path(args.output), request, counter)
        counts = ", ".join(f"{made[split]} {split}" for split in ("train", "test", "unlabelled"))
        samples = ""
        if "generated" in made:
            samples = (
                f"; {made['generated']} of them generated, {made['generated_with_lesions']} of these with a lesion"
            )
        print(f"{args.output}: {args.recipe}, cases: {counts}{samples}", file=sys.stderr)
        if args.json:
            print_json({"output": args.output, "recipe": args.recipe, "seed": args.seed, **made})
        return 0


def _generator(args: argparse.Namespace, *, used: bool) -> GeneratorConfig | None:
    """Return the configuration of the generator; None for a recipe without one."""
    from ..paper_sets.dcgan import GeneratorConfig

    asked = {"steps": args.generator_steps, "size": args.generator_size}
    given = {name: value for name, value in asked.items() if value is not None}
    if given and not used:
        raise UsageError(f"{args.recipe} has no generator; leave out --generator-{next(iter(given))}.")
    if not used:
        return None
    config = GeneratorConfig(seed=args.seed, **given)
    try:
        config.check()
    except UserError as error:
        raise UsageError.of(error) from error
    return config
