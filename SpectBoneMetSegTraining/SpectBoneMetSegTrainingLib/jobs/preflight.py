"""Checks before a training starts: labels, disk space, memory, time. No TensorFlow here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from SpectBoneMetSegLib.common.dates import duration
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.memory import free_memory_mb
from SpectBoneMetSegLib.common.plural import pluralize
from SpectBoneMetSegLib.model.store import list_models

from ..dataset.budgets import patients_of
from ..dataset.opened import DataSet, opened
from ..dataset.sealed import is_sealed
from ..training.setup.cases import TrainingCases, stored_patients, training_cases
from ..training.setup.config import MIXED
from ..training.setup.fine_tuning import with_start
from .folder import JOBS_VARIABLE, JobSpec
from .queue import jobs_folder, list_jobs
from .trial import TrialResult

__all__ = ["CheckResult", "check_before", "may_start"]

Level = Literal["ok", "warning", "refusal"]

#: Fewer labelled patients than this for training, or for validation, cause a warning.
FEW_TRAINING, FEW_VALIDATION = 10, 8
#: Free bytes for checkpoints, logs and pictures: below the first a training is refused, below the second warned of.
DISK_MINIMUM, DISK_COMFORT = 5 * 10**8, 2 * 10**9
#: Memory of a training that was not measured by a trial, and memory that should stay free in addition (MB).
USUAL_MEMORY_MB, SPARE_MEMORY_MB = 2500.0, 1000.0
#: Longer trainings (hours) cause a warning.
LONG_HOURS = 12.0


@dataclass(frozen=True)
class CheckResult:
    """Result of one check.

    Attributes:
        level: "ok", "warning" or "refusal".
        about: subject of the check.
        sentence: message for the user.
    """

    level: Level
    about: str
    sentence: str


def may_start(findings: Sequence[CheckResult]) -> bool:
    """Return whether no finding is a refusal."""
    return all(finding.level != "refusal" for finding in findings)


def check_before(spec: JobSpec, jobs: Path | None = None, trial: TrialResult | None = None) -> list[CheckResult]:
    """Check the requirements of a training.

    Args:
        spec: the training.
        jobs: folder of the jobs, as in `queue.start_job`.
        trial: measured memory and time of this training.

    Returns:
        Findings in reading order; a refusal of the data is the only one.
    """
    data = opened(spec.data)
    if is_sealed(spec.data):
        return [
            CheckResult("refusal", "data", f"{spec.data} is a sealed test and is never trained on; choose another.")
        ]
    try:
        config = with_start(spec.config)
        config.check()
        cases = training_cases(data, config)
        stored_patients(config)
    except UserError as error:
        return [CheckResult("refusal", "data", str(error))]
    findings = [
        *_labels(data, spec, cases),
        _validation(data, cases),
        _name(spec.model),
        _disk(jobs_folder(jobs)),
        *_memory(trial),
        *_queue(jobs),
    ]
    return findings + ([_time(spec, trial)] if trial else [])


def _labels(data: DataSet, spec: JobSpec, cases: TrainingCases) -> list[CheckResult]:
    patients = patients_of(data)
    patient_count = len({patients[case] for case in cases.labelled})
    lesions = _lesions(data, cases.labelled)
    method = spec.config.method
    found = []
    if method == "unsupervised":
        text = f"Labels are used for validation only; training set: {pluralize(len(cases.unlabelled), 'scan')}."
        found.append(CheckResult("ok", "labels", text))
    elif not lesions:
        text = "No training scan has a labelled lesion; correct or draw some lesions first."
        found.append(CheckResult("refusal", "labels", text))
    else:
        scans = pluralize(len(cases.labelled), "labelled scan")
        text = f"{scans} of {pluralize(patient_count, 'patient')} with {pluralize(lesions, 'lesion')} for training."
        few = patient_count < FEW_TRAINING
        more = f" With fewer than {FEW_TRAINING} labelled patients, expect little improvement." if few else ""
        found.append(CheckResult("warning" if few else "ok", "labels", text + more))
    if method in MIXED:
        found.append(
            CheckResult("ok", "unlabelled scans", f"In addition {pluralize(len(cases.unlabelled), 'unlabelled scan')}.")
        )
    return found


def _lesions(data: DataSet, names: Sequence[str]) -> int:
    """Count the lesions of labelled cases."""
    return sum(len(data.json("instances", f"{case}.json")["lesions"]) for case in names)


def _validation(data: DataSet, cases: TrainingCases) -> CheckResult:
    patients = patients_of(data)
    patient_count = len({patients[case] for case in cases.validation})
    if not patient_count:
        text = (
            "No patient is left for validation: the best checkpoint and the thresholds cannot be chosen without bias."
        )
        return CheckResult("warning", "validation", text)
    if not _lesions(data, cases.validation):
        text = f"No validation patient (of {patient_count}) has a lesion: the new model cannot be evaluated."
        return CheckResult("warning", "validation", text)
    if patient_count < FEW_VALIDATION:
        text = f"Validation patients: {patient_count}, too few to show that the new model is better than its parent."
        return CheckResult("warning", "validation", text)
    return CheckResult("ok", "validation", f"Validation on {len(cases.validation)} scans of {patient_count} patients.")


def _name(name: str) -> CheckResult:
    if any(model.path.name == name for model in list_models()):
        text = f"A model named {name!r} exists already; give the new one another name before using it."
        return CheckResult("warning", "name", text)
    return CheckResult("ok", "name", f"The name {name!r} is free.")


def _disk(folder: Path) -> CheckResult:
    existing = next(folder for folder in (folder, *folder.parents) if folder.exists())
    try:
        tempfile.TemporaryDirectory(prefix=".SpectBoneMetSeg-", dir=existing).cleanup()
    except OSError as error:
        text = f"The job cannot be written to {folder} ({reason_of(error)}); name another folder in {JOBS_VARIABLE}."
        return CheckResult("refusal", "disk", text)
    free = shutil.disk_usage(existing).free
    text = f"{free / 1e9:.1f} GB are free for the job in {folder}."
    if free < DISK_MINIMUM:
        return CheckResult("refusal", "disk", f"Only {text} Free {DISK_MINIMUM / 1e9:.1f} GB or more first.")
    return CheckResult("ok" if free >= DISK_COMFORT else "warning", "disk", text)


def _memory(trial: TrialResult | None) -> list[CheckResult]:
    free = free_memory_mb()
    if free is None:
        return []
    needed = trial.memory_mb if trial and trial.memory_mb else USUAL_MEMORY_MB
    text = f"The training needs about {needed / 1000:.1f} GB of memory, {free / 1000:.1f} GB are free."
    if needed > free:
        return [CheckResult("warning", "memory", f"{text} Close other programs, or choose a smaller patch or batch.")]
    return [CheckResult("ok" if needed + SPARE_MEMORY_MB <= free else "warning", "memory", text)]


def _queue(jobs: Path | None) -> list[CheckResult]:
    before = [job for job in list_jobs(jobs) if job.status.state in ("queued", "running")]
    if not before:
        return []
    text = f"{len(before)} training{'s' if len(before) > 1 else ''} will run first; then this one starts automatically."
    return [CheckResult("warning", "queue", text)]


def _time(spec: JobSpec, trial: TrialResult) -> CheckResult:
    seconds = trial.seconds(spec.config.steps, spec.config.validate_every)
    text = f"It takes about {duration(seconds)} on {trial.device}, less if it stops early."
    return CheckResult("warning" if seconds > LONG_HOURS * 3600 else "ok", "time", text)
