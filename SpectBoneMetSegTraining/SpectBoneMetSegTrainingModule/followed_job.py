"""A background training as the panel follows it."""

# Names follow Slicer's own: camelCase methods and arguments.

import numpy as np


class FollowedJob:
    """Collects the events of a job since its start.

    Attributes:
        name: of the job.
        status: as it stands.
        model: folder of the finished model, None before.
        losses: (n, 2) steps with loss.
        looks: (n, 2) steps with DSC on the validation scans.
        picture: file of the newest predictions, None before the first.
        hasCurves: whether the last look brought new curves.
        hasPicture: whether it brought a new picture.
    """

    def __init__(self, folder):
        """Follow the job in a folder."""
        from SpectBoneMetSegTrainingLib.jobs.queue import JobWatch

        self.folder, self.name = folder, folder.name
        self._watch = JobWatch(folder)
        self.losses = self.looks = np.zeros((0, 2))
        self.status = self.picture = None
        self.hasCurves = self.hasPicture = False

    def look(self):
        """Read new events; return True if there are any."""
        update = self._watch.poll()
        changed = update.status != self.status
        self.hasCurves = update.restarted or len(update.loss) > 0 or len(update.validation) > 0
        self.hasPicture = update.picture is not None
        if update.restarted:
            self.losses = self.looks = np.zeros((0, 2))
        self.losses = np.concatenate([self.losses, update.loss])
        self.looks = np.concatenate([self.looks, update.validation])
        self.picture = update.picture or self.picture
        self.status = update.status
        return changed or self.hasCurves or self.hasPicture

    @property
    def model(self):
        """Folder of the finished model, None before."""
        from SpectBoneMetSegTrainingLib.jobs.queue import read_job

        return read_job(self.folder).model

    @property
    def page(self):
        """The page of a finished adaptation, None without one."""
        from SpectBoneMetSegTrainingLib.jobs.queue import read_job

        return read_job(self.folder).page
