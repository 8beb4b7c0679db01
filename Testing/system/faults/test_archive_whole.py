"""No study of an archive is passed over without a word, and no result counts that is not the scan's own and whole."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pydicom
import pytest
from SpectBoneMetSegLib.batch import cluster
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.common.errors import UserError
from support.archives import make_archive


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_archive(tmp_path_factory.mktemp("archive"), 3)


@pytest.fixture
def archive(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "archive"))


def batch(archive, output, *more):
    return main(["batch", str(archive), "--output", str(output), "--quick", *more])


def rows(table, key):
    with table.open(encoding="utf-8", newline="") as file:
        return {row[key]: row for row in csv.DictReader(file)}


def manifest(archive, output):
    found = rows(output / "manifest.csv", "file")
    return {Path(name).relative_to(archive).as_posix(): (row["decision"], row["reason"]) for name, row in found.items()}


def test_every_folder_that_is_passed_over_is_in_the_manifest_with_the_reason(archive, tmp_path):
    assert batch(archive, archive / "P0" / "old results") == 0
    (archive / ".trash").mkdir()
    shutil.copy(archive / "P1" / "IM1", archive / ".trash" / "IM1")
    (archive / ".index").touch()
    (archive / "set" / "imagesTr").mkdir(parents=True)
    (archive / "set" / "dataset.json").write_text("{}")
    # These names alone make neither a result nor a data set.
    (archive / "P2" / "receipt.json").write_text("{}")
    assert batch(archive, tmp_path / "out", "--dry-run") == 0
    found = manifest(archive, tmp_path / "out")
    assert found[".trash"] == found[".index"] == ("left out", "hidden")
    assert found["P0/old results/P1"] == ("left out", "the results of an earlier reading")
    assert found["set"] == ("left out", "a training data set")
    assert [name for name, (decision, _) in found.items() if decision == "to read"] == ["P0/IM1", "P1/IM1", "P2/IM1"]


def test_a_folder_whose_studies_are_all_passed_over_is_refused_with_the_reason(archive, tmp_path, capsys):
    (archive / "dataset.json").write_text("{}")
    (archive / "imagesTr").mkdir()
    assert batch(archive, tmp_path / "out") == 2
    assert f"holds no study ({archive} is left out, a training data set)" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions are POSIX'")
def test_a_folder_that_cannot_be_listed_is_a_failure(archive, tmp_path, monkeypatch, capsys):
    real = os.scandir

    def closed(path="."):
        if str(path).endswith("P1"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert batch(archive, tmp_path / "out", "--dry-run") == 0
    assert manifest(archive, tmp_path / "out")["P1"][0] == "cannot be read"
    assert "P1" in capsys.readouterr().err


def test_results_in_a_folder_with_studies_are_refused_because_these_would_not_be_read(archive, capsys):
    assert batch(archive, archive / "P1") == 2
    assert f"{archive / 'P1'} holds studies, such as {archive / 'P1' / 'IM1'}" in capsys.readouterr().err
    assert [path.name for path in (archive / "P1").iterdir()] == ["IM1"]


def test_an_empty_name_is_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert batch("", tmp_path / "out") == 2
    assert "FOLDER is empty" in capsys.readouterr().err


def test_a_scan_whose_file_changed_is_read_again_and_one_that_was_copied_is_not(archive, tmp_path, capsys):
    assert batch(archive, tmp_path / "out") == 0
    changed = archive / "P1" / "IM1"
    header = pydicom.dcmread(changed)
    header.PixelData = bytes(reversed(header.PixelData))
    header.save_as(changed)
    same = archive / "P2" / "IM1"
    same.write_bytes(same.read_bytes())
    # As a copy has that keeps the time of modification: nothing but its content tells that it is another one.
    os.utime(changed, (0, 0))
    batch(archive, tmp_path / "out", "--dry-run")
    found = manifest(archive, tmp_path / "out")
    assert {name: decision for name, (decision, _) in found.items()} == {
        "P0/IM1": "read before",
        "P1/IM1": "to read",
        "P2/IM1": "read before",
    }


@pytest.mark.parametrize("damage", ["no mask", "short table", "no table"])
def test_a_result_that_is_not_whole_is_read_again(archive, tmp_path, damage):
    shutil.rmtree(archive / "P1")
    shutil.rmtree(archive / "P2")
    out = tmp_path / "out"
    assert batch(archive, out) == 0
    before = {path.name: path.read_bytes() for path in (out / "P0").iterdir() if path.name != "receipt.json"}
    if damage == "no mask":
        (out / "P0" / "mask.nrrd").unlink()
    elif damage == "no table":
        (out / "P0" / "quantification.json").unlink()
    else:
        receipt = json.loads((out / "P0" / "receipt.json").read_text(encoding="utf-8"))
        (out / "P0" / "receipt.json").write_text(json.dumps({**receipt, "lesions": receipt["lesions"] + 1}))
    assert batch(archive, out) == 0
    assert rows(out / "batch.csv", "case")["P0"]["state"] == "read"
    assert before == {path.name: path.read_bytes() for path in (out / "P0").iterdir() if path.name != "receipt.json"}


def test_failures_of_another_archive_are_kept(archive, tmp_path):
    other = make_archive(tmp_path / "other", 1, cut=(0,))
    assert batch(other, tmp_path / "out") == 1
    assert batch(archive, tmp_path / "out") == 0
    assert list(rows(tmp_path / "out" / "failures.csv", "input")) == [str(other / "P0")]


def test_a_damaged_file_between_studies_is_no_warning_of_any_of_them(archive, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for name in ("P0", "P1", "P2"):
        shutil.copy(archive / name / "IM1", flat / f"{name}.dcm")
    (flat / "broken.dcm").write_bytes(b"")
    assert batch(flat, tmp_path / "out") == 1
    found = rows(tmp_path / "out" / "batch.csv", "input")
    assert not [row["warnings"] for row in found.values() if "broken" in row["warnings"]]
    assert found[str(flat / "broken.dcm")]["state"] == "failed"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_log_that_cannot_be_written_is_named_itself(archive, tmp_path, capsys):
    assert batch(archive, tmp_path / "out", "--log", "/dev/full") == 1
    assert "/dev/full cannot be written (No space left on device); name another file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing/log", "out/batch.csv"])
def test_a_log_that_is_no_file_of_its_own_is_refused_before_the_search(archive, tmp_path, capsys, name):
    assert batch(archive, tmp_path / "out", "--log", str(tmp_path / name)) == 2
    printed = capsys.readouterr().err
    assert str(tmp_path / name) in printed
    assert "Looking for scans" not in printed


def test_the_log_has_a_line_for_a_damaged_file(archive, tmp_path):
    (archive / "P1" / "broken.dcm").write_bytes(b"")
    assert batch(archive, tmp_path / "out", "--log", str(tmp_path / "log")) == 1
    lines = [json.loads(line) for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert [(line["case"], line["state"]) for line in lines] == [
        ("", "failed"),
        *((f"P{number}", "read") for number in range(3)),
    ]


def in_this_process(address, do, items):
    """Stands for `cluster.cluster_map` with workers on machines that differ from this one."""
    return ((number, do(item)) for number, item in enumerate(items))


def test_a_worker_without_the_model_ends_the_run_and_no_study_is_blamed(archive, tmp_path, monkeypatch, capsys):
    def fail(settings):
        raise UserError("There is no model 'new'.")

    monkeypatch.setattr(cluster, "cluster_map", in_this_process)
    monkeypatch.setattr(cluster, "reader_of", fail)
    assert batch(archive, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9") == 2
    assert "cannot read: There is no model 'new'" in capsys.readouterr().err
    assert not (tmp_path / "out" / "failures.csv").exists()


def test_a_worker_without_the_archive_ends_the_run_and_no_study_is_blamed(archive, tmp_path, monkeypatch, capsys):
    def elsewhere(address, do, items):
        for number, item in enumerate(items):
            archive.rename(tmp_path / "mounted elsewhere")
            result = do(item)
            (tmp_path / "mounted elsewhere").rename(archive)
            yield number, result

    monkeypatch.setattr(cluster, "cluster_map", elsewhere)
    assert batch(archive, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9") == 2
    assert "the archive must have the same path on every machine" in capsys.readouterr().err
    assert not (tmp_path / "out" / "failures.csv").exists()


def test_workers_get_the_absolute_path_of_a_model_folder(archive, tmp_path, monkeypatch):
    from SpectBoneMetSegLib.model.store import find_model

    given = []

    def noted(settings):
        given.append(settings.model)
        raise UserError("stop here")

    shutil.copytree(find_model("thorax").path, tmp_path / "copied")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cluster, "cluster_map", in_this_process)
    monkeypatch.setattr(cluster, "reader_of", noted)
    batch(archive, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9", "--model", "copied")
    batch(archive, tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9", "--model", "thorax")
    assert given == [str(tmp_path / "copied"), "thorax"]


@pytest.mark.parametrize("address", ["foo", "http://here:1", "tcp://127.0.0.1"])
def test_what_is_no_address_of_a_scheduler_is_reported_in_one_sentence(archive, tmp_path, capsys, address):
    pytest.importorskip("distributed")
    assert batch(archive, tmp_path / "out", "--scheduler", address) == 2
    printed = capsys.readouterr().err.splitlines()
    assert f"No Dask scheduler answers at {address}" in printed[-1]
    assert "Traceback" not in "".join(printed)
