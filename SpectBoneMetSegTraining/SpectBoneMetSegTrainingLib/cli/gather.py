"""`spectbonemetseg gather`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SpectBoneMetSegLib.cli.common import UsageError, print_json

from ..common.progress import counter

if TYPE_CHECKING:
    from ..gathering.gather import Gathered

__all__ = ["GatherCommand", "add_folder_options", "gather_folders", "gather_for_run", "summary_of"]


class GatherCommand:
    """Gather the user's own scans and labels into a data set."""

    help = "Gather labelled and unlabelled scans into a data set for training."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        add_folder_options(parser)
        parser.add_argument(
            "--output",
            required=True,
            metavar="DATA",
            help="data set folder, new or existing; the report goes into DATA-private next to it, not to be shared",
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=0,
            metavar="S",
            help="seed of the choice among readers who agree, and of the folds (0)",
        )
        parser.add_argument(
            "--test-share",
            type=float,
            metavar="F",
            help="keep this share of the labelled patients for `evaluate`, never for training; patients already in the "
            "data set keep their split (0, or the share of the first time)",
        )
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Find and gather the scans, and report on each; return 1 if some could not be used."""
        if args.test_share is not None and not 0 <= args.test_share < 1:
            raise UsageError(
                "--test-share must be at least 0 and below 1, such as 0.2 to keep every fifth patient for the test."
            )
        gathered = gather_folders(args.labelled, args.unlabelled, Path(args.output), args.seed, args.test_share)
        if args.json:
            print_json(summary_of(gathered))
        return 1 if any(row.failed for row in gathered.rows) else 0


def add_folder_options(parser: argparse._ActionsContainer) -> None:
    """Declare --labelled and --unlabelled."""
    parser.add_argument(
        "--labelled",
        action="append",
        metavar="DIR",
        help="folder of scans with label files next to them (.seg.nrrd, NRRD, NIfTI, LabelMe JSON, DICOM SEG), or of "
        "corrected results of `segment`; repeatable",
    )
    parser.add_argument(
        "--unlabelled", action="append", metavar="DIR", help="folder of scans, DICOM or images; repeatable"
    )


def gather_folders(
    labelled: Sequence[str] | None,
    unlabelled: Sequence[str] | None,
    data: Path,
    seed: int,
    test_share: float | None = None,
    *,
    temporary: bool = False,
) -> Gathered:
    """Find and gather scans, with progress and a summary on stderr.

    Args:
        labelled: folders of scans with labels.
        unlabelled: folders of scans without.
        data: folder of the data set.
        seed: see `gathering.gather.gather`.
        test_share: see `gathering.gather.gather`.
        temporary: whether the data set is removed after use: the summary then names none of its files.

    Raises:
        UsageError: no folder was given, or one does not exist.
        UserError: see `gathering.gather.gather`.
    """
    from ..gathering.discovery.studies import find
    from ..gathering.gather import gather
    from ..gathering.report import describe

    _check_folders([*(labelled or ()), *(unlabelled or ())], seed)
    found = find(map(Path, labelled or ()), map(Path, unlabelled or ()))
    gathered = gather(data, found, seed=seed, test_share=test_share, progress=counter("scan"))
    if temporary:
        print(describe(gathered.rows, tables=False), end="", file=sys.stderr)
    else:
        print(f"{data}:\n{gathered.text}report: {gathered.private}", file=sys.stderr)
    return gathered


def gather_for_run(args: argparse.Namespace, run: Path, output: Path, *, started: bool) -> None:
    """Gather --labelled and --unlabelled into RUN/data, unless the run has started before.

    Args:
        args: with `labelled`, `unlabelled` and `seed`.
        run: folder of the run.
        output: model folder that the run writes.
        started: whether the run was started before.

    Raises:
        UsageError: see `gather_folders`.
        UserError: see `gathering.run_folders.gather_once`.
    """
    from ..gathering.run_folders import gather_once

    labelled, unlabelled = args.labelled or [], args.unlabelled or []
    _check_folders([*labelled, *unlabelled], args.seed)
    text = gather_once(
        run,
        output,
        [Path(name) for name in labelled],
        [Path(name) for name in unlabelled],
        started=started,
        gather=lambda: gather_folders(labelled, unlabelled, run / "data", args.seed),
    )
    if text:
        print(text, file=sys.stderr)


def _check_folders(names: Sequence[str], seed: int) -> None:
    """Refuse folders that do not exist, or none at all."""
    if not names:
        raise UsageError("Give folders of scans with --labelled, --unlabelled or both.")
    missing = [name for name in names if not Path(name).is_dir()]
    if missing:
        raise UsageError(f"{missing[0]} is not a folder; give a folder that holds scans.")
    if seed < 0:
        raise UsageError("--seed starts at 0.")


def summary_of(gathered: Gathered) -> dict[str, Any]:
    """Summarise what was gathered, in JSON values."""
    from dataclasses import asdict

    return {
        "data": str(gathered.data),
        "private": str(gathered.private),
        "scans": [asdict(row) for row in gathered.rows],
        "agreement": [
            {"case": row.case, "picture": row.picture, **asdict(row.comparison)} for row in gathered.agreement
        ],
    }
