"""`spectbonemetseg batch`: read every scan in an archive; an interrupted run is continued."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError
from ..common.plural import pluralize
from .common import UsageError, failure_line, print_json, print_line, show_status
from .reading_options import add_reading_options, outputs_of
from .segment import failure_text, make_writable, prepare

if TYPE_CHECKING:
    from ..batch.cases import Case
    from ..batch.run import Run, RunPlan
    from ..batch.state import StateFile
    from ..batch.work import Settings
    from ..export.outputs import Outputs
    from ..loading.options import Options
    from ..model.card import ModelCard

__all__ = ["BatchCommand"]

#: With fewer studies than this, starting worker processes takes longer than it saves.
FEW = 8
#: Most processes that share a GPU.
MOST_ON_GPU = 4


class BatchCommand:
    """Read every scan of a folder; scans that an earlier run has read in the same way are skipped."""

    help = "Read every scan in an archive; an interrupted run resumes."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("folder", metavar="FOLDER", help="folder with studies at any depth, or with files")
        add_reading_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="write only manifest.csv, the list of files to read")
        parser.add_argument("--jobs", type=int, metavar="N", help="number of processes (default: one per core)")
        parser.add_argument("--quick", action="store_true", help="write masks and tables only, no pictures")
        parser.add_argument("--again", action="store_true", help="also read scans that were read before")
        parser.add_argument("--retry-failed", action="store_true", help="also read scans that failed in an earlier run")
        parser.add_argument("--scheduler", metavar="ADDRESS", help="read on the workers of a Dask cluster")
        parser.add_argument("--log", metavar="FILE", help="append a JSON line for each study, with seconds per step")

    def run(self, args: argparse.Namespace) -> int:
        """Find the scans, skip those already read, read the others."""
        options, outputs = prepare(args), outputs_of(args)
        if args.scheduler is not None and args.jobs is not None:
            raise UsageError("--jobs applies to this machine only; the cluster has its own number of workers.")
        if args.jobs is not None and args.jobs < 1:
            raise UsageError(f"--jobs {args.jobs} is not a number of processes; give 1 or more.")
        if not args.folder:
            raise UsageError("FOLDER is empty; give the folder that holds the studies.")
        from ..batch.log import check_log
        from ..batch.run import lock_work_folder, remove_unfinished
        from ..batch.state import StateFile
        from ..model.store import find_model

        try:
            model = find_model(args.model)
            if args.scheduler is not None:
                _make_absolute(args, model.path)
            folder, output, card = Path(args.folder), Path(args.output), model.card
            check_log(None if args.log is None else Path(args.log), output)
            found = _find(folder, output)
        except UserError as error:
            raise UsageError.of(error) from error
        make_writable(output)
        lock, state = lock_work_folder(output), StateFile(output)
        try:
            # The state is now that of this run.
            state.update()
            return _read_archive(args, (options, outputs), card, found, lock, state)
        except UserError as error:
            state.update(stage="failed", sentence=str(error))
            raise
        except KeyboardInterrupt:
            state.update(stage="stopped")
            raise
        finally:
            # Stopped processes leave the result that they were writing.
            remove_unfinished(output)
            lock.release()


def _make_absolute(args: argparse.Namespace, model: Path) -> None:
    """Make the paths absolute, also that of a model given by its folder: workers run in other working directories."""
    args.folder, args.output = (str(Path(name).absolute()) for name in (args.folder, args.output))
    if args.model and model == Path(args.model).expanduser():
        args.model = str(model.absolute())


def _find(folder: Path, output: Path) -> Any:
    from ..batch.manifest import find_cases

    if folder.is_dir() and folder.resolve() == output.resolve():
        # The next run would read the results as studies.
        raise UserError(f"{folder} holds the studies; choose another --output for the results.")
    show_status(f"Looking for scans in {folder}.")
    shown = [time.monotonic()]

    def progress(files: int) -> None:
        if time.monotonic() - shown[0] > 10:
            shown[0] = time.monotonic()
            print(f"{files} files searched", file=sys.stderr, flush=True)

    return find_cases(folder, output, progress)


def _read_archive(
    args: argparse.Namespace,
    requested: tuple[Options, Outputs],
    card: ModelCard,
    found: Any,
    lock: Any,
    state: StateFile,
) -> int:
    from ..batch.earlier import attempt_of
    from ..batch.manifest import write_manifest
    from ..batch.run import Run, make_plan
    from ..batch.summary import write_summary
    from ..common.dates import duration

    folder, output, (options, outputs) = Path(args.folder), Path(args.output), requested
    plan = make_plan(
        found, card, options, output, quick=args.quick, again=args.again, retry=args.retry_failed, outputs=outputs
    )
    manifest = write_manifest(found, plan.decisions(), output)
    run = Run(plan, output, folder, partial(attempt_of, card=card, options=options))
    _print_plan(plan, run)
    if args.dry_run:
        print(
            f"{pluralize(len(plan.waiting), 'study', 'studies')} would be read; {manifest} lists every file.",
            file=sys.stderr,
        )
        if args.json:
            print_json({"output": str(output), "manifest": str(manifest), "waiting": len(plan.waiting)})
        state.update(stage="ended", sentence=f"{pluralize(len(plan.waiting), 'study', 'studies')} would be read.")
        return 0
    started = time.monotonic()
    failed_before = len(plan.failed) + len(run.broken)
    state.update(total=len(plan.waiting), before=len(plan.done), failed_before=failed_before)
    _execute(args, options, outputs, run, lock, state)
    summary = _summary(run)
    facts = f"Model {card.name} {card.version}, region {options.region}; {summary}."
    page = write_summary(run.table, output, f"Bone scans of {folder.resolve().name}", facts)
    summary_with_time = f"{summary}, in {duration(time.monotonic() - started)}."
    print_line(f"{summary_with_time} {page} shows them.", file=sys.stderr)
    state.update(stage="ended", seconds_left=0.0, sentence=summary_with_time)
    if args.json:
        studies = [*run.failures, *(result for result in run.results.values() if "failure" not in result)]
        print_json({"output": str(output), "studies": studies, "failed": len(run.failures)})
    return 1 if run.failures else 0


def _print_plan(plan: RunPlan, run: Run) -> None:
    # A damaged file counts as a study that was not read.
    total = len(plan.found.cases) + len(run.broken)
    before = f", {len(plan.failed)} failed before (--retry-failed reads them again)" if plan.failed else ""
    print(f"{pluralize(total, 'study', 'studies')}, {len(plan.done)} of them read before{before}", file=sys.stderr)
    for each in run.broken:
        print_line(failure_line(each["input"], each["failure"]), file=sys.stderr)


def _execute(
    args: argparse.Namespace, options: Options, outputs: Outputs, run: Run, lock: Any, state: StateFile
) -> None:
    """Read the waiting studies, with a progress bar or progress lines."""
    from ..batch.progress import CaseProgress
    from ..batch.run import WORK_FOLDER
    from ..batch.work import Settings

    progress = CaseProgress(len(run.plan.waiting))
    # Lines per study would displace the bar; `batch.csv` has their content.
    lines = None if progress.bar and sys.stdout.isatty() else sys.stderr if args.json else sys.stdout

    def report(case: Case, result: dict[str, Any]) -> None:
        if "failure" in result:
            progress.print_line(failure_line(case.input, result["failure"]))
        elif lines is not None:
            print_line(f"{case.input}: {result['headline']} -> {case.folder}", file=lines)
        progress.tick(failed="failure" in result)
        state.tick(progress.done, progress.failed, progress.seconds_left)

    settings = Settings(
        model=args.model,
        engine=args.engine,
        device=args.device,
        options=options,
        quick=args.quick,
        outputs=outputs,
        staging=(Path(args.output) / WORK_FOLDER / "unfinished").absolute(),
    )
    try:
        run.execute(
            partial(_results, args, settings, lock),
            lambda case, result: failure_text(case, result, args.flags),
            report,
            None if args.log is None else Path(args.log),
        )
    finally:
        progress.close()


def _results(
    args: argparse.Namespace, settings: Settings, lock: Any, cases: Sequence[Case]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read a few cases in this process, many in worker processes, or all on the cluster."""
    from dataclasses import replace

    from ..batch.pool import Pool
    from ..batch.work import read_case, reader_of

    show_status("Loading the model.")
    try:
        if args.scheduler is not None:
            from ..batch.cluster import results_of_cluster

            yield from results_of_cluster(args.scheduler, replace(settings, threads=1), cases)
            return
        if args.jobs is None and len(cases) < FEW:
            reader_of(settings)
            yield from ((number, read_case(settings, case)) for number, case in enumerate(cases))
            return
        jobs = args.jobs or _jobs(args.device)
        # One thread each, whatever the number of processes, so that all masks are identical.
        pool = Pool(replace(settings, threads=1), jobs, held=lock.fileno())
        yield from pool.results(cases)
    except UserError as error:
        raise UsageError.of(error) from error


def _jobs(device: str) -> int:
    from ..batch.pool import cores
    from ..model.gpus import nvidia

    return min(cores(), MOST_ON_GPU) if device != "cpu" and nvidia() is not None else cores()


def _summary(run: Run) -> str:
    """Return one line about a run, without its duration, so that equal results have equal pages."""
    failed, earlier = len(run.failures), len(run.plan.done)
    read = sum("failure" not in result for result in run.results.values())
    before = f"{earlier} read before, " if earlier else ""
    return f"{pluralize(read + earlier + failed, 'scan')}: {read} read, {before}{failed} failed"
