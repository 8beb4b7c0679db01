"""Unexpected errors, in both modules: they are reported with a log to copy, and the panel can be used again."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))

pytest_plugins = ["slicerhost.fixtures"]


@pytest.fixture
def broken(monkeypatch):
    """Makes a method fail with an unexpected error."""

    def make(owner, name):
        def fail(*values, **options):
            raise ValueError("the sky fell")

        monkeypatch.setattr(owner, name, fail)

    return make


def the_only_dialog(host):
    [(text, details)] = host.dialogs
    host.errors.clear()
    host.dialogs.clear()
    return text, details


def test_an_error_while_the_result_is_shown_leaves_no_panel_that_waits(host, a_loaded_panel, until, broken):
    panel = a_loaded_panel
    broken(panel.views, "showReading")
    panel.ui.applyButton.click()
    until(lambda: host.dialogs)
    text, details = the_only_dialog(host)
    assert "ValueError: the sky fell" in text
    assert "Traceback" in details
    assert "Slicer 5.12" in details
    assert (panel.ui.applyButton.text, panel.ui.applyButton.enabled) == ("Apply", True)
    assert panel.live is not None


def test_an_error_while_the_result_is_stored_ends_the_reading(host, a_loaded_panel, until, broken, monkeypatch):
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    broken(LiveReading, "start")
    a_loaded_panel.ui.applyButton.click()
    until(lambda: host.dialogs)
    the_only_dialog(host)
    assert not a_loaded_panel.logic.busy
    assert a_loaded_panel.ui.applyButton.text == "Apply"
    assert "interrupted by an error" in a_loaded_panel.ui.statusLabel.text
    host.process_events()
    assert host.dialogs == []


@pytest.mark.parametrize(
    ("owner", "name", "act"),
    [
        ("live", "set_threshold", lambda ui: ui.thresholdSlider.setValue(0.7)),
        ("live", "save", lambda ui: ui.saveButton.click()),
        ("live", "reset", lambda ui: ui.resetButton.click()),
        ("live", "set_review", lambda ui: ui.lesionTable.cellWidget(0, 2).setCurrentIndex(1)),
        ("logic", "loadScan", lambda ui: ui.loadButton.click()),
        ("logic", "process", lambda ui: ui.applyButton.click()),
    ],
)
def test_every_button_of_the_reading_module_reports_an_error_once(
    host, a_read_panel, broken, tmp_path, monkeypatch, owner, name, act
):
    panel = a_read_panel
    panel.ui.outputPath.currentPath = str(tmp_path)
    panel.ui.scanPath.currentPath = "scan.dcm"
    broken(getattr(panel, owner), name)
    act(panel.ui)
    assert "the sky fell" in the_only_dialog(host)[0]
    assert panel.ui.applyButton.enabled
    assert host.slicer.app.paused == 0


def test_an_error_in_the_training_module_is_reported_once_and_ends_what_waits(host, training_panel, broken, until):
    panel = training_panel()
    panel.gather.call.started("Looking through the folders...")
    broken(panel.logic.collector, "step")
    panel.logic.startTimer()
    until(lambda: host.dialogs)
    the_only_dialog(host)
    assert panel.ui.gatherButton.text != "Cancel"
    end = 10
    for _ in range(end):
        host.process_events()
    assert host.dialogs == []
    broken(panel.logic, "spec")
    panel.ui.checkButton.click()
    assert "the sky fell" in the_only_dialog(host)[0]
    assert panel.ui.checkButton.enabled


def called_from_outside():
    """(file, line, what is called) of every method of the modules that Qt, a timer or the scene is given."""
    root = Path(__file__).resolve().parents[2]
    files = [*root.glob("SpectBoneMetSeg*/SpectBoneMetSeg*.py"), *root.glob("SpectBoneMetSeg*/*Module/**/*.py")]
    trees = {path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in files}
    reporting, methods = set(), set()
    for tree in trees.values():
        for entry in (entry for kind in ast.walk(tree) if isinstance(kind, ast.ClassDef) for entry in kind.body):
            if isinstance(entry, ast.FunctionDef):
                methods.add(entry.name)
                text = " ".join(ast.unparse(part) for part in (*entry.decorator_list, entry))
                if "slot" in [ast.unparse(part) for part in entry.decorator_list] or "report(error)" in text:
                    reporting.add(entry.name)
    for name, tree in trees.items():
        for call in ast.walk(tree):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or not call.args:
                continue
            if call.func.attr in ("connect", "addObserver", "singleShot"):
                given = call.args[-1]
                # What a lambda calls is what matters.
                given = given.body.func if isinstance(given, ast.Lambda) and isinstance(given.body, ast.Call) else given
                called = given.attr if isinstance(given, ast.Attribute) else ""
                if called in methods:
                    yield name, call.lineno, called, called in reporting


def test_every_method_that_qt_or_the_scene_calls_reports_its_errors():
    found = list(called_from_outside())
    assert len(found) > 90
    assert [entry[:3] for entry in found if not entry[3]] == []


def test_a_reload_keeps_the_class_of_our_errors(host):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.display.views import forgetCode

    before = {name: module for name, module in sys.modules.items() if name.startswith("SpectBoneMetSeg")}
    try:
        forgetCode("SpectBoneMetSegLib", "SpectBoneMetSegModule")
        assert (
            importlib.import_module("SpectBoneMetSegLib.loading").read_scan
            is not before["SpectBoneMetSegLib.loading"].read_scan
        )
        assert importlib.import_module("SpectBoneMetSegLib.common.errors").UserError is UserError
        with pytest.raises(UserError):
            importlib.import_module("SpectBoneMetSegLib.loading").read_scan("nowhere.dcm")
    finally:
        sys.modules.update(before)


def test_an_intel_mac_is_reported_before_the_user_is_asked_anything(host, monkeypatch):
    from slicerhost import pip
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule import requirements
    from SpectBoneMetSegTrainingModule.requirements import FILE

    monkeypatch.setattr(requirements, "tensorflowIsMissingHere", lambda: True)
    monkeypatch.setattr(pip, "pretend_missing", {"tensorflow"})
    pip.asked.clear()
    for file in (requirements.TENSORFLOW, FILE):
        with pytest.raises(UserError, match="Intel processor"):
            requirements.ensureInstalled(file)
    assert pip.asked == []
    assert requirements.requirementsFile("auto") in (requirements.ONNX, requirements.GPU)
    assert not requirements.needsTensorflow(requirements.ONNX)


def test_the_editors_keys_work_only_while_the_editor_is_seen(panel):
    editor = panel.ui.segmentEditor
    panel.enter()
    assert not editor.shortcuts
    panel.ui.editSection.setCollapsed(False)
    assert editor.shortcuts
    panel.ui.editSection.setCollapsed(True)
    assert not editor.shortcuts
    panel.ui.editSection.setCollapsed(False)
    panel.exit()
    assert not editor.shortcuts


def test_the_segment_editor_gets_its_node_before_its_scene(panel):
    assert panel.ui.segmentEditor.problems == []
    assert "Grow from seeds" not in panel.ui.segmentEditor.effectNames
    assert not panel.ui.segmentEditor.unorderedEffects


def test_plot_views_belong_to_the_module(host, training_panel):
    panel = training_panel()
    panel.train.curves.show([(1, 0.5), (2, 0.4)], [(1, 0.1)])
    views = host.slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    ours = [view for view in views if view.GetSingletonTag() and "SpectBoneMetSegTraining" in view.GetSingletonTag()]
    assert len(ours) == 2
    assert all(view.GetParentLayoutNode() is not None for view in ours)


def test_both_views_refer_to_their_dicom_instances(host, load_sample):
    import pydicom
    from slicerhost.fixtures import SAMPLE

    uid = str(pydicom.dcmread(SAMPLE, stop_before_pixels=True).SOPInstanceUID)
    volumes = load_sample().volumes
    assert {volume.GetAttribute("DICOM.instanceUIDs") for volume in volumes.values()} == {uid}


@pytest.fixture
def packages(monkeypatch):
    """What the host pretends of packages, back as it was afterwards."""
    from slicerhost import pip

    monkeypatch.setattr(pip, "pretend_missing", set())
    monkeypatch.setattr(pip, "pretend_installed", set())
    monkeypatch.setattr(pip, "pretend_versions", {})
    monkeypatch.setattr(pip, "agrees", False)
    monkeypatch.setattr(pip, "fails", False)
    monkeypatch.setattr(pip, "testing", False)
    pip.asked.clear()
    return pip


def test_packages_are_installed_when_the_user_agrees_and_requested_again_when_not(host, packages, monkeypatch):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.requirements import TENSORFLOW, areInstalled, ensureInstalled

    packages.pretend_missing.add("tensorflow")
    with pytest.raises(UserError, match="declined"):
        ensureInstalled(TENSORFLOW)
    assert not areInstalled(TENSORFLOW)
    monkeypatch.setattr(packages, "agrees", True)
    ensureInstalled(TENSORFLOW)
    assert areInstalled(TENSORFLOW)


@pytest.mark.parametrize("how", ["fails", "testing"])
def test_an_installation_that_brings_nothing_is_reported_and_can_be_repeated(host, packages, monkeypatch, how):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.requirements import TENSORFLOW, ensureInstalled

    packages.pretend_missing.add("tensorflow")
    monkeypatch.setattr(packages, "agrees", True)
    monkeypatch.setattr(packages, how, True)
    with pytest.raises(UserError, match=r"tensorflow.*Apply again"):
        ensureInstalled(TENSORFLOW)
    monkeypatch.setattr(packages, how, False)
    ensureInstalled(TENSORFLOW)


def test_a_package_that_is_too_old_counts_as_missing(host, packages):
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegModule.requirements import TENSORFLOW, ensureInstalled

    packages.pretend_versions["tensorflow"] = "2.3.0"
    with pytest.raises(UserError, match="tensorflow"):
        ensureInstalled(TENSORFLOW)


def test_a_scan_that_is_not_loaded_is_reported_in_the_dicom_browsers_own_message(host, load_sample, tmp_path):
    import pydicom
    from slicerhost.fixtures import SAMPLE

    dataset = pydicom.dcmread(SAMPLE)
    for item in dataset.DetectorInformationSequence:
        del item.ViewCodeSequence
    for keyword in ("ImageID", "SeriesDescription", "StudyDescription", "ImageComments"):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.save_as(tmp_path / "silent.dcm")
    loaded = load_sample(tmp_path / "silent.dcm")
    assert loaded.first is None
    # The browser shows "Could not load: NAME as a ..." by itself: a second window would be one too many.
    assert host.dialogs == []
    assert "silent.dcm" in loaded.loadables[0].name
