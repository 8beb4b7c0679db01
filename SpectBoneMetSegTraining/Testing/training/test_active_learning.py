"""Active learning: uncertainty and novelty both count, every scan is ranked once with its reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from SpectBoneMetSegLib.cli.main import main
from SpectBoneMetSegLib.model.architecture import build_network
from SpectBoneMetSegLib.model.config import NetworkConfig
from SpectBoneMetSegLib.model.store import load_network, save_model
from SpectBoneMetSegTrainingLib.dataset.cases import load_case
from SpectBoneMetSegTrainingLib.training.active_learning import (
    UncertaintyEstimator,
    entropy,
    greedy_order,
    rank_scans,
    standardised,
)

NETWORK = NetworkConfig(channels=(8,), dilations=((1, 2),), recurrent_steps=2, stem_channels=6)


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 3 + ["unlabelled"] * 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(build_network(NETWORK), NETWORK, {}, tmp_path_factory.mktemp("model") / "tiny")


def test_of_scans_that_look_alike_the_uncertain_one_comes_first():
    alike = np.zeros((3, 2))
    assert next(index for index, _ in greedy_order(np.array([1.0, 3.0, 2.0]), alike, np.ones((1, 2)))) == 1


def test_of_equally_uncertain_scans_the_one_unlike_the_labelled_comes_first():
    features = np.array([[0.0, 0.1], [0.0, 5.0], [0.1, 0.0]])
    chosen = greedy_order(np.ones(3), features, np.zeros((1, 2)))
    assert chosen[0] == (1, 1.0)
    assert chosen[1][1] < 0.1


def test_a_twin_of_a_chosen_scan_waits():
    features = np.array([[5.0, 0.0], [5.0, 0.0], [0.0, 3.0]])
    assert [index for index, _ in greedy_order(np.array([1.0, 0.9, 0.5]), features, np.zeros((1, 2)))] == [0, 2, 1]


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            arrays(np.float64, n, elements=st.floats(0, 50)),
            arrays(np.float64, (n, 3), elements=st.floats(-3, 3)),
            arrays(np.float64, (2, 3), elements=st.floats(-3, 3)),
        )
    ),
    st.booleans(),
)
def test_every_scan_is_ranked_once(scans, without_known):
    uncertainty, features, known = scans
    chosen = greedy_order(uncertainty, features, known[:0] if without_known else known)
    assert sorted(index for index, _ in chosen) == list(range(len(uncertainty)))
    assert all(0 <= novelty <= 1 for _, novelty in chosen)
    if without_known:
        # Uncertainties that differ by less than a billionth count as equal.
        assert uncertainty[chosen[0][0]] == pytest.approx(uncertainty.max(), abs=1e-9)


def test_entropy_is_greatest_at_one_half_and_zero_where_the_prediction_is_certain():
    values = entropy(np.array([0.0, 0.01, 0.5, 0.99, 1.0]))
    assert values[2] == pytest.approx(1)
    np.testing.assert_allclose(values, values[::-1], atol=1e-9)
    assert values[0] < 1e-4 < values[1] < 0.1


def test_a_column_that_never_varies_does_not_count():
    features = standardised(np.array([[1.0, 7.0], [3.0, 7.0]]))
    np.testing.assert_allclose(features, [[-np.sqrt(0.5), 0], [np.sqrt(0.5), 0]])


def test_a_scan_and_its_mirror_image_are_equally_uncertain(data, model):
    estimate = UncertaintyEstimator(load_network(model), NETWORK)
    crop = load_case(data, "case4")
    mirrored = replace(crop, counts={name: image[:, ::-1] for name, image in crop.counts.items()})
    area, features = estimate(crop)
    assert area > 0
    assert features.shape == (16,)
    assert estimate(mirrored)[0] == pytest.approx(area, rel=1e-3)


def test_ranking_names_the_unlabelled_scans_with_reasons(data, model):
    reported = []
    ranked = rank_scans(model, data, progress=lambda done, total: reported.append((done, total)))
    assert sorted(scan.case for scan in ranked) == ["case3", "case4", "case5", "case6"]
    assert reported[-1] == (7, 7)
    assert all("cm2" in scan.reason and "those that are labelled" in scan.reason for scan in ranked)
    assert rank_scans(model, data, []) == []


@pytest.mark.parametrize(
    ("changes", "features"),
    [
        ({"architecture": "unet"}, 2 * 16),
        ({"architecture": "reader", "channels": (5, 6, 8), "dilations": ((1, 2),) * 3, "regions": True}, 2 * 8),
    ],
)
def test_every_architecture_ranks_by_its_coarsest_features(changes, features, data, tmp_path):
    config = replace(NETWORK, **changes)
    model = save_model(build_network(config), config, {}, tmp_path / "model")
    assert len(rank_scans(model, data)) == 4
    area, values = UncertaintyEstimator(load_network(model), config)(load_case(data, "case4"))
    assert area > 0
    assert values.shape == (features,)


def test_the_command_prints_the_order(data, model, discs, tmp_path, capsys):
    assert main(["rank", "--data", str(data), "--model", str(model.path), "--first", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("2\tcase")
    assert main(["rank", "--data", str(data), "--model", "no such model"]) == 2
    labelled = discs(tmp_path / "labelled", ["train"])
    assert main(["rank", "--data", str(labelled), "--model", str(model.path)]) == 1
    assert "no unlabelled scan" in capsys.readouterr().err
