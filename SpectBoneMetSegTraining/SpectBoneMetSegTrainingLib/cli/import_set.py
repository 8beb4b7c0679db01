"""`spectbonemetseg import`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from SpectBoneMetSegLib.cli.common import UsageError, print_json
from SpectBoneMetSegLib.common.errors import UserError

from ..common.progress import counter

if TYPE_CHECKING:
    from ..gathering.open_data.description import PublicSet


class ImportCommand:
    """Convert a downloaded public set into a data set."""

    help = "Convert a downloaded public set of bone scans into a data set."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name", nargs="?", metavar="NAME", help="a set (see --list), or your own description of one (a .json file)"
        )
        parser.add_argument("folder", nargs="?", metavar="FOLDER", help="folder of the unpacked set")
        parser.add_argument("--output", metavar="DATA", help="data set folder to write; an interrupted run resumes")
        parser.add_argument(
            "--scans", metavar="DIR", help="for a set of masks: folder of the scans that they belong to"
        )
        parser.add_argument(
            "--accept-terms",
            action="store_true",
            help="confirm that you may use a set whose licence has restrictions or is missing (see --list)",
        )
        parser.add_argument(
            "--pixel-size", type=float, metavar="MM", help="pixel size to use instead of the stated or estimated one"
        )
        parser.add_argument(
            "--greys", action="store_true", help="keep grey values as stored, instead of converting them to counts"
        )
        parser.add_argument("--list", action="store_true", help="list the sets with their licences and terms")
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Import the set and report; return 1 if a scan could not be used, or none is labelled though the set is."""
        from ..gathering.open_data.catalogue import SETS

        if args.list:
            if args.json:
                print_json([{"set": each.name, **each.source, "terms": each.terms} for each in SETS.values()])
            else:
                print("\n".join(map(_description, SETS.values())))
            return 0
        if args.name is None or args.folder is None or args.output is None:
            raise UsageError("Give a set, its folder and --output; --list names the sets.")
        from SpectBoneMetSegLib.loading.options import LARGEST_PIXEL_MM, SMALLEST_PIXEL_MM

        size = args.pixel_size
        if size is not None and not SMALLEST_PIXEL_MM <= size <= LARGEST_PIXEL_MM:
            raise UsageError(
                f"--pixel-size {size} is not a pixel size in mm ({SMALLEST_PIXEL_MM} to {LARGEST_PIXEL_MM})."
            )
        from ..gathering.open_data.import_set import ImportRequest, import_set
        from ..gathering.open_data.imported import text_of

        try:
            found = _find_set(args.name)
            request = ImportRequest(
                found,
                Path(args.folder),
                None if args.scans is None else Path(args.scans),
                size,
                not args.greys,
                args.accept_terms,
            )
            imported = import_set(request, Path(args.output), counter("scan"))
        except UserError as error:
            raise (UsageError.of(error) if error.fields else error) from error
        print(f"{imported.data}:\n{text_of(imported, found)}", end="", file=sys.stderr)
        if args.json:
            print_json(
                {
                    "data": str(imported.data),
                    "set": found.name,
                    "cases": imported.cases,
                    "notes": list(imported.notes),
                    "left_out": imported.left_out,
                    "unlabelled": imported.unlabelled,
                }
            )
        return 1 if set(imported.left_out) - set(found.left_out) or imported.unlabelled else 0


def _find_set(name: str) -> PublicSet:
    from ..gathering.open_data.catalogue import find_set
    from ..gathering.open_data.description import read_description

    return read_description(Path(name)) if name.endswith(".json") else find_set(name)


def _description(found: PublicSet) -> str:
    lines = [f"{found.name}: {found.title}", f"    {found.home}", f"    licence: {found.licence}", f"    {found.truth}"]
    if found.base:
        lines.append(f"    needs the scans of {found.base} (--scans)")
    if found.terms:
        lines.append(f"    {found.terms} (--accept-terms)")
    return "\n".join(lines)
