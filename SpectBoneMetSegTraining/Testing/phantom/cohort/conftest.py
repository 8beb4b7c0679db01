"""Fixtures of the tests in this folder."""

from __future__ import annotations

import pytest
from SpectBoneMetSegTrainingLib.phantom.cohort.population import (
    simulate_population,
)
from SpectBoneMetSegTrainingLib.phantom.scan import simulate
from support.cohort import SMALL, fake_case, fake_series


@pytest.fixture
def whole(tmp_path, quick):
    simulate_population(tmp_path / "whole", SMALL)
    return tmp_path / "whole"


@pytest.fixture
def quick(monkeypatch):
    """Replace the simulator by a fast fake."""
    monkeypatch.setattr(simulate, "simulate_case", fake_case)
    monkeypatch.setattr(simulate, "simulate_series", fake_series)
