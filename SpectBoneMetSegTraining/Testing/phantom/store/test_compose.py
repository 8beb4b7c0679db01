"""Scans composed from a stored patient: counts, labels and variation between draws."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION
from SpectBoneMetSegTrainingLib.phantom.store.compose import compose, draw_composition, expected_counts, sum_projections
from SpectBoneMetSegTrainingLib.phantom.store.crops import crop_of, window_of
from SpectBoneMetSegTrainingLib.phantom.store.project import project_patient

WHOLE = slice(0, 512), slice(0, 128)


@pytest.fixture(scope="module")
def patient():
    return project_patient("sim", 11, shape=(512, 128), spacing=4.5)


def rng(seed=0):
    return np.random.default_rng(seed)


def plain(patient, **changes):
    """Return a composition with all lesions of the first disease and no processing."""
    drawn = draw_composition(patient, rng(), diseased=True)
    lesions = patient.diseases[0].lesions
    camera = replace(drawn.camera, views=VIEW_NAMES, smoothing=0.0, enhancement=0.0, capture=0.0, ceiling=0)
    return replace(
        drawn, **{"lesions": lesions, "weights": (1.0,) * len(lesions), "camera": camera, "curve": 1.0, **changes}
    )


def test_the_same_random_numbers_give_the_same_scan(patient):
    def scan(seed):
        numbers = rng(seed)
        return compose(patient, draw_composition(patient, numbers), numbers)

    one, same, other = scan(3), scan(3), scan(4)
    for view in one.counts:
        np.testing.assert_array_equal(one.counts[view], same.counts[view])
        np.testing.assert_array_equal(one.labels[view], same.labels[view])
    assert any(not np.array_equal(one.counts[view], other.counts[view]) for view in set(one.counts) & set(other.counts))


def test_the_first_view_has_the_counts_of_the_camera_and_the_other_its_share(patient):
    drawn = plain(patient)
    healthy, lesions = expected_counts(patient, drawn, WHOLE)
    totals = {view: healthy[view].sum() + sum(image.sum() for _, image in lesions[view]) for view in VIEW_NAMES}
    assert totals["anterior"] == pytest.approx(drawn.camera.counts, rel=0.03)
    scan = compose(patient, drawn, rng(1))
    for view in VIEW_NAMES:
        assert scan.counts[view].sum() == pytest.approx(totals[view], rel=0.03)
        assert (scan.counts[view] == np.rint(scan.counts[view])).all()


def test_noise_of_an_unprocessed_scan_is_that_of_counting(patient):
    drawn = plain(patient, blur=0.0, camera=replace(plain(patient).camera, unevenness=0.0))
    healthy, lesions = expected_counts(patient, drawn, WHOLE)
    total = healthy["anterior"] + sum_projections(lesions["anterior"], healthy["anterior"].shape)
    body = total > 3
    difference = compose(patient, drawn, rng(2)).counts["anterior"] - total
    assert (difference[body] ** 2 / total[body]).mean() == pytest.approx(1.0, abs=0.1)


def test_without_lesions_nothing_is_labelled(patient):
    scan = compose(patient, draw_composition(patient, rng(5), diseased=False), rng(6))
    assert all(not label.any() for label in scan.labels.values())


def test_a_faint_lesion_is_to_be_ignored_and_a_hot_one_is_outlined(patient):
    number = max(
        range(len(patient.diseases[0].lesions)),
        key=lambda i: patient.diseases[0].lesions[i].views["posterior"][1].sum(),
    )
    lesion = (patient.diseases[0].lesions[number],)
    drawn = plain(patient, mimics=(0.0,) * len(patient.mimics))
    hot = compose(patient, replace(drawn, lesions=lesion, weights=(3.0,)), rng(7)).labels["posterior"]
    faint = compose(patient, replace(drawn, lesions=lesion, weights=(0.02,)), rng(7)).labels["posterior"]
    assert (hot == LESION).sum() > 4
    assert not (faint == LESION).any()
    assert (faint == IGNORE).any()


def test_metastases_leave_less_for_soft_tissue_and_urine(patient):
    heavy = replace(patient, diseases=(replace(patient.diseases[0], lesions=()),) * 3)
    lesions = tuple(replace(layer, burden=layer.burden + 1.0) for layer in patient.diseases[0].lesions[:1])
    ill = replace(patient, diseases=(replace(patient.diseases[0], lesions=lesions),) * 3)
    tissue = [layer.name for layer in patient.body].index("soft tissue")

    def weight(of):
        return np.mean([draw_composition(of, rng(seed), diseased=True).body[tissue] for seed in range(40)])

    assert weight(heavy) == pytest.approx(1.0)
    assert weight(ill) < 0.9


def test_a_window_has_the_labels_that_the_whole_scan_has_there(patient):
    drawn = plain(patient)
    window = window_of(patient.thorax)
    whole, part = compose(patient, drawn, rng(8)), compose(patient, drawn, rng(8), window)
    for view in VIEW_NAMES:
        same = whole.labels[view][window] == part.labels[view]
        # A lesion at the edge of the window may have a slightly different outline.
        assert same.mean() > 0.99
        assert part.counts[view].shape == part.labels[view].shape == part.regions[view].shape == same.shape


def test_a_window_expects_the_counts_that_the_whole_scan_has_there(patient):
    drawn = plain(patient)
    window = window_of(patient.thorax)
    whole, part = expected_counts(patient, drawn, WHOLE)[0], expected_counts(patient, drawn, window)[0]
    for view in VIEW_NAMES:
        # Scatter from beyond the extended window is left out.
        difference = np.abs(whole[view][window] - part[view])
        assert difference.max() < 0.02 * np.percentile(whole[view][window], 90)


def test_a_crop_lies_on_the_reference_grid_with_the_counts_of_the_thorax(patient):
    drawn = plain(patient)
    scan = compose(patient, drawn, rng(9), window_of(patient.thorax))
    crop = crop_of(scan, patient.thorax)
    (first, end), (left, right) = patient.thorax.reference
    for view in VIEW_NAMES:
        assert crop.counts[view].shape == crop.labels[view].shape == (end - first, right - left)
        # The window begins and ends at whole pixels of the scan, up to one beyond the box.
        assert crop.counts[view].sum() == pytest.approx(scan.counts[view].sum(), rel=0.05)
        # Smaller pixels at the edge of a lesion that are covered by half are left out.
        labelled = (scan.labels[view] == LESION).sum() * 4.5**2
        assert (crop.labels[view] == LESION).sum() * 2.26**2 == pytest.approx(labelled, rel=0.2)


def test_a_view_is_missing_now_and_then_and_mimics_are_rarer_in_patients_with_metastases(patient):
    drawn = [draw_composition(patient, rng(seed)) for seed in range(300)]
    assert 0.01 < np.mean([len(one.camera.views) == 1 for one in drawn]) < 0.15
    ill = [np.count_nonzero(one.mimics) for one in drawn if one.lesions]
    well = [np.count_nonzero(one.mimics) for one in drawn if not one.lesions]
    assert np.mean(ill) < 0.6 * np.mean(well)
