"""A run over an archive: skip what an earlier run has read, read the other cases, and write the tables."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.errors import UserError, reason_of
from ..common.locks import FileLock, acquire_lock
from .cases import Case, receipt_of
from .earlier import attempt_of, is_done, row_of, row_of_earlier
from .log import line_of, log_file
from .manifest import ArchiveContents
from .tables import earlier_failures, failures_outside, write_batch_table, write_failures

if TYPE_CHECKING:
    from ..export.outputs import Outputs
    from ..loading.archive import LeftOut
    from ..loading.options import Options
    from ..model.card import ModelCard

__all__ = [
    "LOCK",
    "STATE",
    "STOP",
    "WORK_FOLDER",
    "ReadCases",
    "Run",
    "RunPlan",
    "broken_files",
    "lock_work_folder",
    "make_plan",
    "remove_unfinished",
]

#: Working folder of a run, hidden in the folder of results; it holds incomplete results.
WORK_FOLDER = ".batch"
#: Its files: the lock of the run, its progress, and the request to stop it.
LOCK, STATE, STOP = "lock", "progress.json", "stop"
#: Seconds between two updates of failures.csv while a run goes on; a killed run leaves the last one.
FAILURES_EVERY = 1.0

#: A function that reads cases and yields their results, such as `Pool.results`.
ReadCases = Callable[[Sequence[Case]], Iterator[tuple[int, dict[str, Any]]]]


@dataclass
class RunPlan:
    """The cases of a run, by what is to be done with them.

    Attributes:
        found: contents of the archive.
        done: cases that an earlier run has read.
        failed: failures of an earlier run ("input", "failure" and "attempt"), by the folders of their cases.
        waiting: cases to read.
    """

    found: ArchiveContents
    done: list[Case] = field(default_factory=list)
    failed: dict[Path, dict[str, Any]] = field(default_factory=dict)
    waiting: list[Case] = field(default_factory=list)

    def decisions(self) -> dict[Path, str]:
        """Return the decisions on cases that are not read now, by their folders."""
        return {case.folder: "read before" for case in self.done} | dict.fromkeys(self.failed, "failed before")


def make_plan(
    found: ArchiveContents,
    card: ModelCard,
    options: Options,
    output: Path,
    *,
    quick: bool = False,
    again: bool = False,
    retry: bool = False,
    outputs: Outputs | None = None,
) -> RunPlan:
    """Return the plan of a run.

    Args:
        found: contents of the archive.
        card: card of the model.
        options: options of the readings.
        output: folder of all results.
        quick: accept results with masks and table only.
        again: read every case.
        retry: also read cases that have failed before.
        outputs: outputs that results must have in addition to the result files.
    """
    plan, known = RunPlan(found), earlier_failures(output)
    for case in found.cases:
        if not again and is_done(case, card, options, quick=quick, outputs=outputs):
            plan.done.append(case)
            continue
        attempt = "" if again or retry or not known else attempt_of(case, card, options)
        if attempt in known:
            plan.failed[case.folder] = {"input": str(case.input), "failure": known[attempt], "attempt": attempt}
        else:
            plan.waiting.append(case)
    return plan


def lock_work_folder(output: Path) -> FileLock:
    """Lock a folder of results, and remove what an interrupted run left in its working folder.

    Raises:
        UserError: another run is writing there, or the folder cannot be written.
    """
    folder = output / WORK_FOLDER
    try:
        folder.mkdir(exist_ok=True)
        lock = acquire_lock(folder / LOCK, output, "output", who="run")
        remove_unfinished(output)
        (folder / "unfinished").mkdir(exist_ok=True)
        # Progress and stop request belong to the previous run.
        for name in (STATE, STOP):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({reason_of(error)}); choose another folder.", "output") from error
    return lock


def remove_unfinished(output: Path) -> None:
    """Remove results that a run whose processes have ended left incomplete in its working folder."""
    folder = output / WORK_FOLDER / "unfinished"
    if folder.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(exist_ok=True)


class Run:
    """Executes a plan and writes the tables."""

    def __init__(self, plan: RunPlan, output: Path, folder: Path, attempt: Callable[[Case], str]) -> None:
        """Prepare the run; cases are read by `execute`.

        Args:
            plan: the cases to read.
            output: folder of all results.
            folder: the archive.
            attempt: returns the digest of an attempt, by which a later run recognises a failure.
        """
        self.plan, self.output, self._folder, self._attempt = plan, output, folder, attempt
        self._elsewhere = failures_outside(output, folder)
        self.broken = broken_files(plan.found.left_out, folder, output)
        self.results: dict[Path, dict[str, Any]] = {}
        #: The rows of `batch.csv`, after it was written.
        self.table: list[dict[str, Any]] = []
        self._failures_written = 0.0

    @property
    def failures(self) -> list[dict[str, Any]]:
        """Failures of this run and of earlier ones."""
        return [
            *self.broken,
            *self.plan.failed.values(),
            *(each for each in self.results.values() if "failure" in each),
        ]

    def execute(
        self,
        read: ReadCases,
        describe_failure: Callable[[Case, dict[str, Any]], dict[str, Any]],
        on_result: Callable[[Case, dict[str, Any]], None],
        log: Path | None = None,
    ) -> None:
        """Read the waiting cases, and write the tables, also if the run is interrupted.

        Args:
            read: reads cases, such as `pool.Pool.results`.
            describe_failure: converts a result with an error to a failure with the front end's message.
            on_result: called with each case and its result.
            log: file to which a JSON line is added for each case.

        Raises:
            UserError: the folder of results or the archive was removed, or nothing can be written.
        """
        waiting = self.plan.waiting
        try:
            with log_file(log) as write_line:
                for each in self.broken:
                    write_line(line_of(Path(each["input"]), "", each))
                for number, result in read(waiting) if waiting else ():
                    case = waiting[number]
                    if "stop" in result:
                        raise UserError(result["stop"])
                    if "error" in result:
                        self._check_archive()
                        result = {**describe_failure(case, result), "attempt": self._attempt(case)}
                    self.results[case.folder] = result
                    write_line(line_of(case.input, case.name, result))
                    if "failure" in result and time.monotonic() - self._failures_written > FAILURES_EVERY:
                        self._failures_written = time.monotonic()
                        self._write_failures()
                    on_result(case, result)
        except BaseException:
            # The tables may fail for the same reason, which is reported once.
            self._write_tables(quietly=True)
            raise
        self._find_removed()
        self._write_tables(quietly=False)

    def _check_archive(self) -> None:
        if not os.path.isdir(self._folder):
            raise UserError(
                f"{self._folder} is no longer available: {len(self.results)} of {len(self.plan.waiting)} studies were "
                "read; start again when it is available."
            )

    def _find_removed(self) -> None:
        """Record results that were removed during the run as failures."""
        for case in self.plan.waiting:
            result = self.results[case.folder]
            if "failure" not in result and not (case.folder / "receipt.json").is_file():
                message = f"Its results were removed from {self.output} during the run; start again."
                self.results[case.folder] = {"input": str(case.input), "failure": message}

    def _write_tables(self, *, quietly: bool) -> None:
        try:
            if self.output.is_dir() or not quietly:
                self._write_failures()
                self.table = self._rows()
                write_batch_table(self.output, self.table)
        except UserError:
            if not quietly:
                raise

    def _write_failures(self) -> None:
        write_failures(self.output, [*self.failures, *self._elsewhere])

    def _rows(self) -> list[dict[str, Any]]:
        done = {case.folder for case in self.plan.done}
        rows = []
        for case in self.plan.found.cases:
            if case.folder in self.results:
                rows.append(row_of(case, self.results[case.folder]))
            elif case.folder in done:
                rows.append(row_of_earlier(case))
            else:
                earlier = self.plan.failed.get(case.folder)
                state, reason = ("failed before", earlier["failure"]) if earlier else ("not read yet", "")
                rows.append({"input": str(case.input), "case": case.name, "state": state, "reason": reason})
        return [*rows, *_rows_left_out(self.plan.found.left_out, self.broken)]


def broken_files(left_out: Sequence[LeftOut], folder: Path, output: Path) -> list[dict[str, Any]]:
    """Return damaged files as failures; the message names a result of an earlier run, which is kept."""
    from ..loading import case_name

    found = []
    for each in left_out:
        if not each.failed:
            continue
        message = f"{each.reason}."
        top = folder / each.path.relative_to(folder).parts[0]
        for earlier in dict.fromkeys((output / case_name(top), output / case_name(each.path))):
            inputs = receipt_of(earlier).get("inputs") or []
            # Receipts of earlier versions may name files relative to the folder where the run was started.
            if any(Path(str(entry.get("file"))).absolute() == each.path.absolute() for entry in inputs):
                message += f" The result of an earlier run stays in {earlier}."
        found.append({"input": str(each.path), "failure": message})
    return found


def _rows_left_out(left_out: Sequence[LeftOut], broken: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row per damaged file, and one per reason for the files left out, with their number."""
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
