"""A job to be queued, and waiting for its result."""

from __future__ import annotations

import time
from pathlib import Path

from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.jobs import folder as job_folder
from SpectBoneMetSegTrainingLib.jobs import queue as job
from SpectBoneMetSegTrainingLib.jobs.queue import (
    JobSpec,
    read_job,
    start_next,
)
from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)


def spec(data: Path = Path("nowhere"), steps: int = 10, model: str = "tiny", **changes: str) -> JobSpec:
    config = TrainingConfig(steps=steps, batch=4, patch=32, seed=3, network=NETWORK, validate_every=3, patience=0)
    return JobSpec(data, model, config, **changes)


def until(folder: Path, *states: str, step: int = 0, seconds: float = 900) -> job.JobStatus:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        start_next(folder.parent)
        status = read_job(folder).status
        if status.state in states and status.step >= step:
            return status
        time.sleep(0.02)
    raise AssertionError(f"{status} instead of {states}; {job_folder.last_log_line(folder)}")
