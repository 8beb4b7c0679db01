"""`spectbonemetseg experiment`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError, format_error, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError

from ..common.extras import require

#: The paper's tables and figures that need trainings; fig10 shows pictures of the same trainings.
NAMES = ("table3", "fig7", "fig8", "table5", "fig9", "table6", "fig10")


class ExperimentCommand:
    """Run the paper's experiments on a simulated benchmark, or draw the page of the results."""

    help = "Run the experiments of Lin et al. 2022 on a simulated benchmark."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name",
            choices=(*NAMES, "all", "list", "page"),
            help="an experiment, all, the list of trainings, or the page",
        )
        parser.add_argument("--data", metavar="BENCHMARK", help="folder of `simulate --benchmark hospital-4`")
        parser.add_argument(
            "--output",
            required=True,
            metavar="DIR",
            help="folder of runs, results and page; interrupted trainings resume",
        )
        parser.add_argument(
            "--scale",
            choices=("small", "full"),
            default="small",
            help="size: for two cores, or for the paper's machine (small)",
        )
        parser.add_argument("--seeds", default="0", metavar="S,S", help="seeds of the trainings (0)")
        parser.add_argument(
            "--nnunet-python", metavar="PATH", help="interpreter that has nnunetv2, for nnU-Net in table6"
        )
        parser.add_argument(
            "--distance", metavar="FILE", help="with page: also update the table of findings in this Markdown document"
        )
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Run the missing trainings, then draw the page."""
        silence_libraries()
        if args.name != "list":
            require("experiment", "tensorflow", "matplotlib")
        output = Path(args.output)
        if args.name == "page":
            self._page(output, args, {})
            return 0
        if args.distance is not None:
            raise UsageError("--distance goes with `page`; leave it out.")
        from ..experiments.data_sets import check_benchmark, d1_patients
        from ..experiments.definitions import key_of
        from ..experiments.plan import ORDER, ExperimentPlan, trainings
        from ..experiments.runner import Workspace, prepare, result_file, run
        from ..experiments.scales import SCALES

        if args.data is None:
            raise UsageError("--data is needed: the folder of `simulate --benchmark hospital-4`.")
        python = Path(args.nnunet_python) if args.nnunet_python else None
        workspace = Workspace(Path(args.data), output, args.scale, python)
        check_benchmark(workspace.benchmark)
        plan = ExperimentPlan(SCALES[args.scale], d1_patients(workspace.benchmark))
        names = list(ORDER) if args.name in ("all", "list", "fig10") else [args.name]
        wanted = trainings(plan, names, _seeds(args.seeds))
        if args.name == "list":
            states = {key_of(one): result_file(output, key_of(one)).exists() for one in wanted}
            if args.json:
                print_json(states)
            else:
                print("\n".join(f"{'done' if done else 'to do':8}{key}" for key, done in states.items()))
            return 0
        if python is not None:
            from ..experiments.nnunet.client import check_interpreter

            check_interpreter(python)
        prepare(workspace)
        if args.name == "fig10":
            wanted = []
        outcomes: dict[str, str] = {}
        for number, training in enumerate(wanted, start=1):
            key = key_of(training)
            try:
                outcomes[key] = run(training, workspace)
            except UserError as error:
                # A failed training, such as a peer that does not start, must not prevent the others.
                outcomes[key] = f"failed: {format_error(error, args.flags)}"
            line = f"training {number} of {len(wanted)}, {key}: {outcomes[key]}"
            print(line, file=sys.stderr, flush=True)
        self._page(output, args, outcomes)
        return int(any(state.startswith("failed") for state in outcomes.values()))

    def _page(self, output: Path, args: argparse.Namespace, states: dict[str, str]) -> None:
        from ..experiments.page.distance import renew_document
        from ..experiments.page.html import write_page

        page = write_page(output)
        if args.distance is not None:
            renew_document(Path(args.distance), (page.parent / "distance.md").read_text(encoding="utf-8"))
        print(f"{page}: experiments on simulated patients", file=sys.stderr)
        if args.json:
            print_json({"page": str(page), "trainings": states})


def _seeds(text: str) -> list[int]:
    try:
        seeds = [int(number) for number in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--seeds {text} is not a list of whole numbers such as 0,1,2.") from error
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {text} must be different numbers from 0 up.")
    return seeds
