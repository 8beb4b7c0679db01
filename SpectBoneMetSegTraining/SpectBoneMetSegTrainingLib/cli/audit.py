"""`spectbonemetseg audit`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.cli.common import UsageError, print_json, silence_libraries
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import ensure_writable

from ..common.progress import counter
from .gather import gather_folders


class AuditCommand:
    """Evaluate the installed model on the user's own outlines, and recommend whether to adapt it."""

    help = "Evaluate a model on your own outlined scans, by bone and size, and recommend whether to adapt it."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--labelled",
            action="append",
            metavar="DIR",
            help="folder of outlined scans, as for `gather`; repeatable",
        )
        parser.add_argument("--data", metavar="DATA", help="instead of folders: a data set, all its labelled patients")
        parser.add_argument(
            "--model", metavar="NAME|PATH", help="a model's name or folder (the default model for reading)"
        )
        parser.add_argument("--output", required=True, metavar="PAGE", help="HTML page to write")
        parser.add_argument("--device", choices=("auto", "gpu", "cpu"), default="auto")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Read every outlined scan once and write the page."""
        silence_libraries()
        if (args.labelled is None) == (args.data is None):
            raise UsageError("Give folders of outlined scans with --labelled, or a data set with --data.")
        page = Path(args.output)
        if page.suffix.lower() != ".html":
            raise UsageError(f"--output {page} is an HTML page: choose a name that ends in .html.")
        ensure_writable(page.parent, "choose another --output")
        with tempfile.TemporaryDirectory(prefix="SpectBoneMetSeg-") as folder:
            data = Path(folder) / "data" if args.data is None else Path(args.data)
            files = {} if args.labelled is None else _gather(args.labelled, data)
            result = _audit(data, args, files)
        from ..training.adapting.audit_page import write_audit

        write_audit(page, result)
        print(f"{result.sentence}\nsee {page}", file=sys.stderr)
        if args.json:
            print_json(
                _json_values({**asdict(result), "worst": [each.name for each in result.worst], "adapt": result.adapt})
            )
        return 0


def _gather(folders: Sequence[str], data: Path) -> dict[str, str]:
    """Gather folders into a temporary data set; return {case: files of its scan}, because its pseudonyms go with it."""
    from ..gathering.gather import NothingUsableError
    from ..gathering.owner_names import owner_names

    try:
        gather_folders(folders, None, data, 0, temporary=True)
    except NothingUsableError as error:
        raise UserError(
            f"Nothing usable was found in {', '.join(folders)}; {error.reason and f'{error.reason}; '}gather the same "
            "folders to list the reasons.",
            command="gather --labelled",
        ) from error
    return owner_names(data, folders)


def _audit(data: Path, args: argparse.Namespace, files: dict[str, str]):  # type: ignore[no-untyped-def]
    from SpectBoneMetSegLib.model.store import find_model

    from ..dataset.cases import cases_of
    from ..dataset.opened import opened
    from ..dataset.sealed import is_sealed
    from ..training.adapting.audit import audit

    if is_sealed(data):
        raise UsageError(f"{data} is a sealed test; `evaluate` opens it.")
    try:
        model = find_model(args.model)
    except UserError as error:
        raise UsageError.of(error) from error
    held = opened(data)
    cases = [*cases_of(held, "train"), *cases_of(held, "test")]
    if not cases:
        raise UsageError(f"{args.data or ', '.join(args.labelled)} holds no outlined scan.")
    return audit(held, cases, model, args.device, counter("scan"), files)


def _json_values(value: Any) -> Any:
    """Convert to JSON values, NaN to None."""
    if isinstance(value, dict):
        return {name: _json_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_values(inner) for inner in value]
    return None if isinstance(value, float) and value != value else value
