"""A background training as the panel follows it."""

# Names follow Slicer's own: camelCase methods and arguments.

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from SpectBoneMetSegTrainingLib.jobs.curves import Array
    from SpectBoneMetSegTrainingLib.jobs.folder import JobStatus


class FollowedJob:
    """Collects the events of a job since its start.

    Attributes:
        folder: folder of the job.
        name: name of the job.
        status: current status; None before the first poll.
        losses: (n, 2) steps with loss.
        validations: (n, 2) steps with DSC on the validation scans.
        picture: file of the newest predictions; None before the first.
        hasCurves: whether the last poll brought new curves.
        hasPicture: whether it brought a new picture.
    """

    def __init__(self, folder: Path) -> None:
        """Follow the job in a folder."""
        from SpectBoneMetSegTrainingLib.jobs.queue import JobWatch

        self.folder, self.name = folder, folder.name
        self._watch = JobWatch(folder)
        self.losses: Array = np.zeros((0, 2))
        self.validations: Array = np.zeros((0, 2))
        self.status: JobStatus | None = None
        self.picture: Path | None = None
        self.hasCurves = self.hasPicture = False

    def poll(self) -> bool:
        """Read new events; return True if there are any."""
        update = self._watch.poll()
        changed = update.status != self.status
        self.hasCurves = update.restarted or len(update.loss) > 0 or len(update.validation) > 0
        self.hasPicture = update.picture is not None
        if update.restarted:
            self.losses = self.validations = np.zeros((0, 2))
        self.losses = np.concatenate([self.losses, update.loss])
        self.validations = np.concatenate([self.validations, update.validation])
        self.picture = update.picture or self.picture
        self.status = update.status
        return changed or self.hasCurves or self.hasPicture

    @property
    def message(self) -> str:
        """Return the message of the job's status, empty before the first poll."""
        return self.status.message if self.status is not None else ""

    @property
    def model(self) -> Path | None:
        """Return the folder of the finished model, None before."""
        from SpectBoneMetSegTrainingLib.jobs.queue import read_job

        return read_job(self.folder).model

    @property
    def page(self) -> Path | None:
        """Return the page of a finished adaptation, None without one."""
        from SpectBoneMetSegTrainingLib.jobs.queue import read_job

        return read_job(self.folder).page
