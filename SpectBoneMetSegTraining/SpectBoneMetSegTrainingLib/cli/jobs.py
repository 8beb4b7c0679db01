"""`spectbonemetseg jobs`."""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from SpectBoneMetSegLib.cli.common import UsageError, print_json
from SpectBoneMetSegLib.common.errors import UserError

if TYPE_CHECKING:
    from ..jobs.queue import Job, JobStatus

#: Seconds between two polls of `watch`.
POLL_SECONDS = 1.0

#: Width of a terminal, and indentation of a job's details.
WIDTH, INDENT = 80, "    "


class JobsCommand:
    """List training jobs; watch, pause, stop, resume or delete one, or install its model."""

    help = "List training jobs, watch or control one, or use its model."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "action",
            choices=("list", "watch", "pause", "stop", "resume", "delete", "use"),
            help='"use" installs the finished model where `segment` and the reading module find it',
        )
        parser.add_argument(
            "job", nargs="?", default="", metavar="JOB", help="ID of a job, or name of its model (the newest)"
        )
        parser.add_argument("--folder", metavar="DIR", help="folder of the jobs (the user's data folder)")
        parser.add_argument("--name", metavar="NAME", help='with "use": install the model under this name')
        parser.add_argument(
            "--even-if-worse",
            action="store_true",
            help='with "use": install also a model that is worse than its parent',
        )
        parser.add_argument("--json", action="store_true", help="machine-readable summary on stdout")

    def run(self, args: argparse.Namespace) -> int:
        """Perform the action, then list the jobs."""
        from ..jobs.queue import delete_job, find_job, list_jobs, pause_job, resume_job, start_next, stop_job

        store = Path(args.folder) if args.folder else None
        if store is not None and store.exists() and not store.is_dir():
            raise UsageError(f"--folder {store} is a file; name the folder of the jobs.")
        start_next(store)
        if args.action == "list":
            _show(list_jobs(store), as_json=args.json)
            return 0
        folder = find_job(args.job, store).folder
        if args.action == "watch":
            return _watch(folder, as_json=args.json)
        if args.action == "use":
            _use(folder, args.name, even_if_worse=args.even_if_worse)
            return 0
        actions: dict[str, Callable[[Path], None]] = {
            "pause": pause_job,
            "stop": stop_job,
            "resume": resume_job,
            "delete": delete_job,
        }
        actions[args.action](folder)
        _show(list_jobs(store), as_json=args.json)
        return 0


def _show(jobs: list[Job], *, as_json: bool) -> None:
    if as_json:
        print_json([{"id": job.folder.name, "folder": str(job.folder), **asdict(job.status)} for job in jobs])
        return
    if not jobs:
        print("There are no training jobs; `spectbonemetseg train --background` starts one.", file=sys.stderr)
    for job in jobs:
        state, _, figures = _figures(job.status).partition(", ")
        print(f"{job.folder.name}  {state}")
        for text in (figures, job.status.message):
            for line in textwrap.wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT):
                print(line)


def _line(status: JobStatus) -> str:
    return _figures(status) + (f". {status.message}" if status.message else "")


def _figures(status: JobStatus) -> str:
    from SpectBoneMetSegLib.common.dates import duration

    parts = [status.state, f"step {status.step} of {status.steps}"]
    if status.loss is not None:
        parts.append(f"loss {status.loss:.3f}")
    if status.dice is not None:
        parts.append(f"validation DSC {status.dice:.3f}")
    if status.state == "running" and status.seconds_left is not None:
        parts.append(f"about {duration(status.seconds_left)} left")
    return ", ".join(parts)


def _watch(folder: Path, *, as_json: bool) -> int:
    """Print status lines to stderr until the job ends (Ctrl-C leaves it running); return 1 if it has no model."""
    from ..jobs.folder import ENDED
    from ..jobs.queue import JobWatch, read_job

    monitor, last = JobWatch(folder), ""
    while True:
        status = monitor.poll().status
        line = _line(status)
        if line != last:
            print(line, file=sys.stderr, flush=True)
            last = line
        if status.state in ENDED:
            break
        time.sleep(POLL_SECONDS)
    _show([read_job(folder)], as_json=as_json)
    return 0 if status.state == "finished" else 1


def _use(folder: Path, name: str | None, *, even_if_worse: bool) -> None:
    from ..jobs.queue import read_job
    from ..training.outcome.promotion import promote

    job = read_job(folder)
    if job.model is None:
        raise UserError(f"{folder.name} has no model to use: it is {job.status.state}.")
    model = promote(job.model, name, even_if_worse=even_if_worse)
    print(f"Installed {model.card.name}. {job.status.message}", file=sys.stderr)
