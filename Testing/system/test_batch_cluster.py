"""An archive read by a Dask cluster: the same files and tables as one machine's, also when a worker is killed."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time

import pytest
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegTrainingLib.phantom.cohort.benchmark import tree_digest
from support.archives import make_archive

pytest.importorskip("distributed")

from SpectBoneMetSegLib.batch import cluster

QUIET = {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s", "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def archive(tmp_path):
    return make_archive(tmp_path / "archive", 8)


@pytest.fixture
def processes():
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(processes, tool, *options):
    command = [sys.executable, "-m", f"distributed.cli.dask_{tool}", "--no-dashboard", *options]
    processes.append(subprocess.Popen(command, env={**os.environ, **QUIET}, stderr=subprocess.DEVNULL))
    return processes[-1]


def masks(output):
    return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*.nrrd")}


def table(output):
    with (output / "batch.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def start_cluster(processes, tmp_path):
    """Start a scheduler and two workers; return the scheduler's address and a worker."""
    place = tmp_path / "scheduler.json"
    start(processes, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(place))
    wait_for(place.is_file)
    worker = ("--scheduler-file", str(place), "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
    victim = start(processes, "worker", *worker)
    start(processes, "worker", *worker)
    address = json.loads(place.read_text(encoding="utf-8"))["address"]
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=120)
    return address, victim


@pytest.mark.slow
def test_a_cluster_of_which_one_worker_is_killed_writes_what_one_machine_writes(archive, tmp_path, processes):
    address, victim = start_cluster(processes, tmp_path)
    out = tmp_path / "cluster"
    command = [sys.executable, "-m", "SpectBoneMetSegLib.cli.main", "batch", str(archive), "--quick"]
    run = subprocess.Popen([*command, "--output", str(out), "--scheduler", address])
    wait_for(lambda: any(out.glob("P*")))
    victim.kill()
    assert run.wait(300) == 0
    assert main(["batch", str(archive), "--quick", "--output", str(tmp_path / "here"), "--jobs", "1"]) == 0
    assert masks(out) == masks(tmp_path / "here")
    assert len(masks(out)) == 24
    assert table(out) == table(tmp_path / "here")


@pytest.mark.slow
def test_patients_simulated_and_evaluated_on_a_cluster_are_those_of_one_machine(tmp_path, processes, capsys):
    address, _ = start_cluster(processes, tmp_path)
    command = ["simulate", "--patients", "4", "--seed", "5", "--test-share", "0.5"]
    assert main([*command, "--output", str(tmp_path / "cluster"), "--scheduler", address]) == 0
    assert main([*command, "--output", str(tmp_path / "here"), "--jobs", "1"]) == 0
    assert tree_digest(tmp_path / "cluster") == tree_digest(tmp_path / "here")
    capsys.readouterr()
    results = []
    for where in ([], ["--scheduler", address]):
        assert main(["evaluate", "--data", str(tmp_path / "here"), "--json", *where]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0] == results[1]
    assert results[0]["cases"] == 2


def test_simulate_reports_an_address_without_a_response(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    nowhere = ["--scheduler", "tcp://127.0.0.1:9"]
    assert main(["simulate", "--patients", "1", "--seed", "5", "--output", str(tmp_path / "new"), *nowhere]) == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert main(["simulate", "--patients", "1", "--output", str(tmp_path / "new"), *nowhere, "--jobs", "2"]) == 2
    assert "--jobs applies to this machine only" in capsys.readouterr().err


def test_an_address_without_a_response_is_reported(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    assert main(["batch", str(archive), "--output", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_a_cluster_has_no_number_of_jobs(archive, tmp_path, capsys):
    words = [
        "batch",
        str(archive),
        "--output",
        str(tmp_path / "out"),
        "--scheduler",
        "tcp://127.0.0.1:9",
        "--jobs",
        "2",
    ]
    assert main(words) == 2
    assert "--jobs applies to this machine only" in capsys.readouterr().err


def wait_for(condition, seconds=180.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
