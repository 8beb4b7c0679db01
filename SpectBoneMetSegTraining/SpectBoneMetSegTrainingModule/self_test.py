"""The module's own test, which runs in the application and in the test host."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest
from SpectBoneMetSegModule.logic import SpectBoneMetSegLogic
from SpectBoneMetSegModule.sample import sampleFile

from .curves import fill, singleton, smooth, thinned
from .labels.scene_labels import keepForTraining, keepReader, labelsInScene, scansInScene


class SpectBoneMetSegTrainingTest(ScriptedLoadableModuleTest):
    """Runs in the application without TensorFlow: nothing is trained."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """All tests."""
        self.setUp()
        self.test_labels_of_the_scene_are_found_with_their_scan()
        self.setUp()
        self.test_curves_lie_in_tables_of_the_scene()

    def test_labels_of_the_scene_are_found_with_their_scan(self) -> None:
        """The sample study with an empty segmentation."""
        from SpectBoneMetSegLib.mrml.nodes import add_segmentation

        self.delayDisplay("Loading the sample study")
        volumes = SpectBoneMetSegLogic.loadScan(sampleFile())
        node = add_segmentation("outlines", volumes["anterior"], slicer.mrmlScene)
        [scan] = scansInScene()
        assert scan.volumes() == (volumes["anterior"], volumes["posterior"])
        assert scan.isOf([sampleFile()])
        keepReader(node.GetID(), "anna")
        keepForTraining(node.GetID(), True)
        [label] = labelsInScene([scan])
        assert (label.name, label.reader, label.scan, label.forTraining) == ("outlines", "anna", scan, True)
        self.delayDisplay("Test passed")

    def test_curves_lie_in_tables_of_the_scene(self) -> None:
        """A synthetic loss, thinned and smoothed."""
        steps = np.arange(10000.0)
        points = thinned(np.column_stack([steps, smooth(1 / (1 + steps))]))
        assert len(points) <= 400
        assert points[-1, 0] == steps[-1]
        table = singleton("vtkMRMLTableNode", "test")
        fill(table, {"step": points[:, 0], "loss": points[:, 1]})
        assert singleton("vtkMRMLTableNode", "test") is table
        assert table.GetNumberOfRows() == len(points)
        self.delayDisplay("Test passed")
