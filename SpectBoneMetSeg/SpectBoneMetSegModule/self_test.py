"""The module's own test, which runs in the application and in the test host."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802

from __future__ import annotations

import numpy as np
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest

from .logic import SpectBoneMetSegLogic
from .sample import sampleFile


class SpectBoneMetSegTest(ScriptedLoadableModuleTest):
    """Runs in the application without TensorFlow: a made-up result takes the network's place."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """All tests."""
        self.setUp()
        self.test_lesions_follow_threshold_and_edits()

    def test_lesions_follow_threshold_and_edits(self) -> None:
        """The sample study, its counts as probabilities."""
        from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
        from SpectBoneMetSegLib.mrml.live_reading import LiveReading
        from SpectBoneMetSegLib.mrml.nodes import add_segmentation
        from SpectBoneMetSegLib.mrml.stored_result import outlines_of, scan_of_volumes
        from SpectBoneMetSegLib.scan.planar import mirror
        from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

        self.delayDisplay("Loading the sample study")
        volumes = SpectBoneMetSegLogic.loadScan(sampleFile())
        scan = scan_of_volumes(volumes["anterior"], volumes["posterior"])
        maps = {name: (view if name == "anterior" else mirror(view)).counts for name, view in scan.views.items()}
        maps = {name: np.clip(counts / counts.max(), 0, 1) for name, counts in maps.items()}
        result = ModelResult(scan, ThoraxCrop((0, 1024), (0, 256), 1.0), maps, Limits(minimum_area_mm2=100.0))
        node = add_segmentation("test", volumes["anterior"], slicer.mrmlScene)
        live = LiveReading.start(result, node, volumes, slicer.mrmlScene)
        count = len(live.reading.lesions)
        assert count > 0
        assert len(outlines_of(node)) == count
        self.delayDisplay("Moving the threshold and removing a segment")
        live.set_threshold(0.3, 100.0)
        more = len(live.reading.lesions)
        assert node.GetSegmentation().GetNumberOfSegments() == more
        node.GetSegmentation().RemoveSegment(live.segment_of(1))
        live.follow_edit()
        assert len(live.reading.lesions) == more - 1
        assert len(outlines_of(node)) == more - 1
        self.delayDisplay("Test passed")
