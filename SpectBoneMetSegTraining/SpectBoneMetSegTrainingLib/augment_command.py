"""`spectbonemetseg augment`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SpectBoneMetSegLib.cli import UsageError, print_json

from .progress import counter


class AugmentCommand:
    """Make one of the paper's data sets from a data set of scans."""

    help = "Make one of the paper's data sets (D1, D2, D2_Agg) from labelled scans."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder with the scans")
        parser.add_argument("--output", required=True, metavar="DIR", help="folder to write; a broken-off run goes on")
        parser.add_argument("--recipe", required=True, metavar="NAME", help="D1, D2 or D2_Agg")
        parser.add_argument(
            "--labelled-cases",
            metavar="FILE",
            help='D1 is what this JSON file names under "labelled", such as a benchmark\'s train/d1.json '
            "(all labelled cases that show a lesion)",
        )
        parser.add_argument(
            "--labels",
            type=int,
            metavar="N",
            help="only so many patients keep their labels, the paper's subset 2# (all)",
        )
        parser.add_argument(
            "--hold-out",
            action="store_true",
            help="30 %% of the patients of each subset are test cases, as in the paper",
        )
        parser.add_argument(
            "--factor", type=float, metavar="X", help="pairs in D2 for each of D1's (20.36: the paper's 2,280 of 112)"
        )
        parser.add_argument("--seed", type=int, default=0, metavar="S", help="of every draw (0)")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Write the data set."""
        from .recipes import PAPER_FACTOR, RECIPES, RecipeRequest, make_recipe
        from .subsets import read_labelled_cases

        if args.recipe not in RECIPES:
            raise UsageError(f"There is no recipe {args.recipe}; there are {', '.join(RECIPES)}.")
        if args.seed < 0 or (args.factor is not None and not 1 <= args.factor <= 1000):
            raise UsageError("--seed starts at 0, --factor lies between 1 and 1000.")
        request = RecipeRequest(
            args.recipe,
            args.seed,
            read_labelled_cases(Path(args.labelled_cases)) if args.labelled_cases else None,
            args.labels,
            args.hold_out,
            PAPER_FACTOR if args.factor is None else args.factor,
        )
        made = make_recipe(Path(args.data), Path(args.output), request, counter)
        counts = ", ".join(f"{count} {split}" for split, count in made.items())
        print(f"{args.output}: {args.recipe}, {counts} cases", file=sys.stderr)
        if args.json:
            print_json({"output": args.output, "recipe": args.recipe, "seed": args.seed, **made})
        return 0
