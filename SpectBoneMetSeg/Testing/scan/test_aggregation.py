"""I_agg = I_ant + Mirr(I_post)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from SpectBoneMetSegLib.scan.aggregation import aggregate
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror, same_grid

COUNTS = hnp.arrays(np.float32, (7, 6), elements=st.integers(0, 4000).map(float))


def view(counts, name, spacing=(2.0, 2.0), origin=None):
    return PlanarView(np.asarray(counts, np.float32), spacing, name, origin)


@given(COUNTS, COUNTS)
def test_the_aggregate_is_anterior_plus_column_reversed_posterior(anterior, posterior):
    scan = WholeBodyScan("a", view(anterior, "anterior"), view(posterior, "posterior"))
    result = aggregate(scan)
    assert np.array_equal(result.counts, anterior + posterior[:, ::-1])
    assert same_grid(result, scan.anterior)


def test_a_spot_on_the_patients_left_falls_on_itself():
    anterior, posterior = np.zeros((4, 5)), np.zeros((4, 5))
    anterior[1, 4] = 10  # seen from the front, the left is on the right
    posterior[1, 0] = 7
    counts = aggregate(WholeBodyScan("a", view(anterior, "anterior"), view(posterior, "posterior"))).counts
    assert counts[1, 4] == 17
    assert counts.sum() == 17


def test_one_view_is_its_own_aggregate_in_the_anterior_frame():
    counts = np.arange(12).reshape(3, 4)
    anterior, posterior = view(counts, "anterior"), view(counts, "posterior")
    assert aggregate(WholeBodyScan("a", anterior, None)) is anterior
    alone = aggregate(WholeBodyScan("a", None, posterior))
    assert alone.name == "anterior"
    assert np.array_equal(alone.counts, counts[:, ::-1])
    assert same_grid(alone, mirror(posterior))


def test_the_inputs_are_not_changed():
    scan = WholeBodyScan("a", view(np.ones((3, 4)), "anterior"), view(np.ones((3, 4)), "posterior"))
    aggregate(scan)
    assert (scan.anterior.counts == 1).all()
    assert (scan.posterior.counts == 1).all()


def test_a_posterior_view_with_half_the_pixel_size_keeps_its_counts_and_its_position():
    fine = np.zeros((24, 20))
    fine[8:10, 14:16] = 25
    scan = WholeBodyScan("a", view(np.zeros((12, 10)), "anterior"), view(fine, "posterior", (1.0, 1.0)))
    result = aggregate(scan)
    assert result.shape == (12, 10)
    assert result.counts[4, 2] == pytest.approx(100, rel=1e-5)
    assert result.counts.sum() == pytest.approx(100, rel=1e-5)


def test_a_shifted_posterior_field_is_matched_by_its_position_in_the_patient():
    anterior = view(np.zeros((6, 8)), "anterior")
    # The posterior field is two pixels shorter at the top and one narrower on either side.
    counts = np.zeros((4, 6))
    counts[0, 0] = 9
    right, front, top = mirror(anterior).origin
    posterior = view(counts, "posterior", origin=(right + 2.0, front, top - 4.0))
    result = aggregate(WholeBodyScan("a", anterior, posterior)).counts
    assert result[2, 6] == 9
    assert result.sum() == 9
