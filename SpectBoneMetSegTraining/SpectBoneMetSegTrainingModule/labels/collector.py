"""Collecting: the labels of the scene piece by piece into files, then all scans by another process."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N803

import shutil
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegModule.panel_texts import panelWords

from ..task_runner import Listener


class Collector:
    """One collecting at a time; `step` is called by a timer."""

    def __init__(self, runner):
        """Take the Runner that has the process."""
        self.runner = runner
        self._folder = None
        self._waiting = []
        self._refused = []
        self._request = {}
        self._listener = None

    @property
    def busy(self):
        """Whether anything is being collected."""
        return self._listener is not None

    def start(self, dataset, labels, labelled, unlabelled, listener, testShare=None):
        """Begin.

        Args:
            dataset: folder of the data set.
            labels: SceneLabels that teach.
            labelled: folders of labelled studies.
            unlabelled: folders of unlabelled scans.
            listener: a Listener.
            testShare: of the labelled patients, kept for the test; None for that of the time before.
        """
        if not dataset:
            raise UserError(_("Choose a folder for the data set."))
        if not labels and not labelled and not unlabelled:
            raise UserError(_("There is nothing to gather: tick outlines of this scene, or add a folder."))
        groups = {}
        for label in labels:
            groups.setdefault(label.scan, []).append(label)
        self._waiting = list(groups.items())
        self._refused = []
        self._folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        folders = {"labelled": list(labelled), "unlabelled": list(unlabelled), "scene": ""}
        self._request = {"data": dataset, "test_share": testShare, **folders}
        self._listener = listener

    def step(self):
        """Store the labels of one scan of the scene; after the last one the process goes on."""
        if not self.busy or self.runner.isRunning("collect"):
            return
        if self._waiting:
            self._stage(*self._waiting.pop(0))
            return
        if any(self._folder.iterdir()):
            self._request["scene"] = str(self._folder)
        listener = Listener(self._done, self._failed, self._listener.onProgress)
        try:
            self.runner.start("collect", self._request, listener)
        except UserError as error:
            self._failed(error)

    def cancel(self):
        """Break it off; the listener hears nothing more."""
        self.runner.cancel("collect")
        self._end()

    def _stage(self, scan, labels):
        from SpectBoneMetSegTrainingLib.gathering.scene_nodes import NodeLabel, labelled_scan
        from SpectBoneMetSegTrainingLib.gathering.staging import stage

        nodes = [NodeLabel(slicer.mrmlScene.GetNodeByID(label.node), label.reader) for label in labels]
        try:
            if any(label.node is None for label in nodes):
                raise UserError(_("It was removed from the scene."))
            stage(labelled_scan(*scan.volumes(), nodes), self._folder)
        except UserError as error:
            self._refused += [[label.name, panelWords(error)] for label in labels]
        except OSError as error:
            self._failed(UserError(_("The labels cannot be stored ({why}).").format(why=error.strerror)))

    def _done(self, answer):
        listener = self._listener
        answer["left_out"] = self._refused + answer["left_out"]
        self._end()
        listener.onDone(answer)

    def _failed(self, error):
        listener, refused = self._listener, self._refused
        self._end()
        words = " ".join([str(error), *(f"{name}: {why}" for name, why in refused)])
        listener.onFailed(UserError(words, *error.fields, command=error.command))

    def _end(self):
        self._listener, self._waiting = None, []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
