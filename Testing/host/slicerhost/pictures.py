"""The pictures of the documentation: `python -m slicerhost.pictures FOLDER [MODEL [LABELLED UNLABELLED]]`.

Reads the sample study in the panel, as a person would, and writes

- panel-empty.png, panel-running.png, panel.png, panel-error.png: the module's panel before a scan is chosen, while it
  is read, after that with a selected lesion, after an error; panel-narrow.png: unfolded, in a narrow window;
- views.png: anterior, posterior and aggregate view with the outlines, whole body above, the region that was read below;
- follow-up.png: the section Follow-up and its views, next to an earlier scan that is made of the sample: one area of
  today was not there, one was smaller, another one is gone;
- archive.png: the section A folder of studies after it has read two scans and a damaged file.

With folders of labelled studies and of unlabelled scans it also trains a model, and writes

- training.png: the panel of the training module during a training, two sections side by side;
- result.png: the other sections, when it has finished.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import start
from .fixtures import MODULE, SAMPLE, TRAINING
from .host import VIEWS

PANEL_SIZE = (620, 940)
NARROW_SIZE = (430, 1500)
VIEW_SIZE = (420, 720)
SECONDS = 120.0
COMPARED = ("SpectThenAnterior", "SpectNowAnterior", "SpectThenPosterior", "SpectNowPosterior")
SECTIONS = ("fileSection", "modelSection", "editSection")
TRAINING_WIDTH, BACKGROUND = 560, (239, 239, 239)
TRAINING_SECTIONS = ("gatherSection", "trainSection", "resultSection", "nextSection")
#: Steps of the training that is drawn, and after how many it is drawn; seconds that it may take.
STEPS, DRAWN_AFTER, TRAINING_SECONDS = 32, 28, 1800.0


def read_sample(host: Any, folder: Path, model: str = "") -> Any:
    """The module's panel with the sample study read; pictures of the way there.

    Raises:
        RuntimeError: it was not read; the panel says why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    host.load_module(MODULE / "DICOMPlanarScintigraphyPlugin.py")
    module = host.load_module(MODULE / "SpectBoneMetSeg.py")
    # Without what the modules do then, letters would not follow the views.
    host.slicer.app.emit("startupCompleted()")
    panel = host.make_widget(module)
    _grab(host, panel, folder / "panel-empty.png")
    panel.ui.modelSelector.setCurrentText(model)
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    panel.ui.scanPath.currentPath = ""
    panel.ui.applyButton.click()
    _wait(host, lambda: panel.ui.progressBar.value > 20 or not panel.logic.busy)
    _grab(host, panel, folder / "panel-running.png")
    _wait(host, lambda: not panel.logic.busy)
    if panel.live is None:
        raise RuntimeError(panel.ui.statusLabel.text)
    return panel


def write_pictures(host: Any, panel: Any, folder: Path) -> None:
    """Write the pictures of a panel with a reading."""
    from PIL import Image
    from SpectBoneMetSegLib.pipeline import BOX_MAY_BE_WRONG

    panel._parameterNode.box.GetDisplayNode().SetVisibility(False)
    whole = _row(host)
    bounds = [0.0] * 6
    panel._parameterNode.box.GetRASBounds(bounds)
    for view in VIEWS:
        node = host.slice_logics[view].GetSliceNode()
        node.JumpSliceByCentering(*((bounds[2 * axis] + bounds[2 * axis + 1]) / 2 for axis in range(3)))
        height = bounds[5] - bounds[4]
        node.SetFieldOfView(height, height, 1.0)
    near = _row(host)
    Image.fromarray(np.vstack([whole, near])).save(folder / "views.png", optimize=True)
    if panel.live.reading.lesions:
        panel.ui.lesionTable.selectRow(0)
        panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
        panel.ui.lesionTable.cellWidget(0, 3).setCurrentIndex(3)
    _grab(host, panel, folder / "panel.png")
    panel.ui.scanPath.currentPath = "report.dcm"
    panel.ui.loadButton.click()
    _grab(host, panel, folder / "panel-error.png")
    for section in SECTIONS:
        getattr(panel.ui, section).setCollapsed(False)
    panel.messages.warn([BOX_MAY_BE_WRONG])
    _grab(host, panel, folder / "panel-narrow.png", NARROW_SIZE)


def follow(host: Any, panel: Any, work: Path, folder: Path) -> None:
    """Compare the sample with an earlier scan that is made of it, and write the pictures of the section.

    Args:
        work: takes the earlier scan.
        folder: the pictures.
    """
    from PIL import Image

    section, ui = panel.followup, panel.followup.ui
    panel.messages.say("")
    _fold(panel, ui.followupSection)
    ui.earlierPath.currentPath = str(_earlier(panel.live.reading, work))
    ui.addEarlierButton.click()
    ui.compareButton.click()
    _wait(host, lambda: not section.busy)
    if section.shown is None:
        raise RuntimeError(ui.followupStatus.text)
    ui.comparisonPath.currentPath = "results/comparison"
    _grab(host, panel, folder / "follow-up.png")
    rows = [_compared(host, section)]
    section.sideBySide()
    host.process_events()
    changed = [number for number, row in enumerate(section.shown.rows) if row.change == "new"]
    ui.changeTable.selectRow(changed[0] if changed else 0)
    node = host.slice_logics[COMPARED[0]].GetSliceNode()
    # The others follow.
    node.SetFieldOfView(*(part / 6 for part in node.GetFieldOfView()[:2]), 1.0)
    rows.append(_compared(host, section))
    _beside(folder / "follow-up.png", Image.fromarray(np.vstack(rows)))
    section.back()


def read_archive(host: Any, panel: Any, work: Path, folder: Path) -> None:
    """Read a folder of two scans and a damaged file, and write the picture of the section."""
    scans = work / "scans"
    for name in ("first", "second"):
        (scans / name).mkdir(parents=True)
    (scans / "first" / "scan.dcm").write_bytes(SAMPLE.read_bytes())
    _earlier(panel.live.reading, scans / "second")
    (scans / "cut-short.dcm").write_bytes(SAMPLE.read_bytes()[:4000])
    section = panel.archive
    _fold(panel, section.ui.archiveSection)
    section.ui.archivePath.currentPath, section.ui.archiveOutput.currentPath = str(scans), str(work / "results")
    section.ui.archiveButton.click()
    _wait(host, lambda: not section._following)
    _grab(host, panel, folder / "archive.png", (PANEL_SIZE[0], 560))


def _fold(panel: Any, section: Any) -> None:
    """Unfold one section alone."""
    for name in ("scanSection", "modelSection", "lesionSection", "displaySection", "editSection", "saveSection"):
        getattr(panel.ui, name).setCollapsed(True)
    for other in (panel.followup.ui.followupSection, panel.archive.ui.archiveSection):
        other.setCollapsed(other is not section)


def _earlier(reading: Any, folder: Path) -> Path:
    """A made-up earlier scan of the sample's patient, without today's first area and with another one elsewhere."""
    import pydicom
    from scipy import ndimage

    dataset = pydicom.dcmread(SAMPLE)
    dataset.decompress()
    counts = dataset.pixel_array.astype(np.float32)
    rng = np.random.default_rng(1)
    for frame, (name, view) in zip(counts, reading.scan.views.items(), strict=True):
        mask = reading.view_masks[name]
        healthy = ndimage.median_filter(np.ascontiguousarray(view.counts[:, ::-1]), 5)
        spots = [mask == 1, (mask == 2) & ~ndimage.binary_erosion(mask == 2, iterations=2)]
        for spot in spots:
            near = ndimage.binary_dilation(spot, iterations=3 if spot is spots[0] else 1)
            frame[near] = np.minimum(frame[near], healthy[near])
        rows, columns = np.nonzero(mask == 1)
        if len(rows):
            # One that is gone: as many counts at the other side of the body, further down.
            down, across = rows + 60, mask.shape[1] - 1 - columns
            frame[down, across] = view.counts[rows, columns]
    noisy = rng.poisson(np.maximum(counts, 0) * 0.9)
    dataset.PixelData = noisy.astype(dataset.pixel_array.dtype).tobytes()
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.3680043.2.1143.78"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (f"{dataset.StudyInstanceUID}.1", "1.2.826.0.1.3680043.2.79")
    dataset.StudyDate = dataset.AcquisitionDate = "20220315"
    dataset.save_as(folder / "earlier.dcm")
    return folder / "earlier.dcm"


def _compared(host: Any, section: Any) -> NDArray[np.uint8]:
    """The four views of two compared scans; the picture is drawn of a saved scene, in which they are not by default."""
    # A picture has a size of its own, which the other views need not follow.
    section.link.unlink()
    nodes = [host.slicer.mrmlScene.GetNodeByID(number) for number in section.scans._nodes]
    for node in nodes:
        node.SetSaveWithScene(True)
    line = np.full((VIEW_SIZE[1], 4, 3), 120, np.uint8)
    size = (round(VIEW_SIZE[0] * 0.8), VIEW_SIZE[1])
    pictures = [part for view in COMPARED for part in (host.render(view, size), line)]
    for node in nodes:
        node.SetSaveWithScene(False)
    return np.hstack(pictures[:-1])


def train_model(host: Any, labelled: str, unlabelled: str, work: Path, folder: Path) -> None:
    """Train a model from two folders, with the sample study that was read, and write training.png and result.png.

    Args:
        labelled: folders of labelled studies.
        unlabelled: folders of unlabelled scans.
        work: takes the data set and the job.
        folder: the pictures.

    Raises:
        RuntimeError: nothing was collected or trained in time; the panel says why.
    """
    os.environ |= {"SPECTBONEMETSEG_JOBS": str(work / "jobs"), "SPECTBONEMETSEG_MODELS": str(work / "models")}
    panel = host.make_widget(host.load_module(TRAINING / "SpectBoneMetSegTraining.py"))
    ui = panel.ui
    ui.sceneTable.item(0, 0).setCheckState(host.qt.Qt.Checked)
    panel.gather.labelled.add(labelled)
    panel.gather.unlabelled.add(unlabelled)
    ui.datasetPath.currentPath = str(work / "labelled-set")
    ui.gatherButton.click()
    _wait(host, lambda: not panel.logic.collector.busy)
    ui.readersFold.setCollapsed(False)
    ui.readersTable.selectRow(0)
    ui.presetSelector.setCurrentIndex(ui.presetSelector.findData("quick"))
    ui.nameEdit.setText("corrected")
    ui.stepsBox.setValue(STEPS)
    ui.trainButton.click()
    _wait(host, lambda: panel.train.state == "running" and _steps(panel) >= DRAWN_AFTER, TRAINING_SECONDS)
    ui.previewFold.setCollapsed(False)
    ui.jobsFold.setCollapsed(False)
    _columns(host, panel, folder / "training.png", ("gatherSection",), ("trainSection",))
    _wait(host, lambda: panel.train.state in ("finished", "failed"), TRAINING_SECONDS)
    ui.nextSection.setCollapsed(False)
    ui.rankButton.click()
    _wait(host, lambda: not panel.logic.runner.busy)
    ui.nextTable.selectRow(0)
    _columns(host, panel, folder / "result.png", ("resultSection", "nextSection"))
    panel.cleanup()


def _steps(panel: Any) -> int:
    """Training steps that the panel has seen."""
    return len(panel.logic.followed.losses)


def _wait(host: Any, condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        host.process_events()
        time.sleep(0.02)


def _grab(host: Any, panel: Any, picture: Path, size: tuple[int, int] = PANEL_SIZE) -> None:
    panel.parent.resize(*size)
    panel.parent.show()
    # Scroll bars that are not needed any more go only when all has its size.
    for _ in range(3):
        host.process_events()
    panel.parent.grab().save(str(picture))
    panel.parent.hide()


def _row(host: Any) -> NDArray[np.uint8]:
    """The three views next to each other, a grey line between them."""
    line = np.full((VIEW_SIZE[1], 4, 3), 120, np.uint8)
    pictures = [host.render(view, VIEW_SIZE) for view in VIEWS]
    return np.hstack([pictures[0], line, pictures[1], line, pictures[2]])


def _beside(path: Path, views: Any) -> None:
    """Put a picture of views next to that of a panel, as high as what the panel shows."""
    from PIL import Image

    with Image.open(path) as image:
        panel = image.convert("RGB")
    pixels = np.asarray(panel)
    shown = np.flatnonzero((pixels != pixels[-1, 0]).any(axis=(1, 2)))
    height = min(panel.height, int(shown[-1]) + 20)
    views = views.resize((round(views.width * height / views.height), height), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (panel.width + views.width, height))
    whole.paste(panel, (0, 0))
    whole.paste(views, (panel.width, 0))
    whole.save(path, optimize=True)


def _columns(host: Any, panel: Any, path: Path, *columns: tuple[str, ...]) -> None:
    """Write some sections of a panel side by side.

    Args:
        columns: the names of the sections in each.
    """
    from PIL import Image

    pictures = []
    for column in columns:
        for name in TRAINING_SECTIONS:
            getattr(panel.ui, name).setVisible(name in column)
        panel.parent.show()
        for _ in range(2):
            host.process_events()
            panel.parent.resize(TRAINING_WIDTH, panel.parent.sizeHint.height())
        host.process_events()
        panel.parent.grab().save(str(path))
        panel.parent.hide()
        with Image.open(path) as image:
            pictures.append(image.convert("RGB"))
    whole = Image.new("RGB", (TRAINING_WIDTH * len(pictures), max(one.height for one in pictures)), BACKGROUND)
    for place, picture in enumerate(pictures):
        whole.paste(picture, (TRAINING_WIDTH * place, 0))
    whole.save(path, optimize=True)


def main() -> None:
    """Write the pictures into the folder named on the command line."""
    host = start()
    folder = Path(sys.argv[1])
    panel = read_sample(host, folder, *sys.argv[2:3])
    write_pictures(host, panel, folder)
    with tempfile.TemporaryDirectory() as temporary:
        # The pictures show paths: next to the studies they are those that a user could have.
        work = (Path(sys.argv[3]).parent if len(sys.argv) > 4 else Path(temporary)) / "readings"
        work.mkdir()
        try:
            follow(host, panel, work, folder)
            read_archive(host, panel, work, folder)
            if len(sys.argv) > 4:
                train_model(host, *sys.argv[3:5], work, folder)
        finally:
            shutil.rmtree(work)
    panel.cleanup()
    # With nodes left in the scene the interpreter would crash on its way out.
    host.clear()


if __name__ == "__main__":
    main()
