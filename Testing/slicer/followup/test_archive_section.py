"""The section A folder of studies in the test host: the command in a separate process, followed and ended."""

import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.fixtures import SAMPLE

pytest_plugins = ["slicerhost.fixtures"]

#: A run of which two of five studies are done, one of them without success; it reports that on a request to end.
RUN = """
import sys, time
from pathlib import Path
from SpectBoneMetSegLib.batch.run import lock_work_folder
from SpectBoneMetSegLib.batch.state import StateFile
from SpectBoneMetSegLib.batch.tables import write_failures
output = Path(sys.argv[1])
output.mkdir(exist_ok=True)
lock, state = lock_work_folder(output), StateFile(output)
write_failures(output, [{"input": "/scans/broken.dcm", "failure": "It is cut short."}])
state.update(total=5, done=2, failed=1, before=3, seconds_left=7200.0)
try:
    time.sleep(120)
except KeyboardInterrupt:
    state.update(stage="stopped")
"""
TERMINATED = "import signal; signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))"


@pytest.fixture
def archive(tmp_path):
    """Two studies and a file that is none."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for number in (1, 2):
        dataset = pydicom.dcmread(SAMPLE)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.2.1143.{number}"
        dataset.StudyInstanceUID += f".{number}"
        dataset.SeriesInstanceUID += f".{number}"
        (folder / f"study{number}").mkdir()
        dataset.save_as(folder / f"study{number}" / "scan.dcm")
    (folder / "cut.dcm").write_bytes(SAMPLE.read_bytes()[:4000])
    return folder


@pytest.fixture
def a_run(tmp_path):
    """A run that this test did not start."""
    process = subprocess.Popen([sys.executable, "-c", TERMINATED + RUN, str(tmp_path / "results")])
    yield tmp_path / "results"
    process.kill()
    process.wait()


def test_a_folder_is_read_in_a_separate_process_and_its_page_opens(host, panel, until, archive, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(host.qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    ui = panel.archive.ui
    ui.archivePath.currentPath, ui.archiveOutput.currentPath = str(archive), str(tmp_path / "results")
    assert not ui.archivePageButton.enabled
    ui.archiveButton.click()
    assert ui.archiveStatus.text == "Looking for studies..."
    assert ui.archiveButton.text == "Cancel"
    assert not ui.archivePath.enabled
    # Nothing of the panel waits for it.
    assert not panel.logic.busy
    until(lambda: not panel.archive._following, 240)
    assert ui.archiveStatus.text.startswith("3 scans: 2 read, 1 failed"), ui.archiveStatus.text
    assert "cut.dcm" in ui.archiveFailures.plainText
    assert ui.archiveButton.text == "Start"
    ui.archivePageButton.click()
    assert opened == [str(tmp_path / "results" / "summary.html")]
    assert (tmp_path / "results" / "study1" / "lesions.csv").is_file()
    # Again: nothing is read twice.
    ui.archiveButton.click()
    until(lambda: not panel.archive._following, 240)
    assert "2 read before" in ui.archiveStatus.text


def test_a_running_run_is_found_followed_and_ended(host, panel, until, a_run):
    from SpectBoneMetSegLib.batch.state import read_state

    until(lambda: read_state(a_run) is not None)
    section = panel.archive
    ui = section.ui
    ui.archiveOutput.currentPath = str(a_run)
    assert ui.archiveStatus.text == "2 of 5 read, about 2.0 h left, 1 failed, 3 read before."
    assert ui.archiveBar.value == 40
    assert ui.archiveFailures.plainText == "broken.dcm: It is cut short."
    section.close()
    assert section.running
    # As after a restart of Slicer, which remembers the folder of a run that it started.
    from SpectBoneMetSegModule import settings

    settings.keep(settings.ARCHIVE, str(a_run))
    again = host.make_widget(host.module)
    assert "2 of 5 read" in again.archive.ui.archiveStatus.text
    again.archive.ui.archiveButton.click()
    assert "The run is ending" in again.archive.ui.archiveStatus.text
    until(lambda: not again.archive._following)
    assert again.archive.ui.archiveStatus.text == "Stopped. Start resumes the run."
    assert again.archive.ui.archiveButton.text == "Start"
    again.cleanup()


def test_an_interrupted_run_is_reported_as_such(panel, until, a_run):
    from SpectBoneMetSegLib.batch.state import is_running, read_state, stop_run

    until(lambda: read_state(a_run) is not None)
    section = panel.archive
    section.ui.archiveOutput.currentPath = str(a_run)
    import os
    import signal

    os.kill(read_state(a_run).pid, signal.SIGKILL)
    until(lambda: not section._following)
    assert not is_running(a_run)
    assert section.ui.archiveStatus.text == "The run was interrupted. Start resumes it."
    stop_run(a_run)


def test_what_makes_no_sense_is_reported_in_the_section(panel, tmp_path, archive, until):
    ui = panel.archive.ui
    ui.archiveButton.click()
    assert "Choose the folder" in ui.archiveStatus.text
    ui.archivePath.currentPath = ui.archiveOutput.currentPath = str(archive)
    ui.archiveButton.click()
    assert "holds the studies" in ui.archiveStatus.text
    assert "--" not in ui.archiveStatus.text
    assert not (archive / ".batch").exists()
    (tmp_path / "empty").mkdir()
    ui.archivePath.currentPath, ui.archiveOutput.currentPath = str(tmp_path / "empty"), str(tmp_path / "results")
    ui.archiveButton.click()
    until(lambda: not panel.archive._following)
    assert str(tmp_path / "empty") in ui.archiveStatus.text
    assert "#d13438" in ui.archiveStatus.styleSheet


def test_a_run_that_still_looks_for_studies_is_ended_too(panel, tmp_path, archive, until, monkeypatch):
    from SpectBoneMetSegLib.cli import background

    own = background.start_run
    waits = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(background, "start_run", lambda archive, python: own(archive, command=waits))
    ui = panel.archive.ui
    ui.archivePath.currentPath, ui.archiveOutput.currentPath = str(archive), str(tmp_path / "results")
    ui.archiveButton.click()
    started = time.monotonic()
    ui.archiveButton.click()
    until(lambda: not panel.archive._following)
    assert time.monotonic() - started < 30
    assert ui.archiveStatus.text == "Stopped. Start resumes the run."


def test_the_end_of_a_run_is_reported_though_other_results_are_named_meanwhile(
    host, panel, tmp_path, archive, monkeypatch
):
    from SpectBoneMetSegLib.cli import background

    reported = []
    monkeypatch.setattr(host.slicer.util, "errorDisplay", lambda text, **_options: reported.append(text))
    own = background.start_run
    ends = [sys.executable, "-c", "print('There is no study.')"]
    monkeypatch.setattr(background, "start_run", lambda archive, python: own(archive, command=ends))
    section = panel.archive
    ui = section.ui
    ui.archivePath.currentPath, ui.archiveOutput.currentPath = str(archive), str(tmp_path / "results")
    ui.archiveButton.click()
    section._process.wait()
    # Between the end of the process and the next check of it.
    ui.archiveOutput.currentPath = ""
    section.onTimer()
    assert reported == []
    assert ui.archiveStatus.text == "There is no study."
    assert ui.archiveButton.text == "Start"
    ui.archivePageButton.click()
