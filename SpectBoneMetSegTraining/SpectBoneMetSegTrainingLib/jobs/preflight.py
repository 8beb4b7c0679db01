"""What to know before a training starts: labels, room on the disk, memory, time. No TensorFlow here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.memory import free_memory_mb
from SpectBoneMetSegLib.common.plural import several
from SpectBoneMetSegLib.model.store import list_models

from ..dataset.budgets import patients_of
from ..dataset.opened import DataSet, opened
from ..dataset.sealed import is_sealed
from ..training.setup.cases import TrainingCases, training_cases
from ..training.setup.config import MIXED
from ..training.setup.fine_tuning import with_start
from .folder import JOBS_VARIABLE, JobSpec
from .queue import jobs_folder, list_jobs
from .trial import TrialResult

__all__ = ["Finding", "check_before", "may_start"]

Level = Literal["ok", "warning", "refusal"]

#: With fewer labelled patients than this to learn from, or to validate, the figures say little.
FEW_TRAINING, FEW_VALIDATION = 10, 8
#: Bytes: a run writes checkpoints, logs and pictures; below the first nothing is started.
DISK_LEAST, DISK_COMFORT = 5 * 10**8, 2 * 10**9
#: MB that a training takes where no trial has measured it, and that should stay free beside it.
USUAL_MEMORY_MB, SPARE_MEMORY_MB = 2500.0, 1000.0
#: A training of so many hours deserves a warning.
LONG_HOURS = 12.0


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: how it stands, what it is about, a sentence for the user."""

    level: Level
    about: str
    sentence: str


def may_start(findings: Sequence[Finding]) -> bool:
    """Whether nothing forbids the training."""
    return all(finding.level != "refusal" for finding in findings)


def check_before(spec: JobSpec, jobs: Path | None = None, trial: TrialResult | None = None) -> list[Finding]:
    """Check what a training needs.

    Args:
        spec: what would be trained.
        jobs: as in `queue.start_job`.
        trial: of this training, for memory and time.

    Returns:
        Findings in the order a user reads them; refusals stop where the rest makes no sense.
    """
    data = opened(spec.data)
    if is_sealed(spec.data):
        return [Finding("refusal", "data", f"{spec.data} is a sealed test and is never trained on; choose another.")]
    try:
        config = with_start(spec.config)
        config.check()
        cases = training_cases(data, config)
    except UserError as error:
        return [Finding("refusal", "data", str(error))]
    findings = [
        *_labels(data, spec, cases),
        _validation(data, cases),
        _name(spec.model),
        _disk(jobs_folder(jobs)),
        *_memory(trial),
        *_queue(jobs),
    ]
    return findings + ([_time(spec, trial)] if trial else [])


def _labels(data: DataSet, spec: JobSpec, cases: TrainingCases) -> list[Finding]:
    patients = patients_of(data)
    people = len({patients[case] for case in cases.labelled})
    lesions = _lesions(data, cases.labelled)
    method = spec.config.method
    found = []
    if method == "unsupervised":
        words = f"Labels are used for validation only; learnt from: {several(len(cases.unlabelled), 'scan')}."
        found.append(Finding("ok", "labels", words))
    elif not lesions:
        words = "No scan to learn from has a labelled lesion; correct or draw some lesions first."
        found.append(Finding("refusal", "labels", words))
    else:
        scans = several(len(cases.labelled), "labelled scan")
        words = f"{scans} of {several(people, 'patient')} with {several(lesions, 'lesion')} to learn from."
        few = people < FEW_TRAINING
        more = f" That is few: with less than {FEW_TRAINING} patients expect little." if few else ""
        found.append(Finding("warning" if few else "ok", "labels", words + more))
    if method in MIXED:
        found.append(
            Finding("ok", "unlabelled scans", f"To these come {several(len(cases.unlabelled), 'unlabelled scan')}.")
        )
    return found


def _lesions(data: DataSet, names: Sequence[str]) -> int:
    """How many lesions some labelled cases have."""
    return sum(len(data.json("instances", f"{case}.json")["lesions"]) for case in names)


def _validation(data: DataSet, cases: TrainingCases) -> Finding:
    patients = patients_of(data)
    people = len({patients[case] for case in cases.validation})
    if not people:
        words = "No patient is left to validate: the best moment to stop and the thresholds cannot be chosen fairly."
        return Finding("warning", "validation", words)
    if not _lesions(data, cases.validation):
        words = (
            f"No patient who validates ({people} in all) has a lesion: the figures of the new model would say nothing."
        )
        return Finding("warning", "validation", words)
    if people < FEW_VALIDATION:
        words = f"Patients who validate: {people}, too few to find the new model better than its parent."
        return Finding("warning", "validation", words)
    return Finding("ok", "validation", f"{len(cases.validation)} scans of {people} patients validate.")


def _name(name: str) -> Finding:
    if any(model.path.name == name for model in list_models()):
        words = f"There is a model {name!r} already; the new one must be given another name before it is used."
        return Finding("warning", "name", words)
    return Finding("ok", "name", f"The name {name!r} is free.")


def _disk(place: Path) -> Finding:
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".SpectBoneMetSeg-", dir=existing).cleanup()
    except OSError as error:
        words = f"The job cannot be written to {place} ({error.strerror}); name another folder in {JOBS_VARIABLE}."
        return Finding("refusal", "disk", words)
    free = shutil.disk_usage(existing).free
    words = f"{free / 1e9:.1f} GB are free for the job in {place}."
    if free < DISK_LEAST:
        return Finding("refusal", "disk", f"Only {words} Free {DISK_LEAST / 1e9:.1f} GB or more first.")
    return Finding("ok" if free >= DISK_COMFORT else "warning", "disk", words)


def _memory(trial: TrialResult | None) -> list[Finding]:
    free = free_memory_mb()
    if free is None:
        return []
    needed = trial.memory_mb if trial and trial.memory_mb else USUAL_MEMORY_MB
    words = f"The training takes about {needed / 1000:.1f} GB of memory, {free / 1000:.1f} GB are free."
    if needed > free:
        return [Finding("warning", "memory", f"{words} Close other programs, or choose a smaller patch or batch.")]
    return [Finding("ok" if needed + SPARE_MEMORY_MB <= free else "warning", "memory", words)]


def _queue(jobs: Path | None) -> list[Finding]:
    before = [job for job in list_jobs(jobs) if job.status.state in ("queued", "running")]
    if not before:
        return []
    words = f"{len(before)} training{'s' if len(before) > 1 else ''} will run first; this one starts by itself then."
    return [Finding("warning", "queue", words)]


def _time(spec: JobSpec, trial: TrialResult) -> Finding:
    seconds = trial.seconds(spec.config.steps, spec.config.validate_every)
    words = f"It takes about {duration_text(seconds)} on {trial.device}, less if it stops early."
    return Finding("warning" if seconds > LONG_HOURS * 3600 else "ok", "time", words)


def duration_text(seconds: float) -> str:
    """A duration for people: "40 seconds", "12 minutes", "3.5 hours"."""
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
