"""Collecting: labels of the scene are stored in files scan by scan, then another process gathers all scans."""

# Names follow Slicer's own: camelCase methods and arguments.

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegModule.panel_texts import panelWords

from ..task_runner import Listener
from .scene_labels import labelNode

if TYPE_CHECKING:
    from SpectBoneMetSegLib.common.calls import Values

    from ..task_runner import Runner
    from .scene_labels import SceneLabel, SceneScan


@dataclass(frozen=True)
class Sources:
    """What is collected into a data set.

    Attributes:
        dataset: folder of the data set.
        labels: labels of the scene to train on; one whose scan is unknown is left out with the reason.
        labelled: folders of labelled studies.
        unlabelled: folders of unlabelled scans.
        test_share: share of the labelled patients kept for the test; None keeps the share of the last gathering.
    """

    dataset: str
    labels: Sequence[SceneLabel] = ()
    labelled: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    test_share: float | None = None


@dataclass
class _Request:
    """What is being collected.

    Attributes:
        arguments: arguments of the process.
        listener: listener of the caller.
        folder: temporary folder for the labels of the scene.
        waiting: scans of the scene with their labels, not stored yet.
        refused: [[name of a label, reason]].
    """

    arguments: dict[str, Any]
    listener: Listener
    folder: Path
    waiting: list[tuple[SceneScan, list[SceneLabel]]]
    refused: list[list[str]]


class Collector:
    """Collects one data set at a time; `step` is called by a timer."""

    def __init__(self, runner: Runner) -> None:
        """Take the runner of the process."""
        self.runner = runner
        self._request: _Request | None = None

    @property
    def busy(self) -> bool:
        """Whether anything is being collected."""
        return self._request is not None

    def start(self, sources: Sources, listener: Listener) -> None:
        """Start collecting, in place of an earlier request; return at once.

        Args:
            sources: the labels and folders, and the data set.
            listener: receives the progress and the answer.

        Raises:
            UserError: there is no folder for the data set, or nothing to collect.
        """
        if not sources.dataset:
            raise UserError(_("Choose a folder for the data set."))
        if not sources.labels and not sources.labelled and not sources.unlabelled:
            raise UserError(_("There is nothing to gather: tick outlines of this scene, or add a folder."))
        self.cancel()
        scans: dict[SceneScan, list[SceneLabel]] = {}
        refused = []
        for label in sources.labels:
            if label.scan is None:
                refused.append([label.name, _("Choose the scan that it was drawn on.")])
            else:
                scans.setdefault(label.scan, []).append(label)
        folder = Path(tempfile.mkdtemp(prefix="SpectBoneMetSeg-"))
        folders = {"labelled": list(sources.labelled), "unlabelled": list(sources.unlabelled), "scene": ""}
        arguments = {"data": sources.dataset, "test_share": sources.test_share, **folders}
        self._request = _Request(arguments, listener, folder, list(scans.items()), refused)

    def step(self) -> None:
        """Store the labels of one scan of the scene; after the last one start the process."""
        request = self._request
        if request is None or self.runner.isRunning("collect"):
            return
        if request.waiting:
            self._stage(request, *request.waiting.pop(0))
            return
        if any(request.folder.iterdir()):
            request.arguments["scene"] = str(request.folder)
        listener = Listener(
            lambda answer: self._done(request, answer),
            lambda error: self._failed(request, error),
            request.listener.onProgress,
        )
        try:
            self.runner.start("collect", request.arguments, listener)
        except UserError as error:
            self._failed(request, error)

    def cancel(self) -> None:
        """Cancel collecting; the listener is not notified any more."""
        self.runner.cancel("collect")
        self._end()

    def _stage(self, request: _Request, scan: SceneScan, labels: Sequence[SceneLabel]) -> None:
        from SpectBoneMetSegTrainingLib.gathering.scene_nodes import NodeLabel, labelled_scan
        from SpectBoneMetSegTrainingLib.gathering.staging import stage

        try:
            nodes = [NodeLabel(labelNode(label.node), label.reader) for label in labels]
            stage(labelled_scan(*scan.volumes(), nodes), request.folder)
        except UserError as error:
            request.refused += [[label.name, panelWords(error)] for label in labels]
        except OSError as error:
            self._failed(request, UserError(_("The labels cannot be stored ({why}).").format(why=reason_of(error))))

    def _done(self, request: _Request, answer: Values) -> None:
        answer["left_out"] = request.refused + answer["left_out"]
        self._end()
        request.listener.onDone(answer)

    def _failed(self, request: _Request, error: UserError) -> None:
        self._end()
        text = " ".join([str(error), *(f"{name}: {reason}" for name, reason in request.refused)])
        request.listener.onFailed(UserError(text, *error.fields, command=error.command))

    def _end(self) -> None:
        if self._request is not None:
            shutil.rmtree(self._request.folder, ignore_errors=True)
            self._request = None
