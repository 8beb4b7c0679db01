"""The process of a training job: `python -m SpectBoneMetSegTrainingLib.jobs.child FOLDER`.

It tells how it fares in the job's folder, obeys the wishes it finds there, and at its end starts the next job.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import FileLock
from SpectBoneMetSegLib.common.memory import peak_memory_mb
from SpectBoneMetSegLib.model.backend import gpu_names
from SpectBoneMetSegLib.model.store import read_model

from ..common.pace import Pace
from ..dataset.cases import LabelledCrop
from ..dataset.opened import opened
from ..training.adapting.adapt import Request, adapt, plan_for
from ..training.adapting.page import write_page
from ..training.adapting.plan import Plan
from ..training.outcome.finish import train_and_finish
from ..training.outcome.model_card import complete_card
from ..training.outcome.parent_comparison import compare_with_parent
from ..training.preview import make_preview, most_labelled, save_preview
from ..training.setup.cases import training_cases
from ..training.trainer import StepProgress, TrainingInterruptedError
from ..training.validation import CasePredictor
from .folder import (
    ALIVE,
    JOB,
    LAUNCHED,
    MODEL,
    PAGE,
    RUN,
    SLOT,
    JobSpec,
    JobStatus,
    State,
    read_request,
    read_spec,
    read_status,
    write_status,
)
from .process import lower_priority
from .queue import start_next

#: Seconds between two notes on how the training fares.
STATUS_SECONDS = 0.5
#: Seconds to wait for a lock that somebody only asks about, and for the job before this one to let go.
ALIVE_PATIENCE, SLOT_PATIENCE = 2.0, 5.0
#: Of the time of an adaptation so much comes after its last step: thresholds, the verdict, the page.
END_SHARE = 0.1
#: Validation scans among which the one to show is chosen.
LOOKED_THROUGH = 20


class Reporter:
    """Tells what the training does, and ends it when it should pause."""

    def __init__(self, folder: Path, attempt: int, spec: JobSpec) -> None:
        self._folder, self._spec = folder, spec
        before = read_status(folder) or JobStatus(steps=spec.config.steps)
        self.status = replace(
            before, state="running", attempt=attempt, pid=os.getpid(), host=platform.node(), seconds_left=None
        )
        self._shown: LabelledCrop | None = None
        self._told_at = 0.0
        self._first: tuple[int, float] | None = None
        self.terminated, self.doing = False, "Training."

    def report(self, message: str, state: State = "running") -> None:
        """Note what is being done now."""
        with suppress(OSError):
            # On a full disk the log ends before the status does.
            print(message, flush=True)
        self.status = replace(self.status, message=message, state=state)
        self._write()

    def progress(self, step: int, steps: int, loss: float, _pace: Pace, at_the_end: float = 0.0) -> None:
        """After every gradient step; `at_the_end` are seconds that come after the last one.

        Raises:
            TrainingInterruptedError: the user wants a pause, or the system shuts down.
        """
        now = time.monotonic()
        # The first step also builds the graph: it says nothing about the others.
        self._first = self._first or (step, now)
        since = step - self._first[0]
        # Before the first step that says something an adaptation's plan does.
        planned = self.status.seconds_left if at_the_end else None
        left = round((now - self._first[1]) / since * (steps - step) + at_the_end, 1) if since else planned
        self.status = replace(self.status, step=step, steps=steps, loss=loss, seconds_left=left)
        if self.terminated or self._request() != "run":
            raise TrainingInterruptedError
        if now - self._told_at > STATUS_SECONDS or step == steps:
            self.status = replace(self.status, memory_mb=peak_memory_mb(), message=self.doing)
            self._write()

    def planned(self, plan: Plan) -> Callable[[int, int], StepProgress]:
        """An adaptation is planned: what its trainings call, whose steps count as those of one training."""
        self.doing = f"{plan.sentence[0].upper()}{plan.sentence[1:]} {plan.region_reason}".strip()
        at_the_end = END_SHARE * 60 * plan.minutes
        self.status = replace(self.status, steps=plan.runs * plan.steps, seconds_left=60 * plan.minutes)
        self.report(self.doing)

        def of_training(number: int, _runs: int) -> StepProgress:
            before, behind = number * plan.steps, (plan.runs - number - 1) * plan.steps

            def told(step: int, steps: int, loss: float, pace: Pace) -> None:
                self.progress(before + step, before + steps + behind, loss, pace, at_the_end)

            return told

        return of_training

    def validation(self, step: int, dice: float, predict: CasePredictor, load: Callable[[str], LabelledCrop]) -> None:
        """After every look at the validation patients: the picture of one of them."""
        if self._shown is None:
            cases = training_cases(self._spec.data, self._spec.config).validation[:LOOKED_THROUGH]
            self._shown = most_labelled([load(case) for case in cases])
        self.status = replace(self.status, dice=dice)
        save_preview(self._folder, make_preview(step, dice, self._shown, predict, self._spec.config.network))
        print(f"step {step}, pooled Dice {dice:.3f} on validation patients", flush=True)

    def _request(self) -> str:
        try:
            return read_request(self._folder)[0]
        except UserError:
            return "run"

    def _write(self) -> None:
        self._told_at = time.monotonic()
        # On Windows a reader keeps the file from being replaced for a moment, and another note follows. A full disk
        # ends the training where a checkpoint cannot be saved, not where a note cannot.
        with suppress(OSError):
            write_status(self._folder, self.status)


def run(folder: Path) -> None:
    """Do the job in a folder from where it was left, unless it runs already, another one does, or it was deleted."""
    alive, slot = FileLock(folder / ALIVE), FileLock(folder.parent / SLOT)
    try:
        if not folder.is_dir() or not alive.acquire(ALIVE_PATIENCE):
            return
    except FileNotFoundError:
        # Deleted in this very moment.
        return
    try:
        if not (folder / JOB).exists():
            return
        if not slot.acquire(SLOT_PATIENCE):
            # Back into the queue; the job that runs starts it at its end.
            (folder / LAUNCHED).unlink(missing_ok=True)
            return
        wish, attempt, _ = read_request(folder)
        if wish == "run":
            _run_attempt(folder, attempt)
    finally:
        slot.release()
        alive.release()
    start_next(folder.parent)


def _run_attempt(folder: Path, attempt: int) -> None:
    reporter = Reporter(folder, attempt, read_spec(folder))

    def terminate(*_: object) -> None:
        reporter.terminated = True

    signal.signal(signal.SIGTERM, terminate)
    reporter.report("Starting.")
    try:
        reporter.report(_train(folder, read_spec(folder), reporter), "finished")
    except TrainingInterruptedError:
        # Without a wish the system ended it: whoever looks sees it as interrupted.
        reporter.report("Paused." if not reporter.terminated else "Ended by the system.")
    except UserError as error:
        reporter.report(str(error), "failed")
    except OSError as error:
        _log_traceback()
        place = f"{error.filename}: " if error.filename else ""
        why = f"{place}{error.strerror or error}"
        reporter.report(f"{why}; check the space and your rights in {folder}, then resume the training.", "failed")
    except Exception as error:  # noqa: BLE001 - told in the status of the job
        _log_traceback()
        words = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        reporter.report(f"The training failed ({words}); resume it, or see log.txt in {folder}.", "failed")


def _log_traceback() -> None:
    with suppress(OSError):
        traceback.print_exc()


def _train(folder: Path, spec: JobSpec, reporter: Reporter) -> str:
    """Train, write the model with its card, compare it; returns the sentence that sums up."""
    output, working = folder / MODEL / spec.model, folder / RUN
    reporter.status = replace(reporter.status, device=device_name())
    if spec.minutes:
        return _adapt(folder, spec, reporter)
    config, data = spec.config, opened(spec.data)
    train_and_finish(
        data, working, config, output, spec.description, reporter.progress, on_validation=reporter.validation
    )
    reporter.status = replace(reporter.status, seconds_left=None)
    early = reporter.status.step < config.steps
    ready = "The model is ready; the training stopped early." if early else "The model is ready."
    reporter.report("Comparing with the parent model.")
    model = read_model(output)
    try:
        comparison = compare_with_parent(model, spec.parent or config.start, data, config)
    except UserError as error:
        complete_card(model, working, data, config, None)
        return f"{ready} It was not compared with another one: {error}"
    complete_card(model, working, data, config, comparison)
    return f"{ready} {comparison.sentence}"


def _adapt(folder: Path, spec: JobSpec, reporter: Reporter) -> str:
    """Fit the model to a hospital, write it with its page; returns the verdict."""
    config = spec.config
    data, output = opened(spec.data), folder / MODEL / spec.model
    request = Request(data, folder / RUN, output, config.start, minutes=spec.minutes, seed=config.seed)
    # Of an attempt that failed after it.
    shutil.rmtree(request.output, ignore_errors=True)
    reporter.report("Measuring a few steps to plan the time.")
    plan, trainings = plan_for(request)
    adapted = adapt(request, plan, trainings, reporter.planned(plan))
    reporter.status = replace(reporter.status, seconds_left=None)
    reporter.report("Writing the page.")
    write_page(folder / PAGE, request, adapted)
    return adapted.comparison.sentence


def device_name() -> str:
    """What Keras computes on."""
    return ", ".join(gpu_names()) or f"CPU, {os.cpu_count()} cores"


if __name__ == "__main__":
    lower_priority()
    run(Path(sys.argv[1]))
