"""`evaluate` on the workers of a Dask cluster."""

from __future__ import annotations

import json

import pytest
from SpectBoneMetSegLib.batch import cluster as cluster_module
from SpectBoneMetSegLib.cli.main import main

pytest.importorskip("distributed")


@pytest.fixture
def data(discs, tmp_path):
    return discs(tmp_path / "data", ["test"] * 5)


def test_a_cluster_gives_the_results_of_this_process(data, capsys):
    from distributed import LocalCluster

    command = ["evaluate", "--data", str(data), "--model", "thorax", "--json"]
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        assert main([*command, "--scheduler", cluster.scheduler_address]) == 0
    there = json.loads(capsys.readouterr().out)
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == there
    assert there["cases"] == 5


def test_the_error_of_a_worker_ends_the_evaluation(data, capsys):
    from distributed import LocalCluster

    (data / "imagesTs" / "case3_0000.nii.gz").unlink()
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        status = main(["evaluate", "--data", str(data), "--model", "thorax", "--scheduler", cluster.scheduler_address])
    assert status == 1
    assert "case3_0000.nii.gz" in capsys.readouterr().err


def test_an_address_without_a_response_is_a_usage_error(data, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "PATIENCE", 0.5)
    assert main(["evaluate", "--data", str(data), "--model", "thorax", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
