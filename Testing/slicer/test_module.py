"""The module in the test host: what a person does with the panel, and what may fail meanwhile."""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.panel import all_nodes, assert_all_agree, curve_areas, erase, table_of

pytest_plugins = ["slicerhost.fixtures"]

SAMPLE = Path(__file__).resolve().parents[2] / "Resources" / "Sample" / "simulated_scan.dcm"


def test_a_person_reads_a_scan_from_file_to_saved_results(host, a_read_panel, until, tmp_path):
    panel = a_read_panel
    assert panel.ui.applyButton.text == "Apply"
    assert "Done in" in panel.ui.statusLabel.text
    assert panel.ui.deviceLabel.text == "ONNX Runtime, CPU"
    assert panel.ui.thresholdSlider.value == 0.5
    assert panel.ui.minimumAreaSlider.value == 0.6
    count = panel.ui.lesionTable.rowCount
    assert count >= 2
    assert_all_agree(panel)

    area = panel.live.reading.mask.sum()
    panel.ui.thresholdSlider.value = 0.6
    assert 0 < panel.live.reading.mask.sum() < area
    assert not panel.live.edited
    assert_all_agree(panel)
    panel.ui.thresholdSlider.value = 0.5
    assert panel.ui.lesionTable.rowCount == count
    panel.ui.minimumAreaSlider.value = 5.0
    assert panel.ui.lesionTable.rowCount < count
    panel.ui.minimumAreaSlider.value = 0.6
    assert panel.ui.lesionTable.rowCount == count

    panel.table.table.cellWidget(1, 2).setCurrentIndex(1)
    panel.table.table.cellWidget(1, 3).setCurrentIndex(3)
    panel.table.table.cellWidget(2, 2).setCurrentIndex(2)
    erase(panel.live, 1)
    assert panel.ui.lesionTable.rowCount == count - 1
    assert panel.live.edited
    assert "Edited manually" in panel.ui.summaryLabel.text
    assert_all_agree(panel)
    decisions = [(review.decision, review.classification) for review in panel.live.reviews().values()]
    assert decisions[:2] == [("accepted", "malignant"), ("rejected", "")]

    before = table_of(panel, 0, 1, 8, 7, 6, 5)
    areas = curve_areas(panel.live)
    host.save_scene(tmp_path / "reading.mrb")
    host.clear()
    assert panel.ui.lesionTable.rowCount == 0
    assert panel.live is None
    host.load_scene(tmp_path / "reading.mrb")
    assert table_of(panel, 0, 1, 8, 7, 6, 5) == before
    np.testing.assert_allclose(curve_areas(panel.live), areas, rtol=1e-6)
    assert [(review.decision, review.classification) for review in panel.live.reviews().values()] == decisions
    assert panel.live.edited
    assert panel.ui.thresholdSlider.value == 0.5
    assert panel.ui.minimumAreaSlider.value == 0.6
    assert panel.ui.modelSelector.currentText.endswith("tiny")
    assert_all_agree(panel)

    panel.ui.outputPath.currentPath = str(tmp_path / "out")
    panel.ui.saveButton.click()
    saved = tmp_path / "out" / "simulated_scan"
    assert (saved / "overview.png").is_file()
    with open(saved / "lesions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(before)
    # The rejected one comes last and keeps its class; the accepted one has become the first.
    assert (rows[0]["decision"], rows[0]["classification"]) == ("accepted", "malignant")
    assert [row["decision"] for row in rows].count("rejected") == 1
    assert rows[-1]["decision"] == "rejected"
    assert float(rows[-1]["area_cm2"]) == pytest.approx(float(before[1][1]), abs=0.005)

    panel.ui.resetButton.click()
    assert panel.ui.lesionTable.rowCount == count
    assert not panel.live.edited
    assert {review.decision for review in panel.live.reviews().values()} == {"open"}
    assert_all_agree(panel)


def test_a_second_apply_replaces_an_untouched_result_in_the_same_segmentation(host, a_read_panel, until):
    from slicerhost.fixtures import nodes_of

    first, count = a_read_panel.live.node, a_read_panel.ui.lesionTable.rowCount
    nodes = all_nodes(host)
    a_read_panel.ui.thresholdSlider.value = 0.6
    a_read_panel.ui.applyButton.click()
    until(lambda: not a_read_panel.logic.busy)
    assert a_read_panel.live.node is first
    assert a_read_panel.ui.lesionTable.rowCount == count
    assert nodes_of(host, "vtkMRMLSegmentationNode") == [first]
    assert all_nodes(host) == nodes
    assert_all_agree(a_read_panel)


@pytest.mark.parametrize("work", ["edit", "word"])
def test_a_second_apply_keeps_what_a_person_has_done_as_a_reading_of_its_own(host, a_read_panel, until, work):
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    panel, first, count = a_read_panel, a_read_panel.live.node, a_read_panel.ui.lesionTable.rowCount
    if work == "edit":
        erase(panel.live, 1)
    else:
        panel.ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)
    rows, words = table_of(panel, 0, 1), [panel.live.review(n) for n in range(1, len(panel.live.reading.lesions) + 1)]
    panel.ui.applyButton.click()
    until(lambda: not panel.logic.busy)
    assert panel.live.node is not first
    assert not panel.live.touched()
    assert panel.ui.lesionTable.rowCount == count
    assert f"is kept as {first.GetName()}" in panel.ui.statusLabel.text
    assert panel.live.node.GetName() != first.GetName()
    # Only the one in the table is seen.
    assert [first.GetDisplayNode().GetVisibility(), panel.live.node.GetDisplayNode().GetVisibility()] == [0, 1]
    assert not any(curve.GetDisplayNode().GetVisibility() for curve in outlines_of(first))
    panel.ui.segmentationSelector.setCurrentNode(first)
    assert panel.live.node is first
    assert first.GetDisplayNode().GetVisibility()
    assert table_of(panel, 0, 1) == rows
    assert [panel.live.review(n) for n in range(1, len(panel.live.reading.lesions) + 1)] == words
    assert_all_agree(panel)


def test_closing_the_scene_in_the_middle_stops_the_reading(host, a_loaded_panel):
    from slicerhost.fixtures import nodes_of

    a_loaded_panel.ui.applyButton.click()
    child = a_loaded_panel.logic.worker.pid
    host.clear()
    assert not a_loaded_panel.logic.busy
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert a_loaded_panel.ui.applyButton.text == "Apply"
    assert not a_loaded_panel.ui.applyButton.enabled
    assert nodes_of(host, "vtkMRMLSegmentationNode") == []


def test_a_removed_volume_is_reported_when_the_result_arrives(host, a_loaded_panel, until):
    a_loaded_panel.ui.applyButton.click()
    host.slicer.mrmlScene.RemoveNode(a_loaded_panel.ui.posteriorSelector.currentNode())
    until(lambda: not a_loaded_panel.logic.busy)
    assert "was removed while it was read" in a_loaded_panel.ui.statusLabel.text


def test_a_view_at_the_wrong_position_is_refused(a_loaded_panel):
    ui = a_loaded_panel.ui
    ui.anteriorSelector.setCurrentNode(ui.posteriorSelector.currentNode())
    ui.applyButton.click()
    assert "is not positioned in the patient as the anterior view is" in ui.statusLabel.text


def test_a_file_can_be_loaded_from_the_panel(panel):
    panel.ui.scanPath.currentPath = str(SAMPLE)
    panel.ui.loadButton.click()
    assert panel.ui.anteriorSelector.currentNode().GetName() == "simulated_scan anterior"
    assert panel.ui.posteriorSelector.currentNode().GetName() == "simulated_scan posterior"
    assert panel.ui.applyButton.enabled
    panel.ui.scanPath.currentPath = "nowhere.dcm"
    panel.ui.loadButton.click()
    assert "nowhere.dcm does not exist" in panel.ui.statusLabel.text


def test_a_reading_continues_while_another_module_is_open(a_loaded_panel, until):
    a_loaded_panel.ui.applyButton.click()
    a_loaded_panel.exit()
    until(lambda: not a_loaded_panel.logic.busy)
    count = a_loaded_panel.ui.lesionTable.rowCount
    assert count >= 2
    erase(a_loaded_panel.live, 1)
    a_loaded_panel.enter()
    assert a_loaded_panel.ui.lesionTable.rowCount == count - 1
    assert_all_agree(a_loaded_panel)


def test_scripts_read_without_the_panel(logic, tiny_model, tmp_path):
    volumes = logic.loadScan(SAMPLE)
    steps = []
    logic.onProgress = lambda event: steps.append(event.step)
    live = logic.process(volumes["anterior"], volumes["posterior"], model=str(tiny_model), device="cpu")
    assert len(live.reading.lesions) >= 2
    assert live.save(tmp_path).joinpath("receipt.json").is_file()
    assert "network" in steps
    assert live.result.receipt["inputs"][0]["sop_instance_uid"]
    alone = logic.process(None, volumes["posterior"], model=str(tiny_model), device="cpu")
    assert set(alone.result.probabilities) == {"posterior"}


def test_a_folder_is_read_study_by_study_and_the_scene_stays_as_it_is(host, logic, tiny_model, tmp_path):
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "one.dcm").write_bytes(SAMPLE.read_bytes())
    (scans / "broken.dcm").write_bytes(b"nothing")
    before = host.slicer.mrmlScene.GetNumberOfNodes()
    outcome = logic.processFolder(scans, tmp_path / "out", model=str(tiny_model), device="cpu")
    assert outcome["one.dcm"] == str(tmp_path / "out" / "one")
    assert (tmp_path / "out" / "one" / "lesions.csv").is_file()
    assert "broken.dcm" in outcome["broken.dcm"]
    assert host.slicer.mrmlScene.GetNumberOfNodes() == before


def test_the_sample_study_is_offered_as_sample_data(host):
    from SampleData import SampleDataLogic

    source = next(entry for entry in SampleDataLogic.sources if entry["sampleName"] == "SimulatedBoneScan")
    volumes = source["customDownloader"](None)
    assert [volume.GetName() for volume in volumes] == ["simulated_scan anterior", "simulated_scan posterior"]


def test_a_script_gets_the_file_of_the_sample_study_not_a_volume_without_sides(host):
    import SampleData

    assert SampleData.downloadSamples("SimulatedBoneScan") == [str(SAMPLE)]
    assert host.slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def test_the_modules_own_test_passes_in_the_host(host):
    host.module.SpectBoneMetSegTest().runTest()
