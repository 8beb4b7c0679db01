"""`spectbonemetseg batch`: every scan in an archive; a broken-off run goes on."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from .cases import Case, Identity, identity_of, keys_of, names_in, place, receipt_of
from .common import UsageError, print_json, say_while_waiting
from .reading_options import add_reading_options
from .run_table import write_batch_table, write_failures
from .segment import load, make_writable, prepare, read_cases, summary

if TYPE_CHECKING:
    from ..loading.archive import FoundScan, LeftOut
    from ..loading.options import Options
    from ..model.card import ModelCard

__all__ = ["BatchCommand"]


class BatchCommand:
    """Read every scan of a folder; what an earlier run has read in the same way is not read again."""

    help = "Read every scan in an archive; a broken-off run goes on."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("folder", metavar="FOLDER", help="an archive: studies at any depth, or files")
        add_reading_options(parser)
        parser.add_argument("--again", action="store_true", help="also read what has been read before")

    def run(self, args: argparse.Namespace) -> int:
        """Find the scans, leave out those that are done, read the others."""
        options = prepare(args)
        folder, output = Path(args.folder), Path(args.output)
        try:
            say_while_waiting(f"Looking for scans in {folder}.")
            cases, left_out = find_cases(folder, output)
            card = _card(args.model)
        except UserError as error:
            raise UsageError.of(error) from error
        done = {case.folder for case in cases if not args.again and is_done(case, card, options)}
        waiting = [case for case in cases if case.folder not in done]
        broken = [_failure(each, folder, output) for each in left_out if each.failed]
        # A file that cannot be read counts as a study that was not read.
        print(f"{len(cases) + len(broken)} studies, {len(done)} of them read before", file=sys.stderr)
        for each in broken:
            print(f"{each['input']}: {each['failure']}", file=sys.stderr)
        make_writable(output)
        started = time.monotonic()
        results = read_cases(load(args), waiting, options, args.flags, quiet=args.json) if waiting else []
        failures = [*broken, *(result for result in results if "failure" in result)]
        write_failures(output, failures)
        told = {result["input"]: result for result in results}
        rows = [_row(case, told.get(str(case.input))) for case in cases]
        write_batch_table(output, [*rows, *_rows_left_out(left_out, broken)])
        print(summary([*broken, *results], time.monotonic() - started, len(done)), file=sys.stderr)
        if args.json:
            print_json({"output": str(output), "studies": [*broken, *results], "failed": len(failures)})
        return 1 if failures else 0


def find_cases(folder: Path, output: Path) -> tuple[list[Case], list[LeftOut]]:
    """The scans in an archive, and the files that are none.

    What lies in the folder itself is looked at as one, and each of its folders on its own, after which a scan is named
    when it is the only one there.

    Raises:
        UserError: no such folder, nothing in it, or the results would lie among the studies.
    """
    from ..loading import case_name
    from ..loading.archive import FoundScan, files_in, scans_among
    from ..loading.images import IMAGE_SUFFIXES

    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; give the folder that holds the studies.")
    if folder.resolve() == output.resolve():
        # The next run would take the results for studies.
        raise UserError(f"{folder} holds the studies; choose another --output for the results.")
    units: dict[Path, list[Path]] = {}
    for path in files_in(folder, output):
        top = folder / path.relative_to(folder).parts[0]
        units.setdefault(folder if top == path else top, []).append(path)
    wanted: list[tuple[Path, str, FoundScan | None, str, Identity | None]] = []
    left_out: list[LeftOut] = []
    for unit, files in units.items():
        # Pictures that lie in the archive itself belong to nobody else: each is a scan.
        loose = [path for path in files if unit == folder and path.name.lower().endswith(IMAGE_SUFFIXES)]
        archive = scans_among([path for path in files if path not in set(loose)])
        left_out += archive.left_out
        scans = [*archive.scans, *(FoundScan((path,)) for path in loose)]
        alone = len(scans) == 1 and unit != folder
        names = [case_name(unit)] if alone else names_in(unit, scans)
        entries = zip(scans, names, strict=True)
        wanted += [(unit if alone else scan.files[0], name, scan, "", identity_of(scan)) for scan, name in entries]
    if not wanted and not left_out:
        raise UserError(f"{folder} holds no study; give the folder that holds the studies.")
    return place(sorted(wanted, key=lambda entry: str(entry[0])), output), left_out


def is_done(case: Case, card: ModelCard, options: Options) -> bool:
    """Whether a case's folder holds a result of this scan, this model and these options."""
    told = receipt_of(case.folder)
    if not told or case.identity is None:
        return False
    values = {
        "threshold": card.threshold if options.threshold is None else options.threshold,
        "minimum_area_mm2": card.minimum_area_mm2 if options.minimum_area_mm2 is None else options.minimum_area_mm2,
        "options": options.to_dict(),
    }
    model = told.get("model")
    return (
        keys_of(told) == case.identity.keys
        and isinstance(model, dict)
        and model.get("sha256") == card.sha256
        and all(told.get(name) == value for name, value in values.items())
    )


def _failure(broken: LeftOut, folder: Path, output: Path) -> dict[str, Any]:
    """A file that ought to have been read, as a result; what an earlier run made of it is kept, and that is said."""
    from ..loading import case_name

    sentence = f"{broken.reason}."
    top = folder / broken.path.relative_to(folder).parts[0]
    for earlier in dict.fromkeys((output / case_name(top), output / case_name(broken.path))):
        if any(entry.get("file") == str(broken.path) for entry in receipt_of(earlier).get("inputs") or []):
            sentence += f" The result of an earlier run stays in {earlier}."
    return {"input": str(broken.path), "failure": sentence}


def _card(model: str | None) -> ModelCard:
    from ..model.store import find_model

    return find_model(model).card


def _row(case: Case, result: dict[str, Any] | None) -> dict[str, Any]:
    row: dict[str, Any] = {"input": str(case.input), "case": case.name}
    if result is None:
        told = receipt_of(case.folder)
        views, warnings = told.get("views") or [], told.get("warnings") or []
        state = {"state": "read before", "areas": told.get("lesions"), "area_cm2": _area(case.folder)}
        return {**row, **state, "views": "+".join(views), "read": told.get("read"), "warnings": " | ".join(warnings)}
    if "failure" in result:
        return {**row, "state": "failed", "reason": result["failure"]}
    return {
        **row,
        "state": "read",
        "areas": result["lesions"],
        "area_cm2": result["area_cm2"],
        "views": "+".join(result["views"]),
        "read": result["read"],
        "warnings": " | ".join(result["warnings"]),
    }


def _area(folder: Path) -> float | str:
    """The sum of the areas in an earlier result's table, without those that a physician rejected."""
    import csv

    try:
        with (folder / "lesions.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("decision") != "rejected"]
        return round(sum((float(row["area_cm2"]) for row in rows), 0.0), 2)
    except (OSError, ValueError, KeyError):
        return ""


def _rows_left_out(left_out: list[LeftOut], broken: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a broken file; of the others one per reason, with their number."""
    rows = [{"input": each["input"], "state": "failed", "reason": each["failure"]} for each in broken]
    counted = Counter(each.reason for each in left_out if not each.failed)
    first: dict[str, Path] = {}
    for each in left_out:
        if not each.failed:
            first.setdefault(each.reason, each.path)
    for reason, path in first.items():
        more = f"; and {counted[reason] - 1} more files" if counted[reason] > 1 else ""
        rows.append({"input": str(path), "state": "left out", "reason": f"{reason}{more}"})
    return rows
