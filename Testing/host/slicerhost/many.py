"""A reading of many lesions made from arrays: no model has to run for it; and one next to an earlier result."""

from __future__ import annotations

import shutil
from functools import cache
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from .fixtures import SAMPLE
from .panel import erase

#: Lesions lie on a grid of so many columns; positions in pixels of a field of 1024 rows and 256 columns.
COLUMNS = 4
#: Widths (pixels) of the hills of probability, smallest and largest, and their heights.
WIDTHS, HEIGHTS = (2.5, 5.0), (0.75, 0.99)


def many_lesions(volumes: dict[str, Any], count: int) -> Any:
    """A model's result with `count` hills of probability in both views, each a lesion at a threshold of 0.5.

    Args:
        volumes: {"anterior": volume node, "posterior": volume node} of a scan.
        count: how many.
    """
    from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
    from SpectBoneMetSegLib.mrml.stored_result import scan_of_volumes
    from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

    scan = scan_of_volumes(volumes["anterior"], volumes["posterior"])
    maps = {name: _hills(scan.frame.shape, count, seed).copy() for seed, name in enumerate(scan.views)}
    rows, columns = scan.frame.shape
    crop = ThoraxCrop((0, rows), (0, columns), 1.0, method="whole-body")
    return ModelResult(scan, crop, maps, Limits(0.5, 0.5, 60.0), _receipt(scan, crop))


def _receipt(scan: Any, crop: Any) -> dict[str, object]:
    """What the pipeline says of a scan and of where it was read, so that saved results can be read back."""
    source = scan.source
    facts = zip(source.files, source.sha256, source.sop_instance_uids, strict=True)
    return {
        "model": {"name": "made up", "version": "1", "sha256": "0"},
        "inputs": [{"file": str(file), "sha256": digest, "sop_instance_uid": uid} for file, digest, uid in facts],
        "study_instance_uid": source.study_instance_uid,
        "scan": dict(source.description),
        "region": "whole-body",
        "crop": {
            "rows": list(crop.rows),
            "columns": list(crop.columns),
            "confidence": crop.confidence,
            "method": crop.method,
            "reasons": [],
        },
        "options": {},
    }


def open_many_lesions(host: Any, panel: Any, volumes: dict[str, Any], count: int) -> None:
    """Show such a reading in the panel of the module that reads."""
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.mrml.nodes import add_segmentation

    scene = host.slicer.mrmlScene
    node = add_segmentation("Many", volumes["anterior"], scene)
    LiveReading.start(many_lesions(volumes, count), node, volumes, scene)
    panel._parameterNode.segmentation = node
    host.process_events()


@cache
def _hills(shape: tuple[int, int], count: int, seed: int) -> NDArray[np.float32]:
    """Hills on a grid over the middle of a field, a little apart in the two views."""
    rng = np.random.default_rng(seed)
    lines = -(-count // COLUMNS)
    row, column = np.indices(shape)
    found = np.zeros(shape)
    for place in range(count):
        top = shape[0] * (0.1 + 0.8 * (place // COLUMNS + 0.5) / lines) + rng.uniform(-2, 2)
        left = shape[1] * (0.2 + 0.6 * (place % COLUMNS + 0.5) / COLUMNS) + rng.uniform(-2, 2)
        wide, high = rng.uniform(*WIDTHS, 2)
        # Waves on the slope: lesions of a network are not round.
        angle = np.arctan2(row - top, column - left)
        distance = np.hypot((row - top) / high, (column - left) / wide) * (1 + 0.2 * np.sin(3 * angle + place))
        height = HEIGHTS[0] + (HEIGHTS[1] - HEIGHTS[0]) * (place % 7) / 6
        found = np.maximum(found, height * np.exp(-(distance**2) / 2))
    return found.astype(np.float32)


def earlier_study(folder, patient=None):
    """The sample study two years before, with half the counts."""
    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    dataset.PixelData = (dataset.pixel_array // 2).astype(dataset.pixel_array.dtype).tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.2.1143.78"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{dataset.StudyInstanceUID}.1", "1.2.826.0.1.3680043.2.79"
    dataset.StudyDate = dataset.AcquisitionDate = "20220315"
    if patient is not None:
        dataset.PatientID = patient
    dataset.save_as(folder / "earlier.dcm")
    return folder / "earlier.dcm"


@pytest.fixture(scope="session")
def saved_results(tmp_path_factory):
    """An empty folder, which the first test of a follow-up fills with the earlier result, and the others copy."""
    return tmp_path_factory.mktemp("saved")


def save_earlier(host, panel, folder):
    """Save a reading of an earlier scan with six areas, of which the fifth was rejected."""
    volumes = panel.logic.loadScan(earlier_study(folder))
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    open_many_lesions(host, panel, volumes, 6)
    panel.ui.lesionTable.cellWidget(4, 2).setCurrentIndex(2)
    panel.ui.outputPath.currentPath = str(folder / "results")
    panel.ui.saveButton.click()
    assert "Saved in" in panel.ui.statusLabel.text
    host.clear()


@pytest.fixture
def section(host, panel, saved_results, tmp_path):
    """A reading of the sample, whose second of six areas was erased; in the earlier result the fifth was rejected."""
    from SpectBoneMetSegModule.followup.earlier_scans import remember

    if not (saved_results / "results").exists():
        save_earlier(host, panel, saved_results)
    shutil.copytree(saved_results, tmp_path, dirs_exist_ok=True)
    receipt = tmp_path / "results" / "earlier" / "receipt.json"
    receipt.write_text(receipt.read_text().replace(str(saved_results), str(tmp_path)))
    remember(receipt.parent)
    panel.ui.outputPath.currentPath = str(tmp_path / "results")
    volumes = panel.logic.loadScan(SAMPLE)
    panel.ui.anteriorSelector.setCurrentNode(volumes["anterior"])
    open_many_lesions(host, panel, volumes, 6)
    erase(panel.live, 2)
    panel.result = tmp_path / "results" / "earlier"
    host.process_events()
    return panel.followup
