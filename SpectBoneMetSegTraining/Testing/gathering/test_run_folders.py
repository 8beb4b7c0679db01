"""Folders that a training gathers: what happens when its command is run again, with the same folders or others."""

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegTrainingLib.gathering import run_folders
from SpectBoneMetSegTrainingLib.gathering.run_folders import gather_once
from SpectBoneMetSegTrainingLib.training.run_folder import check_new_model


class Run:
    """A run whose gathering copies the names of the files."""

    def __init__(self, folder):
        self.run, self.output = folder / "mine-adapt", folder / "mine"
        self.labelled, self.unlabelled = folder / "labelled", folder / "scans"
        for scans in (self.labelled, self.unlabelled):
            scans.mkdir()
            (scans / "ann.dcm").write_bytes(b"a scan")
        (self.labelled / "ann_mask.png").write_bytes(b"an outline")

    def __call__(self, *, started=False, labelled=None, unlabelled=None):
        given = [labelled or self.labelled], [unlabelled or self.unlabelled]

        def gather():
            for name in ("data", "data-private"):
                (self.run / name).mkdir(parents=True, exist_ok=True)
            for path in given[0][0].iterdir():
                (self.run / "data" / path.name).write_bytes(path.read_bytes())

        return gather_once(self.run, self.output, *given, started=started, gather=gather)

    @property
    def gathered(self):
        return {path.name for path in (self.run / "data").iterdir()}

    def finish(self):
        self.output.mkdir()
        (self.output / "card.json").touch()


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def change_outline(run):
    (run.labelled / "ann_mask.png").write_bytes(b"a mended outline")


def add_labelled(run):
    (run.labelled / "bob.dcm").write_bytes(b"a scan")


def add_unlabelled(run):
    (run.unlabelled / "bob.dcm").write_bytes(b"a scan")


CHANGES = pytest.mark.parametrize("change", [change_outline, add_labelled, add_unlabelled])


def test_a_run_that_was_started_keeps_its_scans(run):
    assert run() == ""
    before = run.gathered
    text = run(started=True)
    assert text.endswith("continues with the scans that were gathered when it started.")
    assert run.gathered == before


@CHANGES
def test_a_finished_run_is_not_repeated_with_other_scans_or_outlines(run, change):
    run()
    run.finish()
    change(run)
    before = run.gathered
    with pytest.raises(UserError, match="was made before these folders changed; choose another folder"):
        run(started=True)
    assert run.gathered == before


@CHANGES
def test_an_interrupted_run_continues_and_tells_that_the_folders_have_changed(run, change):
    run()
    change(run)
    before = run.gathered
    assert "although the folders have changed since; remove it to start again" in run(started=True)
    assert run.gathered == before


def test_scans_of_a_folder_given_by_mistake_are_not_mixed_in(run, tmp_path):
    run()
    other = tmp_path / "other"
    other.mkdir()
    (other / "carl.dcm").touch()
    run(labelled=other)
    assert run.gathered == {"carl.dcm"}


def test_gathering_that_was_interrupted_continues_with_the_same_folders(run):
    run()
    (run.run / "data" / "done.json").touch()
    run()
    assert "done.json" in run.gathered


def test_a_run_of_an_earlier_version_continues(run):
    run()
    (run.run / "folders.json").unlink()
    change_outline(run)
    assert "gathered when it started." in run(started=True)


def test_the_runs_own_files_in_a_folder_of_scans_are_no_change(run):
    run.run, run.output = run.unlabelled / "mine-adapt", run.unlabelled / "mine"
    run()
    run.finish()
    assert "continues" in run(started=True)


def test_nothing_is_left_of_a_run_that_gathered_nothing(run):
    def fail():
        raise UserError("No scan was found.")

    with pytest.raises(UserError):
        gather_once(run.run, run.output, [run.labelled], [], started=False, gather=fail)
    assert not run.run.exists()


def test_a_model_that_another_run_made_is_not_replaced(run):
    check_new_model(run.output, started=False)
    run.finish()
    check_new_model(run.output, started=True)
    with pytest.raises(UserError, match="is a model already; choose another folder"):
        check_new_model(run.output, started=False)


def test_a_file_name_that_is_not_utf_8_is_no_obstacle(run):
    (run.labelled / "M\udcfcller.dcm").write_bytes(b"a scan")
    assert run() == ""
    assert "although" not in run(started=True)


def test_a_file_that_cannot_be_read_is_left_to_gathering(run, monkeypatch):
    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(run_folders, "sha256_of", refuse)
    assert run() == ""
    assert run.gathered
