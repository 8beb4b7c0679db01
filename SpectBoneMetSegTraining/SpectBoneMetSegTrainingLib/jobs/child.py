"""The process of a training job: `python -m SpectBoneMetSegTrainingLib.jobs.child FOLDER`.

It reports its progress in the job's folder, follows the requests that it finds there, and starts the next job when it
ends.
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

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.locks import FileLock
from SpectBoneMetSegLib.common.memory import peak_memory_mb
from SpectBoneMetSegLib.model.backend import gpu_names
from SpectBoneMetSegLib.model.store import read_model

from ..common.pace import Pace
from ..dataset.cases import LabelledCrop
from ..dataset.opened import opened
from ..gathering.owner_names import owner_names
from ..training.adapting.adapt import AdaptationRequest, adapt, plan_for
from ..training.adapting.page import write_page
from ..training.adapting.plan import AdaptationPlan
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

#: Seconds between two updates of the status file.
STATUS_SECONDS = 0.5
#: Seconds to wait for a lock that another process may be probing, and for the previous job to release its lock.
ALIVE_TIMEOUT, SLOT_TIMEOUT = 2.0, 5.0
#: Share of an adaptation's time after its last step: thresholds, the comparison, the page.
END_SHARE = 0.1
#: Number of validation scans among which the one for the preview is chosen.
PREVIEW_CANDIDATES = 20


class Reporter:
    """Reports the progress of a training to its job's folder, and interrupts it when a pause is requested.

    Attributes:
        status: the last status.
        terminated: whether the system has asked the process to end.
        activity: what the training is doing, for the status message.
    """

    def __init__(self, folder: Path, attempt: int, spec: JobSpec) -> None:
        self._folder, self._spec = folder, spec
        before = read_status(folder) or JobStatus(steps=spec.config.steps)
        self.status = replace(
            before, state="running", attempt=attempt, pid=os.getpid(), host=platform.node(), seconds_left=None
        )
        self._preview_case: LabelledCrop | None = None
        self._written_at = 0.0
        self._first_step: tuple[int, float] | None = None
        self.terminated, self.activity = False, "Training."

    def report(self, message: str, state: State = "running") -> None:
        """Write a message and a state to the log and the status file."""
        with suppress(OSError):
            # On a full disk the log ends before the status does.
            print(message, flush=True)
        self.status = replace(self.status, message=message, state=state)
        self._write()

    def progress(self, step: int, steps: int, loss: float, _pace: Pace, at_the_end: float = 0.0) -> None:
        """Report a gradient step; called after every one.

        Args:
            step: steps done.
            steps: steps planned.
            loss: loss of the step.
            _pace: seconds per step; not used, the child estimates the time left from its own clock.
            at_the_end: seconds needed after the last step.

        Raises:
            TrainingInterruptedError: a pause is requested, or the system shuts down.
        """
        now = time.monotonic()
        # The first step also builds the graph, so its time is not counted.
        self._first_step = self._first_step or (step, now)
        since = step - self._first_step[0]
        # Until a step has been timed, an adaptation's plan gives the estimate.
        planned = self.status.seconds_left if at_the_end else None
        seconds_left = round((now - self._first_step[1]) / since * (steps - step) + at_the_end, 1) if since else planned
        self.status = replace(self.status, step=step, steps=steps, loss=loss, seconds_left=seconds_left)
        if self.terminated or self._request() != "run":
            raise TrainingInterruptedError
        if now - self._written_at > STATUS_SECONDS or step == steps:
            self.status = replace(self.status, memory_mb=peak_memory_mb(), message=self.activity)
            self._write()

    def planned(self, plan: AdaptationPlan) -> Callable[[int, int], StepProgress]:
        """Report the plan of an adaptation; return the progress function of each training, with steps added up."""
        self.activity = f"{plan.sentence[0].upper()}{plan.sentence[1:]} {plan.region_reason}".strip()
        at_the_end = END_SHARE * 60 * plan.minutes
        self.status = replace(self.status, steps=plan.runs * plan.steps, seconds_left=60 * plan.minutes)
        self.report(self.activity)

        def progress_for(number: int, _runs: int) -> StepProgress:
            before, after = number * plan.steps, (plan.runs - number - 1) * plan.steps

            def progress_of_run(step: int, steps: int, loss: float, pace: Pace) -> None:
                self.progress(before + step, before + steps + after, loss, pace, at_the_end)

            return progress_of_run

        return progress_for

    def validation(self, step: int, dice: float, predict: CasePredictor, load: Callable[[str], LabelledCrop]) -> None:
        """Save the preview of one validation patient; called after every validation."""
        if self._preview_case is None:
            cases = training_cases(self._spec.data, self._spec.config).validation[:PREVIEW_CANDIDATES]
            self._preview_case = most_labelled([load(case) for case in cases])
        self.status = replace(self.status, dice=dice)
        save_preview(self._folder, make_preview(step, dice, self._preview_case, predict, self._spec.config.network))
        print(f"step {step}, pooled DSC {dice:.3f} on validation patients", flush=True)

    def _request(self) -> str:
        try:
            return read_request(self._folder)[0]
        except UserError:
            return "run"

    def _write(self) -> None:
        self._written_at = time.monotonic()
        # On Windows an open file cannot be replaced for a moment; the next update follows soon. A full disk ends the
        # training when a checkpoint cannot be saved, not when the status cannot.
        with suppress(OSError):
            write_status(self._folder, self.status)


def run(folder: Path) -> None:
    """Run the job in a folder from its last checkpoint, unless it or another job is running, or it was deleted."""
    alive, slot = FileLock(folder / ALIVE), FileLock(folder.parent / SLOT)
    try:
        if not folder.is_dir() or not alive.acquire(ALIVE_TIMEOUT):
            return
    except FileNotFoundError:
        # Deleted at this moment.
        return
    try:
        if not (folder / JOB).exists():
            return
        if not slot.acquire(SLOT_TIMEOUT):
            # Back into the queue; the running job starts it when it ends.
            (folder / LAUNCHED).unlink(missing_ok=True)
            return
        request, attempt, _ = read_request(folder)
        if request == "run":
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
        # Without a request the system ended it; its state is then "interrupted".
        reporter.report("Paused." if not reporter.terminated else "Ended by the system.")
    except UserError as error:
        reporter.report(str(error), "failed")
    except OSError as error:
        _log_traceback()
        location = f"{error.filename}: " if error.filename else ""
        why = f"{location}{reason_of(error)}"
        reporter.report(
            f"{why}; check the free disk space and write permission in {folder}, then resume the training.",
            "failed",
        )
    except Exception as error:  # noqa: BLE001 - told in the status of the job
        _log_traceback()
        text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        reporter.report(f"The training failed ({text}); resume it, or see log.txt in {folder}.", "failed")


def _log_traceback() -> None:
    with suppress(OSError):
        traceback.print_exc()


def _train(folder: Path, spec: JobSpec, reporter: Reporter) -> str:
    """Train, write the model with its card, compare it with its parent; return a summary."""
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
    """Adapt a model to a hospital, write it and its page; return the result of the comparison."""
    config = spec.config
    data, output = opened(spec.data), folder / MODEL / spec.model
    request = AdaptationRequest(data, folder / RUN, output, config.start, minutes=spec.minutes, seed=config.seed)
    # Left by an attempt that failed later.
    shutil.rmtree(request.output, ignore_errors=True)
    # Before the training: a damaged record is not found out at its end.
    names = owner_names(data.folder)
    reporter.report("Measuring a few steps to plan the time.")
    plan, trainings = plan_for(request)
    adapted = adapt(request, plan, trainings, reporter.planned(plan))
    reporter.status = replace(reporter.status, seconds_left=None)
    reporter.report("Writing the page.")
    write_page(folder / PAGE, request, adapted, names)
    return adapted.comparison.sentence


def device_name() -> str:
    """Return the names of the GPUs that Keras uses, or the CPU with its number of cores."""
    return ", ".join(gpu_names()) or f"CPU, {os.cpu_count()} cores"


if __name__ == "__main__":
    lower_priority()
    run(Path(sys.argv[1]))
