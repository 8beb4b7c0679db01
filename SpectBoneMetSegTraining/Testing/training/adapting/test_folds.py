"""Counts of stored predictions are counted once, and anew when what they were counted from has changed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegTrainingLib.dataset.opened import opened
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator, operating_points
from SpectBoneMetSegTrainingLib.training.adapting import folds

NETWORK, POINTS = NetworkConfig(channels=(8,), dilations=((1, 2),)), operating_points(20.0, "lesions")


@pytest.fixture
def counting(discs, tmp_path, monkeypatch):
    """(data set, predictions, the number of times they were counted so far)."""
    data, path, calls = discs(tmp_path / "d", ["train"] * 3), tmp_path / "0.5.npz", []
    write(path, 0)
    count = folds.counts_at
    monkeypatch.setattr(folds, "counts_at", lambda *arguments: calls.append(1) or count(*arguments))
    return data, path, calls


def write(path, seed):
    """Write predictions of random blocks."""
    rng = np.random.default_rng(seed)
    maps = {f"case{i}": np.kron(rng.random((8, 8, 2)), np.ones((8, 8, 1))).astype(np.float16) for i in range(3)}
    np.savez(path, **maps)


def counts(data, path, points=POINTS):
    return folds.stored_counts(path, opened(data), NETWORK, "thorax", points)


def test_counts_are_stored_and_read_back_as_they_were(counting):
    data, path, calls = counting
    first = counts(data, path)
    assert len(calls) == 1
    assert counts(data, path) == first
    assert list(counts(data, path)) == list(first) == ["case0", "case1", "case2"]
    assert len(calls) == 1


@pytest.mark.parametrize("changed", ["predictions", "outlines", "flags", "operating points"])
def test_what_changed_is_counted_anew(counting, changed):
    data, path, calls = counting
    first, points = counts(data, path), POINTS
    if changed == "predictions":
        write(path, 1)
    elif changed == "operating points":
        points = [Delineator(0.35, 0.35, 20.0)]
    else:
        record = data / "instances" / "case0.json"
        new = {"lesions": []} if changed == "outlines" else {"flags": ["photopenic"]}
        record.write_text(json.dumps({**json.loads(record.read_text()), **new}))
    assert counts(data, path, points) != first
    assert len(calls) == 2
