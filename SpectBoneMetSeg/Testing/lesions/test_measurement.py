import math

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.measurement import contrast_ring, measure_lesions
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror


def a_scan():
    """A plateau of 4 counts with a hot spot of 12 counts at rows 10-11, columns 5-7 of the anterior frame."""
    counts = np.full((30, 24), 4.0, dtype=np.float32)
    counts[10:12, 5:8] = 12.0
    anterior = PlanarView(counts, (2.0, 3.0), "anterior")
    return WholeBodyScan("case", anterior, mirror(PlanarView(counts / 2, (2.0, 3.0), "anterior")))


def maps(*boxes, shape=(30, 24)):
    ids = np.zeros(shape, dtype=np.uint16)
    for number, (top, left, bottom, right) in enumerate(boxes, start=1):
        ids[top:bottom, left:right] = number
    return ids


def measure(scan, ids, posterior=None):
    views = {"anterior": ids}
    if posterior is not None:
        views["posterior"] = posterior
    return measure_lesions(scan, ids, views, np.where(ids > 0, 0.75, 0.0).astype(np.float32))


def test_counts_are_the_sum_of_the_raw_counts_inside():
    (lesion,) = measure(a_scan(), maps((10, 5, 12, 8)))
    measured = lesion.views["anterior"]
    assert measured.counts == pytest.approx(6 * 12)
    assert (measured.max_counts, measured.mean_counts) == (12, 12)
    assert measured.area_mm2 == pytest.approx(6 * 2.0 * 3.0)
    assert measured.contrast == pytest.approx(12 / 4)


def test_posterior_counts_are_taken_from_the_view_as_acquired():
    ids = maps((10, 5, 12, 8))
    (lesion,) = measure(a_scan(), ids, posterior=ids[:, ::-1])
    assert lesion.seen_in == "both"
    assert lesion.views["posterior"].counts == pytest.approx(6 * 6)
    # Mirrored by mistake the mask would lie on the plateau.
    (mistaken,) = measure(a_scan(), ids, posterior=ids)
    assert mistaken.views["posterior"].counts == pytest.approx(6 * 2)


def test_seen_in_names_the_views_whose_mask_holds_the_lesion():
    ids = maps((3, 3, 5, 5), (20, 3, 22, 5))
    anterior, posterior = np.where(ids == 1, ids, 0), np.where(ids == 2, ids, 0)[:, ::-1]
    views = {"anterior": anterior, "posterior": posterior}
    lesions = measure_lesions(a_scan(), ids, views, np.zeros(ids.shape, dtype=np.float32))
    assert [lesion.seen_in for lesion in lesions] == ["anterior", "posterior"]
    assert [set(lesion.views) for lesion in lesions] == [{"anterior"}, {"posterior"}]


def test_area_and_centroid_are_in_patient_millimetres():
    scan = a_scan()
    (lesion,) = measure(scan, maps((10, 5, 12, 8)))
    assert lesion.area_mm2 == pytest.approx(36)
    expected = scan.frame.ijk_to_ras @ np.array([6.0, 10.5, 0.0, 1.0])
    np.testing.assert_allclose(lesion.centroid, expected[:3])
    x, z = lesion.curve[:, 0], lesion.curve[:, 2]
    assert abs(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1))) / 2 == pytest.approx(36)


def test_probabilities_are_those_inside_the_union():
    ids = maps((10, 5, 12, 7))
    probability = np.zeros(ids.shape, dtype=np.float32)
    probability[10:12, 5:7] = [[0.5, 0.7], [0.9, 0.5]]
    probability[0, 0] = 1.0
    (lesion,) = measure_lesions(a_scan(), ids, {"anterior": ids}, probability)
    assert lesion.max_probability == pytest.approx(0.9)
    assert lesion.mean_probability == pytest.approx(0.65)


def test_ring_lies_the_same_millimetres_around_on_any_grid_and_leaves_other_lesions_out():
    ids = maps((15, 12, 16, 13), (15, 15, 16, 18))
    ring = contrast_ring(ids, 1, (2.26, 2.26))
    wide = contrast_ring(ids, 1, (1.13, 2.26))
    assert wide[11, 12]
    assert not wide[12, 12]
    assert not ring[9, 12]
    rows, columns = np.nonzero(ring)
    distance = np.hypot(rows - 15, columns - 12)
    assert distance.min() == pytest.approx(2)
    assert distance.max() == pytest.approx(5)
    assert not (ring & (ids > 0)).any()
    assert ring[15, 10]
    assert ring[10, 12]
    assert not ring[15, 13]


def test_a_hot_neighbour_does_not_lower_the_contrast():
    scan = a_scan()
    alone = measure(scan, maps((10, 5, 12, 8)))[0].views["anterior"].contrast
    scan.views["anterior"].counts[10:12, 10:12] = 500
    both = measure(scan, maps((10, 5, 12, 8), (10, 10, 12, 12)))[0].views["anterior"].contrast
    assert both == pytest.approx(alone)


def test_contrast_without_counts_around_is_not_a_number():
    counts = np.zeros((30, 24), dtype=np.float32)
    counts[10:12, 5:8] = 3
    scan = WholeBodyScan("case", PlanarView(counts, (2.0, 3.0), "anterior"), None)
    assert math.isnan(measure(scan, maps((10, 5, 12, 8)))[0].views["anterior"].contrast)


def test_a_lesion_at_the_edge_of_the_field_is_measured():
    (lesion,) = measure(a_scan(), maps((0, 0, 2, 2)))
    assert lesion.views["anterior"].counts == pytest.approx(16)
    assert lesion.views["anterior"].contrast == pytest.approx(1)


def test_maps_that_do_not_belong_together_are_refused():
    ids = maps((10, 5, 12, 8))
    nothing = np.zeros_like(ids)
    with pytest.raises(ValueError, match="in no view"):
        measure_lesions(a_scan(), ids, {"anterior": nothing}, np.zeros(ids.shape, dtype=np.float32))
    with pytest.raises(ValueError, match="does not fit"):
        measure_lesions(a_scan(), ids, {"anterior": ids[:5]}, np.zeros(ids.shape, dtype=np.float32))


def test_no_lesions_give_no_measurements():
    assert measure(a_scan(), maps()) == ()


def test_what_was_measured_before_changes_nothing_and_is_not_measured_again(monkeypatch):
    from SpectBoneMetSegLib.lesions import measurement

    scan, known, requested = a_scan(), measurement.MeasurementCache(), []
    first, second, third = (10, 5, 12, 8), (20, 5, 23, 8), (2, 3, 4, 6)
    probability = np.random.default_rng(0).random((30, 24)).astype(np.float32)

    def measured(ids, known=None):
        return measure_lesions(scan, ids, {"anterior": ids, "posterior": ids[:, ::-1]}, probability, known)

    def assert_same(one, other):
        np.testing.assert_array_equal(one.curve, other.curve)
        assert {**vars(one), "curve": None} == {**vars(other), "curve": None}

    outline = measurement.outline
    monkeypatch.setattr(measurement, "outline", lambda mask: requested.append(mask.shape) or outline(mask))
    rounds = [(first, second), (third, first, second), (first, (20, 5, 23, 9)), (first, second)]
    new = []
    for boxes in rounds:
        requested.clear()
        found = measured(maps(*boxes), known)
        new.append(len(requested))
        for one, other in zip(found, measured(maps(*boxes)), strict=True):
            assert_same(one, other)
    # What one round did not ask for is forgotten.
    assert new == [2, 1, 1, 1]
