"""One simulated patient: reproducible, physically sensible, and labelled as simulated."""

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.planar import mirror
from SpectBoneMetSegTrainingLib.phantom.camera.detector import OUTSIDE_COUNTS
from SpectBoneMetSegTrainingLib.phantom.disease import patient as patient_module
from SpectBoneMetSegTrainingLib.phantom.disease.lesions import Form, make_focus
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import MINIMUM_CONTRAST, MINIMUM_RATIO, MINIMUM_SNR


def middle(mask):
    rows, columns = np.nonzero(mask)
    return rows.mean(), columns.mean()


def test_the_same_seed_gives_the_same_counts_labels_and_regions(coarse_case):
    first, again = (coarse_case(31, plain=False, positive=True) for _ in range(2))
    assert first.lesions
    for view in ("anterior", "posterior"):
        assert np.array_equal(again.scan.views[view].counts, first.scan.views[view].counts)
        assert np.array_equal(again.expected[view], first.expected[view])
        assert np.array_equal(again.regions[view], first.regions[view])
    assert [lesion.bone for lesion in again.lesions] == [lesion.bone for lesion in first.lesions]
    for one, two in zip(first.lesions, again.lesions, strict=True):
        for view, shown in one.views.items():
            assert np.array_equal(shown.mask, two.views[view].mask)
            assert (shown.visible, shown.merged_into) == (two.views[view].visible, two.views[view].merged_into)
    assert (again.mimics, again.landmarks, again.parameters) == (first.mimics, first.landmarks, first.parameters)


def test_another_seed_gives_another_patient(patient, negative):
    assert not np.array_equal(negative.scan.anterior.counts, patient.scan.anterior.counts)
    assert negative.landmarks != patient.landmarks


@pytest.fixture(scope="module")
def negative(coarse_case):
    """Return a patient without metastases but with very hot mimics."""

    def hot_mimics(person, rng, age, amount):
        return [
            make_focus(person, rng, "degenerative", "L3", Form(12.0), 20.0),
            make_focus(person, rng, "fracture", "left rib 6", Form(8.0), 20.0),
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patient_module, "draw_mimics", hot_mimics)
        return coarse_case(12, positive=False)


def test_mimics_are_named_but_never_labelled(negative):
    assert negative.mimics == ("degenerative L3", "fracture left rib 6")
    assert negative.lesions == ()


def test_expected_counts_are_those_of_the_acquisition(patient):
    requested = patient.parameters["anterior_counts"]
    assert patient.expected["anterior"].sum() == pytest.approx(requested, rel=1e-4)
    stray = OUTSIDE_COUNTS * patient.scan.anterior.counts.size
    for view, counts in patient.scan.views.items():
        total = float(patient.expected[view].sum()) + stray
        assert counts.counts.sum() == pytest.approx(total, abs=float(5 * np.sqrt(total)))
    assert 0.5 < patient.expected["posterior"].sum() / requested < 2


def test_counts_are_poisson_about_the_expected_ones(patient):
    expected = patient.expected["anterior"] + OUTSIDE_COUNTS
    body = expected > 20
    pull = (patient.scan.anterior.counts - expected)[body] / np.sqrt(expected[body])
    assert pull.mean() == pytest.approx(0, abs=0.1)
    assert pull.std() == pytest.approx(1, abs=0.1)


def test_outside_the_body_lie_about_two_counts_in_ten_pixels(patient):
    for view, seen in patient.scan.views.items():
        counts = seen.counts if view == "anterior" else mirror(seen).counts
        air = patient.expected[view] < 0.005
        assert air.sum() > 1000
        assert counts[air].mean() == pytest.approx(OUTSIDE_COUNTS, abs=0.06)
        assert (counts[air] < 6).all()


def test_the_posterior_view_is_stored_as_seen_from_behind(patient):
    seen, expected = patient.scan.posterior.counts.ravel(), patient.expected["posterior"]
    right = np.corrcoef(seen, expected[:, ::-1].ravel())[0, 1]
    assert right > 0.98
    assert right > np.corrcoef(seen, expected.ravel())[0, 1] + 0.01


def test_landmarks_run_from_head_to_foot_inside_the_field(patient, negative):
    for case in (patient, negative):
        marks = case.landmarks
        order = ["head_top_row", "first_rib_row", "clavicle_row", "last_rib_row", "feet_row"]
        assert sorted(order, key=marks.get) == order
        columns = case.scan.anterior.shape[1]
        assert marks["head_top_row"] > 0
        assert abs(marks["thoracic_spine_column"] - columns / 2) < columns / 8
        # Only air is above the head.
        top = round(marks["head_top_row"])
        assert case.expected["anterior"][: top - 1].mean() < 0.1 * case.expected["anterior"].mean()
        assert case.expected["anterior"][top + 3 : top + 12].mean() > 0.2 * case.expected["anterior"].mean()


def test_lesions_are_numbered_from_one_and_labelled_by_the_rule(patient):
    assert [lesion.id for lesion in patient.lesions] == list(range(1, len(patient.lesions) + 1))
    assert len(patient.lesions) >= 1
    for lesion in patient.lesions:
        assert set(lesion.views) == {"anterior", "posterior"}
        for seen in lesion.views.values():
            assert seen.mask.shape == patient.scan.anterior.shape
            bright = seen.ratio >= MINIMUM_RATIO and seen.contrast >= MINIMUM_CONTRAST
            assert seen.visible == (bright and seen.snr >= MINIMUM_SNR)
            assert seen.merged_into is None or not seen.mask.any()
        assert lesion.visible == any(seen.visible for seen in lesion.views.values())


def three_lesions(coarse_case, **options):
    """Return a patient with three hot lesions in known bones."""

    def three(person, rng, disease):
        return [
            make_focus(person, rng, "metastasis", bone, Form(14.0), 15.0)
            for bone in ("left femur", "T8", "right clavicle")
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patient_module, "draw_metastases", three)
        return coarse_case(13, positive=True, arms_up=False, **options)


@pytest.fixture(scope="module")
def known(coarse_case):
    return three_lesions(coarse_case)


def test_labels_of_a_posterior_view_taken_later_move_with_it(known, coarse_case):
    late = three_lesions(coarse_case, shift=(2, -1))
    assert late.parameters["posterior_shift_pixels"] == [2, -1]
    for one, two in zip(known.lesions, late.lesions, strict=True):
        assert np.array_equal(one.views["anterior"].mask, two.views["anterior"].mask)
        assert np.array_equal(np.roll(one.views["posterior"].mask, (2, -1), (0, 1)), two.views["posterior"].mask)
    assert np.array_equal(known.expected["anterior"], late.expected["anterior"])
    moved = np.roll(known.expected["posterior"], (2, -1), (0, 1))
    assert np.allclose(moved[4:-4, 4:-4], late.expected["posterior"][4:-4, 4:-4], rtol=1e-5)


def test_lesions_are_ordered_from_head_to_foot(known):
    assert [lesion.bone for lesion in known.lesions] == ["right clavicle", "T8", "left femur"]


@pytest.mark.parametrize("view", ["anterior", "posterior"])
def test_labels_lie_in_the_anterior_frame_where_the_bone_is(known, view):
    collar, spine, leg = (middle(lesion.views[view].mask) for lesion in known.lesions)
    marks = known.landmarks
    assert collar[1] < marks["thoracic_spine_column"] - 1
    assert leg[1] > marks["thoracic_spine_column"] + 3
    assert abs(spine[1] - marks["thoracic_spine_column"]) < 4
    assert marks["first_rib_row"] < spine[0] < marks["last_rib_row"] < leg[0] < marks["feet_row"]


def test_the_view_behind_sees_a_vertebra_better_than_the_view_in_front(known):
    spine = known.lesions[1]
    assert spine.views["posterior"].visible
    assert spine.views["posterior"].snr > spine.views["anterior"].snr


def test_a_hot_lesion_stands_out_in_the_counts_where_its_label_is(known):
    collar = known.lesions[0].views["anterior"].mask
    around = np.zeros_like(collar)
    row, column = (round(value) for value in middle(collar))
    around[row - 5 : row + 6, column - 3 : column + 4] = True
    counts = known.scan.anterior.counts
    assert counts[collar].mean() > 2 * counts[around & ~collar].mean()
