"""The module's logic: labelled sets, background trainings and their models, without the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N815

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.problems import slot

from .followed_job import FollowedJob
from .labels.collector import Collector
from .task_runner import Runner

#: How often the window looks for what the other processes said, in milliseconds.
POLL_MS = 250
#: A training that does nothing is looked at once in so many times.
SELDOM = 8
#: Start of a training from random weights; no model can have this name.
NOTHING = "<nothing>"
#: What an adaptation may take.
ADAPT_MINUTES = 30.0
#: A job in one of these states is at work or will be.
ACTIVE = ("queued", "running")
#: A job in one of these states waits for its user.
WAITING = ("paused", "interrupted")


@parameterNodeWrapper
class SpectBoneMetSegTrainingParameterNode:
    """What the panel remembers. Folders are listed one a line; labels to train on are marked on their nodes.

    The share of the patients kept for the test is in percent, 0 for that of the time before.
    """

    dataset: str = ""
    labelledFolders: str = ""
    unlabelledFolders: str = ""
    testShare: int = 0
    pace: str = "standard"
    approach: str = "strong"
    start: str = ""
    name: str = ""
    adaptName: str = ""
    seed: int = 0
    steps: int = 0
    job: str = ""
    ranker: str = ""


class SpectBoneMetSegTrainingLogic(ScriptedLoadableModuleLogic):
    """Trains without the panel.

    logic = SpectBoneMetSegTrainingLogic()
    job = logic.train("labelled-set", "my-model", pace="quick")
    print(logic.job(job).status)
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self.python = shutil.which("PythonSlicer") or sys.executable
        self.runner = Runner(self.python)
        self.collector = Collector(self.runner)
        self.followed = None
        self.onJob = self.onBroken = None
        self._timer = None
        self._polls = 0

    def getParameterNode(self):
        """The scene's parameter node."""
        return SpectBoneMetSegTrainingParameterNode(super().getParameterNode())

    @staticmethod
    def defaultDataset():
        """The folder to collect in unless another is chosen; empty before the packages are installed."""
        try:
            import platformdirs

            return str(platformdirs.user_data_path("SpectBoneMetSeg") / "labelled-set")
        except (ImportError, RuntimeError):
            return ""

    def collect(self, dataset, labels, labelled, unlabelled, listener, testShare=None):
        """Collect labels of the scene and folders of scans into a data set, in the background.

        Args:
            dataset: its folder.
            labels: SceneLabels.
            labelled: folders of labelled studies.
            unlabelled: folders of unlabelled scans.
            listener: a Listener.
            testShare: of the labelled patients, kept for the test; None for that of the time before.

        Raises:
            UserError: there is nothing to collect.
        """
        self.collector.start(dataset, labels, labelled, unlabelled, listener, testShare)
        self.startTimer()

    def spec(self, dataset, name, pace="standard", approach="strong", start="", seed=0, steps=0):
        """What a training is to do, a JobSpec.

        Args:
            dataset: folder of the data set.
            name: of the new model.
            pace: "quick", "standard" or "thorough".
            approach: "semi" (the paper's) or "strong".
            start: parent model; empty for the default one, NOTHING for none.
            seed: of everything that is drawn.
            steps: 0 for the pace's.

        Raises:
            UserError: no folder, no such model, or a name that no model can have.
        """
        from SpectBoneMetSegLib.model.store import default_model_name
        from SpectBoneMetSegTrainingLib.dataset.cases import cases_of
        from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec
        from SpectBoneMetSegTrainingLib.training.setup.presets import preset

        self.checkName(dataset, name)
        folder = Path(dataset)
        parent = None if start == NOTHING else start or default_model_name()
        # Scenes of earlier versions call it otherwise.
        approach = "semi" if approach == "faithful" else approach
        config = preset(pace, approach, parent, bool(cases_of(folder, "unlabelled")), seed)
        return JobSpec(folder, name, replace(config, steps=steps) if steps else config)

    def adaptation(self, dataset, name, minutes=ADAPT_MINUTES, seed=0):
        """How the model that reads is adapted to a data set, a JobSpec for `submit`: all else is chosen by itself.

        Args:
            dataset: folder of the data set.
            name: of the new model.
            minutes: that all of it may take.
            seed: of everything that is drawn.

        Raises:
            UserError: no folder, or a name that no model can have.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import JobSpec
        from SpectBoneMetSegTrainingLib.training.setup.config import TrainingConfig

        self.checkName(dataset, name)
        config = TrainingConfig(start=self.readingModel(), seed=seed)
        return JobSpec(Path(dataset), name, config, minutes=minutes)

    @staticmethod
    def readingModel():
        """The name of the model chosen in the reading module; of the default one where none is chosen."""
        from SpectBoneMetSegLib.model import store

        chosen, _engine, _device = slicer.util.getModuleWidget("SpectBoneMetSeg").choices.current()
        return chosen or store.default_model_name()

    @staticmethod
    def checkName(dataset, name):
        """Refuse to begin without scans or a name.

        Raises:
            UserError: no folder, or a name that no model can have.
        """
        from SpectBoneMetSegLib.model.card import MODEL_NAME

        if not str(dataset):
            raise UserError(_("There are no training data yet: gather labelled scans first."))
        if not MODEL_NAME.fullmatch(name):
            raise UserError(_("Give the new model a name of letters, digits, '.', '_' and '-'."))

    def train(self, dataset, name, **choices):
        """Queue a training; it runs in a separate process. Returns the job's name.

        Args:
            dataset: as in `spec`.
            name: as in `spec`.
            choices: as in `spec`.

        Raises:
            UserError: it cannot be trained.
        """
        return self.submit(self.spec(dataset, name, **choices))

    def submit(self, spec):
        """Queue what `spec` gave; returns the job's name.

        Raises:
            UserError: the job cannot be written.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import start_job

        return start_job(spec, python=self.python).name

    def jobs(self):
        """All jobs of this computer's user, oldest first."""
        from SpectBoneMetSegTrainingLib.jobs.queue import list_jobs

        try:
            return list_jobs()
        except ImportError:
            # Before the packages are installed nothing can have been trained.
            return []

    def job(self, name):
        """A job by its name.

        Raises:
            UserError: there is none.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import find_job

        return find_job(name)

    def pause(self, name):
        """Have a job end after a checkpoint, to be resumed later.

        Raises:
            UserError: it has ended.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import pause_job

        pause_job(self.job(name).folder)

    def resume(self, name):
        """Resume a job.

        Raises:
            UserError: it runs, waits, or has its model.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import resume_job

        resume_job(self.job(name).folder)

    def stop(self, name):
        """End a job at once; its last checkpoint stays.

        Raises:
            UserError: it has ended.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import stop_job

        stop_job(self.job(name).folder)

    def remove(self, name):
        """Delete a job that does not run.

        Raises:
            UserError: it runs.
        """
        from SpectBoneMetSegTrainingLib.jobs.queue import delete_job

        delete_job(self.job(name).folder)
        if self.followed is not None and self.followed.name == name:
            self.followed = None

    def latestJob(self):
        """Return the name of the job to show first: one at work, one to be resumed, else the newest; "" for none."""
        jobs = self.jobs()
        for states in (("running",), ("queued",), WAITING, ()):
            found = [job for job in jobs if not states or job.status.state in states]
            if found:
                return found[-1].folder.name
        return ""

    def follow(self, name):
        """Report the progress of a job to `onJob`; an empty name ends that."""
        self.followed = FollowedJob(self.job(name).folder) if name else None
        self.startTimer()

    @staticmethod
    def openInReading(files, model="", read=False):
        """Open a scan in the reading module.

        Args:
            files: of one scan.
            model: to choose there; empty for the one chosen.
            read: whether to outline at once.

        Raises:
            UserError: the scan cannot be read.
        """
        slicer.util.selectModule("SpectBoneMetSeg")
        panel = slicer.util.getModuleWidget("SpectBoneMetSeg")
        panel.openScan(list(files))
        if model:
            panel.fillModels(model)
        if read:
            panel.onApplyOrCancel()

    @staticmethod
    def use(folder, name="", evenIfWorse=False):
        """Put a finished model into the user's store and choose it in the reading module; returns its name.

        Args:
            folder: the model.
            name: to list it under; empty for its own.
            evenIfWorse: also a worse one.

        Raises:
            UserError: it is worse than its parent, damaged, or has the name of another model.
        """
        from SpectBoneMetSegTrainingLib.training.outcome.promotion import promote

        name = promote(Path(folder), name or None, evenIfWorse).card.name
        slicer.util.getModuleWidget("SpectBoneMetSeg").fillModels(name)
        return name

    @staticmethod
    def openPage(page):
        """Show a page in the browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(page)))

    @staticmethod
    def exportModel(folder, file):
        """Write a model as one file; returns the file.

        Raises:
            UserError: the model is damaged, or the file cannot be written.
        """
        from SpectBoneMetSegLib.model.archive import export_model
        from SpectBoneMetSegLib.model.store import read_model

        return export_model(read_model(folder), Path(file))

    @staticmethod
    def importModel(file):
        """Verify a model from a file and put it on the reading module's list; returns its name.

        Raises:
            UserError: it is no model or a damaged one, or has the name of another model.
        """
        from SpectBoneMetSegLib.model.archive import import_model

        name = import_model(Path(file)).card.name
        slicer.util.getModuleWidget("SpectBoneMetSeg").fillModels()
        return name

    def call(self, name, arguments, listener):
        """Have a task done in a separate process.

        Args:
            name: of `SpectBoneMetSegTrainingLib.tasks.actions.TASKS`.
            arguments: plain JSON values.
            listener: a Listener.

        Raises:
            UserError: the process cannot be started.
        """
        self.runner.start(name, arguments, listener)
        self.startTimer()

    def startTimer(self):
        """Start polling calls and jobs."""
        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.setInterval(POLL_MS)
            self._timer.connect("timeout()", self.onTimer)
        self._timer.start()

    @slot
    def onTimer(self):
        """Poll the other processes."""
        self.poll()

    def recover(self):
        """After an unforeseen error nothing is called or followed any more; trainings go on."""
        self.close()
        if self.onBroken is not None:
            self.onBroken()

    def poll(self):
        """Process the events of the other processes."""
        self.collector.step()
        self.runner.poll()
        self._polls += 1
        if self._isDue() and self.followed.look() and self.onJob is not None:
            self.onJob(self.followed)
        if not self.runner.busy and not self.collector.busy and self.followed is None and self._timer is not None:
            self._timer.stop()

    def _isDue(self):
        """Whether to poll the followed job."""
        if self.followed is None:
            return False
        status = self.followed.status
        return status is None or status.state in ACTIVE or self._polls % SELDOM == 0

    def close(self):
        """End all calls; trainings go on."""
        self.collector.cancel()
        self.runner.close()
        self.followed = None
        if self._timer is not None:
            self._timer.stop()
