"""The module's logic: labelled sets, background trainings and their models, without the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import qt
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot

from .followed_job import FollowedJob
from .labels.collector import Collector, Sources
from .parameter_node import RENAMED_APPROACHES, SpectBoneMetSegTrainingParameterNode
from .reading_module import readingModel, updateModels
from .task_runner import Listener, Runner

if TYPE_CHECKING:
    from SpectBoneMetSegModule.slicer_types import Widget
    from SpectBoneMetSegTrainingLib.jobs.folder import Job, JobSpec, State


#: Interval at which the window polls the other processes, in milliseconds.
POLL_MS = 250
#: A job that is not active is polled only once in so many intervals.
IDLE_POLLS = 8
#: Value of the parent model for random weights; no model can have this name.
RANDOM_WEIGHTS = "<nothing>"
#: Time limit of an adaptation, in minutes.
ADAPT_MINUTES = 30.0
#: States of a job that is running or will run.
ACTIVE: tuple[State, ...] = ("queued", "running")
#: States of a job that waits for its user.
WAITING: tuple[State, ...] = ("paused", "interrupted")


class SpectBoneMetSegTrainingLogic(ScriptedLoadableModuleLogic):
    """Trains without the panel.

    logic = SpectBoneMetSegTrainingLogic()
    job = logic.train("labelled-set", "my-model", pace="quick")
    print(logic.job(job).status)
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.python = shutil.which("PythonSlicer") or sys.executable
        self.runner = Runner(self.python)
        self.collector = Collector(self.runner)
        self.followed: FollowedJob | None = None
        self.onJob: Callable[[FollowedJob], object] | None = None
        self.onBroken: Callable[[], object] | None = None
        self._timer: Widget | None = None
        self._polls = 0

    def getParameterNode(self) -> SpectBoneMetSegTrainingParameterNode:
        """Return the scene's parameter node."""
        node = SpectBoneMetSegTrainingParameterNode(super().getParameterNode())
        if node.approach in RENAMED_APPROACHES:
            node.approach = RENAMED_APPROACHES[node.approach]
        return node

    @staticmethod
    def defaultDataset() -> str:
        """Return the default folder of the data set; empty before the packages are installed."""
        try:
            import platformdirs

            return str(platformdirs.user_data_path("SpectBoneMetSeg") / "labelled-set")
        except (ImportError, RuntimeError):
            return ""

    def collect(self, sources: Sources, listener: Listener) -> None:
        """Collect labels of the scene and folders of scans into a data set, in the background.

        Args:
            sources: the labels and folders, and the data set.
            listener: receives the progress and the answer.

        Raises:
            UserError: there is nothing to collect.
        """
        self.collector.start(sources, listener)
        self.startTimer()

    def spec(
        self,
        dataset: str | Path,
        name: str,
        pace: str = "standard",
        approach: str = "strong",
        start: str = "",
        seed: int = 0,
        steps: int = 0,
    ) -> JobSpec:
        """Return the specification of a training for `submit`.

        Args:
            dataset: folder of the data set.
            name: name of the new model.
            pace: "quick", "standard" or "thorough".
            approach: "semi" (the paper's) or "strong".
            start: parent model; empty for the default one, RANDOM_WEIGHTS for random weights.
            seed: seed of all random numbers.
            steps: number of gradient steps; 0 for the pace's.

        Raises:
            UserError: no folder, no such pace, approach or model, or a name that no model can have.
        """
        from SpectBoneMetSegLib.model.store import default_model_name
        from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
        from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec
        from SpectBoneMetSegTrainingLib.training.setup.presets import Approach, Pace, preset

        self.checkName(dataset, name)
        folder = Path(dataset)
        parent = None if start == RANDOM_WEIGHTS else start or default_model_name()
        paces: dict[str, Pace] = {known: known for known in get_args(Pace)}
        approaches: dict[str, Approach] = {known: known for known in get_args(Approach)}
        approach = RENAMED_APPROACHES.get(approach, approach)
        if pace not in paces or approach not in approaches:
            name = pace if pace not in paces else approach
            raise UserError(
                _("There is no choice {name!r}: choose training length and method again.").format(name=name)
            )
        config = preset(
            paces[pace], approaches[approach], parent, seed, unlabelled=bool(cases_of(folder, "unlabelled"))
        )
        return JobSpec(folder, name, replace(config, steps=steps) if steps else config)

    def adaptation(self, dataset: str | Path, name: str, minutes: float = ADAPT_MINUTES, seed: int = 0) -> JobSpec:
        """Return the specification, for `submit`, that adapts the reading module's model to a data set.

        Args:
            dataset: folder of the data set.
            name: name of the new model.
            minutes: time limit.
            seed: seed of all random numbers.

        Raises:
            UserError: no folder, or a name that no model can have.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec
        from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

        self.checkName(dataset, name)
        config = TrainingConfig(start=readingModel(), seed=seed)
        return JobSpec(Path(dataset), name, config, minutes=minutes)

    @staticmethod
    def checkName(dataset: str | Path, name: str) -> None:
        """Check that there are a data set and a valid name, before anything starts.

        Raises:
            UserError: no folder, or a name that no model can have.
        """
        from SpectBoneMetSegLib.model.card import MODEL_NAME

        if not str(dataset):
            raise UserError(_("There are no training data yet: gather labelled scans first."))
        if not MODEL_NAME.fullmatch(name):
            raise UserError(_("Give the new model a name of letters, digits, '.', '_' and '-'."))

    def train(self, dataset: str | Path, name: str, **choices: Any) -> str:
        """Queue a training, which runs in a separate process; return the job's name.

        Args:
            dataset: as in `spec`.
            name: as in `spec`.
            choices: as in `spec`.

        Raises:
            UserError: it cannot be trained.
        """
        return self.submit(self.spec(dataset, name, **choices))

    def submit(self, spec: JobSpec) -> str:
        """Queue a job; return its name.

        Raises:
            UserError: the job cannot be written.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import start_job

        return start_job(spec, python=self.python).name

    def jobs(self) -> list[Job]:
        """Return all jobs of this computer's user, oldest first."""
        from SpectBoneMetSegTrainingLib.jobs.queue import list_jobs

        try:
            return list_jobs()
        except ImportError:
            # Before the packages are installed nothing can have been trained.
            return []

    def job(self, name: str) -> Job:
        """Return a job by its name.

        Raises:
            UserError: there is no such job.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import find_job

        return find_job(name)

    def pause(self, name: str) -> None:
        """End a job after a checkpoint, to be resumed later.

        Raises:
            UserError: it has ended.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import pause_job

        pause_job(self.job(name).folder)

    def resume(self, name: str) -> None:
        """Resume a job.

        Raises:
            UserError: it is running, queued or finished.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import resume_job

        resume_job(self.job(name).folder)

    def stop(self, name: str) -> None:
        """End a job at once; its last checkpoint is kept.

        Raises:
            UserError: it has ended.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import stop_job

        stop_job(self.job(name).folder)

    def remove(self, name: str) -> None:
        """Delete a job that is not running.

        Raises:
            UserError: it is running.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import delete_job

        delete_job(self.job(name).folder)
        if self.followed is not None and self.followed.name == name:
            self.followed = None

    def latestJob(self) -> str:
        """Return the name of the job to show first: a running, queued or waiting one, else the newest; "" for none."""
        jobs = self.jobs()
        priorities: tuple[tuple[State, ...], ...] = (("running",), ("queued",), WAITING, ())
        for states in priorities:
            found = [job for job in jobs if not states or job.status.state in states]
            if found:
                return found[-1].folder.name
        return ""

    def follow(self, name: str) -> None:
        """Report the progress of a job to `onJob`; an empty name ends the reports.

        Raises:
            UserError: there is no such job.
        """
        self.followed = FollowedJob(self.job(name).folder) if name else None
        self.startTimer()

    @staticmethod
    def use(folder: str | Path, name: str = "", evenIfWorse: bool = False) -> str:
        """Install a finished model in the user's model store and choose it in the reading module; return its name.

        Args:
            folder: folder of the model.
            name: its name in the list; empty for its own.
            evenIfWorse: whether to install it even if it is worse than its parent.

        Raises:
            UserError: it is worse than its parent, damaged, or has the name of another model.
        """
        from SpectBoneMetSegTrainingLib.training.outcome.promotion import promote

        installed = promote(Path(folder), name or None, even_if_worse=evenIfWorse).card.name
        updateModels(installed)
        return installed

    @staticmethod
    def openPage(page: str | Path) -> None:
        """Show a page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page)))

    @staticmethod
    def exportModel(folder: str | Path, file: str | Path) -> Path:
        """Write a model as one file; return the file.

        Raises:
            UserError: the model is damaged, or the file cannot be written.
        """
        from SpectBoneMetSegLib.model.archive import export_model
        from SpectBoneMetSegLib.model.store import read_model

        # The dialog that asked for the file has asked whether to replace it.
        return export_model(read_model(Path(folder)), Path(file), replace=True)

    @staticmethod
    def importModel(file: str | Path) -> str:
        """Verify a model in a file and add it to the reading module's list; return its name.

        Raises:
            UserError: it is not a model or a damaged one, or has the name of another model.
        """
        from SpectBoneMetSegLib.model.archive import import_model

        name = import_model(Path(file)).card.name
        updateModels()
        return name

    def call(self, name: str, arguments: Mapping[str, Any], listener: Listener) -> None:
        """Run a task in a separate process.

        Args:
            name: a task of `SpectBoneMetSegTrainingLib.tasks.actions.TASKS`.
            arguments: its arguments, JSON values.
            listener: receives the progress and the answer.

        Raises:
            UserError: the process cannot be started.
        """
        self.runner.start(name, arguments, listener)
        self.startTimer()

    def startTimer(self) -> None:
        """Start polling calls and jobs."""
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.setInterval(POLL_MS)
            self._timer.connect("timeout()", self.onTimer)
        self._timer.start()

    @slot
    def onTimer(self) -> None:
        """Poll the other processes."""
        self.poll()

    def recover(self) -> None:
        """End all calls after an unexpected error; trainings continue."""
        self.close()
        if self.onBroken is not None:
            self.onBroken()

    def poll(self) -> None:
        """Process the events of the other processes."""
        self.collector.step()
        self.runner.poll()
        self._polls += 1
        followed = self.followed
        if followed is not None and self._isDue(followed) and followed.poll() and self.onJob is not None:
            self.onJob(followed)
        if not self.runner.busy and not self.collector.busy and self.followed is None and self._timer is not None:
            self._timer.stop()

    def _isDue(self, followed: FollowedJob) -> bool:
        """Whether to poll the followed job."""
        status = followed.status
        return status is None or status.state in ACTIVE or self._polls % IDLE_POLLS == 0

    def close(self) -> None:
        """End all calls; trainings continue."""
        self.collector.cancel()
        self.runner.close()
        self.followed = None
        if self._timer is not None:
            self._timer.stop()
