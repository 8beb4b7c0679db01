"""`spectbonemetseg rank`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.safe_text import one_line

from ..common.progress import counter


class RankCommand:
    """Rank the unlabelled scans of a data set by uncertainty and novelty (active learning)."""

    help = "Rank unlabelled scans by how uncertain the model is and how unlike the labelled ones they are."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--data", required=True, metavar="DIR", help="data set folder")
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="a model's name or folder (the default model for reading)"
        )
        parser.add_argument("--first", type=int, default=20, metavar="N", help="number of scans to show (20)")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Print the ranking with reasons."""
        if args.first < 1:
            raise UsageError("--first starts at 1.")
        from SpectBoneMetSegLib.model.backend import choose_backend

        choose_backend()
        silence_libraries()
        from SpectBoneMetSegLib.model.store import find_model

        from ..training.active_learning import rank_scans

        try:
            model = find_model(args.model)
        except UserError as error:
            raise UsageError.of(error) from error
        ranked = rank_scans(model, Path(args.data), progress=counter("scan"))
        if not ranked:
            raise UserError(f"{args.data} holds no unlabelled scan; add some first.")
        if args.json:
            print_json([asdict(scan) for scan in ranked[: args.first]])
            return 0
        for number, scan in enumerate(ranked[: args.first], start=1):
            print(f"{number}\t{one_line(scan.case)}\t{one_line(scan.reason)}")
        return 0
