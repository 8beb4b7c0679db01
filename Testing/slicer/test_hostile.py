"""Unusual scans, scenes and scripts in the test host: nothing breaks, nothing is mixed up."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.fixtures import SAMPLE
from slicerhost.host import VIEWS
from slicerhost.panel import assert_all_agree, erase, pixels_of, table_of

pytest_plugins = ["slicerhost.fixtures"]


def load(panel, path):
    panel.ui.scanPath.currentPath = str(path)
    panel.ui.loadButton.click()
    assert not panel.ui.statusLabel.text, panel.ui.statusLabel.text


def read(panel, until):
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live is not None, panel.ui.statusLabel.text


def test_pixels_that_are_not_square_keep_their_shape_in_areas_outlines_and_views(host, panel, until, tmp_path):
    dataset = pydicom.dcmread(SAMPLE)
    dataset.PixelSpacing = [2.0, 3.0]
    dataset.save_as(tmp_path / "oblong.dcm")
    load(panel, tmp_path / "oblong.dcm")
    read(panel, until)
    assert panel.live.result.scan.frame.spacing == (2.0, 3.0)
    panel.ui.thresholdSlider.value = 0.4
    lesions = panel.live.reading.lesions
    assert lesions
    for lesion in lesions:
        assert lesion.area_mm2 == pytest.approx(6.0 * pixels_of(panel.live, lesion.id).sum())
    assert_all_agree(panel)
    rows, columns = panel.live.result.crop.rows, panel.live.result.crop.columns
    bounds = [0.0] * 6
    panel._parameterNode.box.GetRASBounds(bounds)
    assert bounds[1] - bounds[0] == pytest.approx(3.0 * (columns[1] - columns[0]))
    assert bounds[5] - bounds[4] == pytest.approx(2.0 * (rows[1] - rows[0]))


def test_a_posterior_view_alone_is_read_from_behind_and_saved_and_opened_again(host, panel, until, tmp_path):
    from SpectBoneMetSegLib.loading import read_scan
    from SpectBoneMetSegLib.scan.planar import to_ras
    from SpectBoneMetSegTrainingLib.phantom.scan.dicom_nm import write_nm_wholebody

    files = write_nm_wholebody(
        tmp_path / "study", read_scan(SAMPLE), patient_id="P", uid_text="apart", variant="single-files"
    )
    load(panel, next(file for file in files if read_scan(file).anterior is None))
    volume = panel._parameterNode.posteriorVolume
    assert panel._parameterNode.anteriorVolume is None
    read(panel, until)
    panel.ui.thresholdSlider.value = 0.3
    composites = [host.slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}") for name in VIEWS[:2]]
    assert [node.GetBackgroundVolumeID() for node in composites] == [None, volume.GetID()]
    live = panel.live
    # A lesion drawn on the patient's right lies on the right of the view from behind.
    frame = live.result.scan.frame
    labels = np.zeros(frame.shape, bool)
    labels[400:410, 40:50] = True
    right = to_ras(np.argwhere(labels), frame)[:, 0]
    assert (right > 0).all()
    stored = live.result.scan.posterior
    columns = (right - stored.origin[0]) / stored.spacing[1]
    assert (columns > stored.shape[1] / 2).all()
    place = host.slice_logics["SpectPosterior"].GetSliceNode().GetSliceToRAS()
    assert place.GetElement(0, 0) == 1.0
    shown = table_of(panel, 0, 1)
    host.save_scene(tmp_path / "alone.mrb")
    host.load_scene(tmp_path / "alone.mrb")
    assert table_of(panel, 0, 1) == shown
    panel.ui.outputPath.currentPath = str(tmp_path / "out")
    panel.ui.saveButton.click()
    saved = next((tmp_path / "out").iterdir())
    assert (saved / "mask_posterior.nrrd").exists()
    assert not (saved / "mask_anterior.nrrd").exists()


def test_segments_renamed_and_deleted_while_unobserved_are_taken_over_with_the_scene(host, a_read_panel, tmp_path):
    panel = a_read_panel
    node, live = panel.live.node, panel.live
    names = [live.name_of(number) for number in range(1, len(live.reading.lesions) + 1)]
    first, second = live.segment_of(1), live.segment_of(2)
    gone = pixels_of(live, 1)
    panel.setLive(None)
    panel.removeObservers()
    node.GetSegmentation().RemoveSegment(first)
    node.GetSegmentation().GetSegment(second).SetName("Rippe 5 links")
    host.save_scene(tmp_path / "changed.mrb")
    host.slicer.mrmlScene.Clear(0)
    panel.setParameterNode(None)
    assert host.slicer.mrmlScene.ReadFromMRB(str(tmp_path / "changed.mrb"))
    panel.initializeParameterNode()
    assert panel.live is not None
    assert panel.live.edited
    assert not panel.live.reading.mask[gone].any()
    assert table_of(panel, 0)[0] == ("Rippe 5 links",)
    assert panel.ui.lesionTable.rowCount == len(names) - 1
    assert_all_agree(panel)


def test_a_folder_is_read_also_after_a_model_was_loaded_ahead(host, logic, tiny_model, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    shutil.copy(SAMPLE, scans / "one.dcm")
    # The timer of the window must not take the worker's events away from the script.
    logic._startTimer()
    outcome = logic.processFolder(scans, tmp_path / "out", model=str(tiny_model), device="cpu")
    assert outcome == {"one.dcm": str(tmp_path / "out" / "one")}


def test_two_studies_of_one_name_in_a_folder_are_not_written_over_each_other(host, logic, tiny_model, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    shutil.copy(SAMPLE, scans / "one.dcm")
    shutil.copy(SAMPLE, scans / "one.ima")
    outcome = logic.processFolder(scans, tmp_path / "out", model=str(tiny_model), device="cpu")
    assert outcome["one.dcm"] == str(tmp_path / "out" / "one")
    assert "already holds another study" in outcome["one.ima"]


def test_a_folder_that_is_not_there_is_one_sentence(host, logic, tmp_path):
    from SpectBoneMetSegLib.common.errors import UserError

    with pytest.raises(UserError, match="cannot be read"):
        logic.processFolder(tmp_path / "nowhere", tmp_path / "out")


def test_a_damaged_sample_study_is_refused(host, monkeypatch, tmp_path):
    from SampleData import SampleDataLogic
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.common.files import sha256_of
    from SpectBoneMetSegModule import sample

    source = next(entry for entry in SampleDataLogic.sources if entry["sampleName"] == "SimulatedBoneScan")
    assert source["checksums"] == f"SHA256:{sha256_of(SAMPLE)}"
    (tmp_path / "simulated_scan.dcm").write_bytes(SAMPLE.read_bytes()[:-1])
    monkeypatch.setattr(sample, "sampleFile", lambda: tmp_path / "simulated_scan.dcm")
    with pytest.raises(UserError, match="damaged"):
        source["customDownloader"](None)


def test_a_script_may_read_a_second_scan_only_after_the_first(a_loaded_panel):
    from SpectBoneMetSegLib.common.errors import UserError

    panel, parameters = a_loaded_panel, a_loaded_panel._parameterNode
    panel.ui.applyButton.click()
    with pytest.raises(UserError, match="Another scan is being read"):
        panel.logic.process(parameters.anteriorVolume, parameters.posteriorVolume)
    with pytest.raises(UserError, match="Another scan is being read"):
        panel.logic.processFolder(".", ".")
    panel.ui.applyButton.click()


def test_erasing_everything_leaves_an_empty_table_that_can_be_saved_and_reset(a_read_panel, tmp_path):
    panel = a_read_panel
    for lesion in range(len(panel.live.reading.lesions), 0, -1):
        erase(panel.live, lesion)
    assert panel.ui.lesionTable.rowCount == 0
    panel.ui.outputPath.currentPath = str(tmp_path / "Ergebnisse für Knochen 骨")
    panel.ui.saveButton.click()
    assert "Saved in" in panel.ui.statusLabel.text
    panel.ui.resetButton.click()
    assert panel.ui.lesionTable.rowCount > 0
