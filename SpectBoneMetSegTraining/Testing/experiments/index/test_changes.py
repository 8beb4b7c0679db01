"""New lesions reported correctly, wrongly and not at all."""

import math

import pytest
from SpectBoneMetSegTrainingLib.experiments.index.changes import ChangeCounts, f1


def test_figures_add_up_over_patients():
    assert ChangeCounts(2, 1, 0) + ChangeCounts(1, 0, 1) == ChangeCounts(3, 1, 1)
    assert f1(ChangeCounts(3, 1, 1)) == pytest.approx(0.75)


def test_nothing_new_and_nothing_reported_has_no_figure():
    assert math.isnan(f1(ChangeCounts()))
