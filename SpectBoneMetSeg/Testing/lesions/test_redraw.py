"""Lesions drawn anew: the same as the pipeline's at its own threshold, and updated after every edit."""

import csv
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from SpectBoneMetSegLib.export.result_folder import save_reading
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.lesions.delineation import lesion_masks
from SpectBoneMetSegLib.lesions.edits import edits_from, edits_text, update_edits
from SpectBoneMetSegLib.lesions.model_result import Limits, ModelResult
from SpectBoneMetSegLib.lesions.naming import lesion_ids
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.lesions.review import LesionMemory, Review, label_of_lesions, reviewed
from SpectBoneMetSegLib.lesions.serialisation import load_result, load_scan, save_result, save_scan
from SpectBoneMetSegLib.quantification.quantify import quantify
from SpectBoneMetSegLib.scan.planar import PlanarView, ScanSource, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

SHAPE = (40, 24)


def spot(*places):
    """Cones of probability: (row, column, radius, peak)."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    values = np.zeros(SHAPE, np.float32)
    for row, column, radius, peak in places:
        values = np.maximum(values, peak * (1 - np.hypot(y - row, x - column) / radius))
    return values.astype(np.float32)


def make_result(anterior, posterior=None, limits=None):
    rng = np.random.default_rng(2)
    views = {
        name: PlanarView(rng.poisson(20, SHAPE), (2.0, 3.0), name)
        for name, values in (("anterior", anterior), ("posterior", posterior))
        if values is not None
    }
    source = ScanSource(("scan.dcm",), ("ab" * 32,), ("1.2.3",), {"manufacturer": "Vendör"})
    scan = WholeBodyScan("case", views.get("anterior"), views.get("posterior"), source, ("odd",))
    maps = {"anterior": anterior, "posterior": posterior}
    maps = {name: maps[name] for name in views}
    return ModelResult(scan, ThoraxCrop((3, 30), (0, 20), 0.5, ("odd",)), maps, limits or Limits(), {"seed": 0})


@pytest.fixture
def a_result():
    """Three lesions: in front, behind, in both."""
    return make_result(spot((8, 6, 4, 0.9), (30, 12, 5, 0.95)), spot((18, 16, 4, 0.8), (30, 13, 5, 0.9)))


def table_of(folder):
    with open(folder / "lesions.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edits_of(result, labels, threshold, edits=None):
    shown = reading_at(result, threshold, 0.0, edits)
    return update_edits(result.probabilities, result.scan.frame, shown.mask, labels, threshold, edits)


def edited_reading(result, labels, threshold):
    return reading_at(result, threshold, 0.0, edits_of(result, labels, threshold))


def test_at_the_models_own_threshold_the_lesions_are_the_pipelines(a_result):
    reading = reading_at(a_result, 0.5, 0.0)
    expected = lesion_masks(a_result.probabilities, 0.5, 0.0, a_result.scan.frame, 0.5)
    np.testing.assert_array_equal(lesion_ids(reading), expected.union)
    np.testing.assert_array_equal(reading.view_masks["anterior"], expected.views["anterior"])
    np.testing.assert_array_equal(reading.view_masks["posterior"], expected.views["posterior"][:, ::-1])
    assert [lesion.seen_in for lesion in reading.lesions] == ["anterior", "posterior", "both"]


def test_a_higher_threshold_shrinks_lesions_and_a_larger_minimum_drops_them(a_result):
    low, high = reading_at(a_result, 0.3, 0.0), reading_at(a_result, 0.7, 0.0)
    assert high.mask.sum() < low.mask.sum()
    assert not (high.mask & ~low.mask).any()
    smallest = min(lesion.area_mm2 for lesion in low.lesions)
    assert len(reading_at(a_result, 0.3, smallest + 1).lesions) < len(low.lesions)
    assert reading_at(a_result, 0.99, 0.0).lesions == ()


def test_lowering_the_threshold_adds_no_area_below_the_seed_threshold():
    result = make_result(spot((10, 10, 4, 0.45)))
    assert reading_at(result, 0.3, 0.0).lesions == ()


def test_an_unedited_labelmap_gives_the_same_lesions(a_result):
    reading = reading_at(a_result, 0.4, 0.0)
    again = edited_reading(a_result, lesion_ids(reading), 0.4)
    np.testing.assert_array_equal(again.mask, reading.mask)
    for name, ids in reading.view_masks.items():
        np.testing.assert_array_equal(again.view_masks[name], ids)
    assert [lesion.views for lesion in again.lesions] == [lesion.views for lesion in reading.lesions]


def test_a_gap_between_the_views_stays_in_the_view_it_was_given_to():
    front, behind = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    front[10, 10:15] = front[10:15, 10] = 0.9
    behind[14, 10:15] = behind[10:15, 14] = 0.9
    behind[11:14, 11:14] = 0.2
    result = make_result(front, behind)
    reading = reading_at(result, 0.5, 0.0)
    assert len(reading.lesions) == 1
    assert reading.mask.sum() == 25
    again = edited_reading(result, lesion_ids(reading), 0.5)
    for name, ids in reading.view_masks.items():
        np.testing.assert_array_equal(again.view_masks[name], ids)


def test_pixels_drawn_onto_a_lesion_go_to_its_own_views_only(a_result):
    reading = reading_at(a_result, 0.5, 0.0)
    labels = lesion_ids(reading)
    row, column = np.argwhere(labels == 1)[0]
    labels[row - 1, column] = 1
    edited = edited_reading(a_result, labels, 0.5)
    assert edited.lesions[0].seen_in == "anterior"
    assert edited.lesions[0].area_mm2 == pytest.approx(reading.lesions[0].area_mm2 + 6.0)
    assert edited.lesions[0].views["anterior"].area_mm2 == edited.lesions[0].area_mm2


def test_a_lesion_drawn_from_nothing_is_in_every_view(a_result):
    labels = lesion_ids(reading_at(a_result, 0.5, 0.0))
    labels[2:4, 18:20] = 9
    first = edited_reading(a_result, labels, 0.5).lesions[0]
    assert first.seen_in == "both"
    assert first.area_mm2 == 4 * 6.0


def test_a_cut_lesion_becomes_two_and_both_keep_their_label(a_result):
    labels = lesion_ids(reading_at(a_result, 0.3, 0.0))
    labels[30, :] = 0
    edited = edited_reading(a_result, labels, 0.3)
    assert len(edited.lesions) == 4
    assert label_of_lesions(edited, labels) == {1: 1, 2: 2, 3: 3, 4: 3}


def test_an_erased_labelmap_has_no_lesions(a_result):
    edited = edited_reading(a_result, np.zeros(SHAPE, np.int16), 0.5)
    assert edited.lesions == ()
    assert edited.receipt["edited"] is True


def test_areas_of_the_model_that_were_erased_are_counted_and_are_a_review(a_result):
    before = reading_at(a_result, 0.4, 0.0)
    labels = lesion_ids(before)
    labels[labels == 1] = 0
    edits = update_edits(a_result.probabilities, a_result.scan.frame, before.mask, labels, 0.4, None)
    final = reviewed(a_result, reading_at(a_result, 0.4, 0.0, edits), {}, edits)
    assert len(final.lesions) == len(before.lesions) - 1
    assert final.erased == final.receipt["erased"] == 1
    found = quantify(final).review
    assert (found.state, found.decided_by, found.erased, found.edited) == ("partly reviewed", "physician", 1, 0)


def test_what_a_person_drew_and_erased_again_was_no_area_of_the_model(a_result):
    before = reading_at(a_result, 0.4, 0.0)
    labels = lesion_ids(before)
    drawn = labels.copy()
    drawn[2:4, 18:20] = 9
    known = a_result.probabilities, a_result.scan.frame
    edits = update_edits(*known, before.mask, drawn, 0.4, None)
    edits = update_edits(*known, (drawn > 0).astype(np.uint8), labels, 0.4, edits)
    assert reviewed(a_result, reading_at(a_result, 0.4, 0.0, edits), {}, edits).erased == 0


def test_a_reading_whose_areas_were_all_erased_is_reviewed(a_result):
    before = reading_at(a_result, 0.4, 0.0)
    none = np.zeros(SHAPE, np.int16)
    edits = update_edits(a_result.probabilities, a_result.scan.frame, before.mask, none, 0.4, None)
    found = quantify(reviewed(a_result, reading_at(a_result, 0.4, 0.0, edits), {}, edits))
    assert (found.review.state, found.review.erased) == ("reviewed", 3)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int16, SHAPE, elements=st.integers(0, 3)))
def test_whatever_is_drawn_has_outlines_that_enclose_its_area(labels):
    result = make_result(spot((8, 6, 4, 0.9)), spot((18, 16, 4, 0.8)))
    edited = edited_reading(result, labels, 0.5)
    # Every drawn pixel stays; only holes are added.
    assert (edited.mask[labels > 0] == 1).all()
    assert sum(lesion.area_mm2 for lesion in edited.lesions) == pytest.approx(6.0 * edited.mask.sum())
    np.testing.assert_array_equal(lesion_ids(edited), number_lesions(edited.mask))


def test_labels_of_another_grid_are_refused(a_result):
    with pytest.raises(ValueError, match="do not fit"):
        edited_reading(a_result, np.zeros((3, 3), np.int16), 0.5)


def test_a_decision_on_a_lesion_stays_at_another_threshold(a_result):
    before, after = reading_at(a_result, 0.7, 0.0), reading_at(a_result, 0.3, 0.0)
    memory, second = LesionMemory(SHAPE), Review("accepted", "benign")
    memory.keep(before, {2: second})
    assert memory.of(after) == {2: second}
    gone = reading_at(a_result, 0.85, 0.0)
    assert [round(lesion.max_probability, 2) for lesion in gone.lesions] == [0.9, 0.95]
    assert memory.of(gone) == {}
    memory.keep(gone, {1: Review("rejected")})
    assert memory.of(after) == {1: Review("rejected"), 2: second}
    memory.keep(after, {2: Review()})
    assert memory.of(before)[2] == Review()


def test_rejected_lesions_leave_the_masks_and_stay_in_the_receipt(a_result):
    reading = reading_at(a_result, 0.4, 0.0)
    final = reviewed(a_result, reading, {1: Review("rejected", "benign"), 3: Review("accepted", "malignant")})
    assert [lesion.seen_in for lesion in final.lesions] == ["posterior", "both"]
    np.testing.assert_array_equal(lesion_ids(final) > 0, np.isin(lesion_ids(reading), (2, 3)))
    assert [entry["decision"] for entry in final.receipt["review"]] == ["rejected", "open", "accepted"]
    assert [entry["lesion"] for entry in final.receipt["review"]] == [3, 1, 2]
    assert final.lesions[1].views == reading.lesions[2].views


def test_after_a_review_the_warnings_name_the_lesions_by_their_new_numbers(a_result):
    # The box ends at column 20: the lowest lesion is drawn up to there.
    wide = make_result(spot((8, 6, 4, 0.9)), spot((18, 16, 4, 0.8), (24, 16, 9, 0.9)))
    views = {name: view.with_counts(np.minimum(view.counts, 24)) for name, view in wide.scan.views.items()}
    result = dataclasses.replace(wide, scan=dataclasses.replace(wide.scan, **views))
    reading = reading_at(result, 0.4, 0.0)
    assert reading.receipt["cut_by_box"] == [2]
    assert "Area 2 reaches the edge" in reading.receipt["warnings"][0]
    final = reviewed(result, reading, {1: Review("rejected")})
    assert final.receipt["cut_by_box"] == [1]
    reach, clipped = final.receipt["warnings"]
    assert "Area 1 reaches the edge" in reach
    assert "Area 1 has counts that were cut off at 24 in the posterior view" in clipped
    none = reviewed(result, reading, {1: Review("rejected"), 2: Review("rejected")})
    assert (none.receipt["cut_by_box"], none.receipt["warnings"]) == ([], [])


def test_a_reviewed_reading_without_any_lesion_left_can_be_saved(a_result, tmp_path):
    reading = reading_at(a_result, 0.4, 0.0)
    final = reviewed(a_result, reading, {number: Review("rejected") for number in (1, 2, 3)})
    save_reading(final, str(tmp_path / "out"))
    rows = table_of(tmp_path / "out")
    assert [(row["ID"], row["decision"]) for row in rows] == [(str(number), "rejected") for number in (1, 2, 3)]
    assert not final.mask.any()
    assert final.lesions == ()


def test_decisions_and_classifications_reach_the_table_and_rejected_lesions_come_last(a_result, tmp_path):
    reading = reading_at(a_result, 0.4, 0.0)
    reviews = {1: Review("rejected", "benign"), 2: Review("open", "equivocal"), 3: Review("accepted", "malignant")}
    save_reading(reviewed(a_result, reading, reviews), str(tmp_path / "out"))
    rows = table_of(tmp_path / "out")
    assert list(rows[0])[-4:] == ["decision", "classification", "edited", "decided_by"]
    assert [row["decided_by"] for row in rows] == ["physician"] * 3
    assert [(row["ID"], row["decision"], row["classification"]) for row in rows] == [
        ("1", "open", "equivocal"),
        ("2", "accepted", "malignant"),
        ("3", "rejected", "benign"),
    ]
    assert float(rows[2]["area_cm2"]) == pytest.approx(reading.lesions[0].area_mm2 / 100, rel=1e-5)


def test_without_a_physician_every_lesion_of_the_table_is_open(a_result, tmp_path):
    save_reading(reading_at(a_result, 0.4, 0.0), str(tmp_path / "out"))
    assert {(row["decision"], row["classification"]) for row in table_of(tmp_path / "out")} == {("open", "")}


def test_scans_and_results_come_back_from_a_file_as_they_were(a_result, tmp_path):
    for result in (a_result, make_result(spot((8, 6, 4, 0.9)))):
        save_result(result, tmp_path / "r.npz")
        save_scan(result.scan, tmp_path / "s.npz")
        back, scan = load_result(tmp_path / "r.npz"), load_scan(tmp_path / "s.npz")
        for found in (back.scan, scan):
            assert (found.case, found.source, found.warnings) == (
                result.scan.case,
                result.scan.source,
                result.scan.warnings,
            )
            for name, view in result.scan.views.items():
                np.testing.assert_array_equal(found.views[name].counts, view.counts)
                np.testing.assert_array_equal(found.views[name].ijk_to_ras, view.ijk_to_ras)
        assert (back.crop, back.receipt) == (result.crop, result.receipt)
        for name, values in result.probabilities.items():
            np.testing.assert_array_equal(back.probabilities[name], values)


def test_an_edited_lesion_stays_at_every_threshold_while_the_others_follow(a_result):
    labels = lesion_ids(reading_at(a_result, 0.5, 0.0))
    labels[labels == 1] = 0
    labels[4:7, 2:5] = 1
    edits = edits_of(a_result, labels, 0.5)
    drawn = np.zeros(SHAPE, bool)
    drawn[4:7, 2:5] = True
    areas = []
    for threshold in (0.2, 0.4, 0.6, 0.75):
        reading = reading_at(a_result, threshold, 0.0, edits)
        np.testing.assert_array_equal(lesion_ids(reading) == 1, drawn)
        assert not ((reading.mask > 0) & ~drawn)[:13, :12].any()
        areas.append(sum(lesion.area_mm2 for lesion in reading.lesions[1:]))
        assert reading.lesions[0].views == reading_at(a_result, 0.5, 0.0, edits).lesions[0].views
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1] > 0


def test_an_erased_lesion_does_not_come_back(a_result):
    labels = lesion_ids(reading_at(a_result, 0.5, 0.0))
    labels[labels == 2] = 0
    edits = edits_of(a_result, labels, 0.5)
    for threshold in (0.2, 0.5, 0.7):
        assert [lesion.seen_in for lesion in reading_at(a_result, threshold, 0.0, edits).lesions] == [
            "anterior",
            "both",
        ]


def test_an_edited_lesion_smaller_than_the_minimum_stays(a_result):
    labels = np.zeros(SHAPE, np.int16)
    labels[2, 2] = 1
    edits = edits_of(a_result, labels, 0.5)
    assert [lesion.area_mm2 for lesion in reading_at(a_result, 0.5, 500.0, edits).lesions] == [6.0]


def test_a_neighbour_that_grows_into_an_edited_lesion_keeps_its_own_part():
    result = make_result(spot((12, 8, 8, 0.95), (12, 17, 8, 0.95)))
    apart = reading_at(result, 0.6, 0.0)
    assert len(apart.lesions) == 2
    assert len(reading_at(result, 0.3, 0.0).lesions) == 1
    labels = lesion_ids(apart)
    left = labels[12, 8]
    labels[9:16, 8] = left
    row = np.argwhere(labels == left)[0]
    labels[tuple(row)] = 0
    edits = edits_of(result, labels, 0.6)
    low = reading_at(result, 0.3, 0.0, edits)
    assert len(low.lesions) == 2
    np.testing.assert_array_equal(edits.mask, labels == left)
    neighbour = (low.mask > 0) & ~edits.mask
    assert neighbour.sum() > (labels == labels[12, 17]).sum()
    assert neighbour[:, :11].sum() == 0


def test_a_later_edit_leaves_an_earlier_one_as_it_was(a_result):
    first = lesion_ids(reading_at(a_result, 0.5, 0.0))
    first[2:4, 18:20] = 9
    edits = edits_of(a_result, first, 0.5)
    second = lesion_ids(reading_at(a_result, 0.7, 0.0, edits))
    second[second == second.max()] = 0
    both = edits_of(a_result, second, 0.7, edits)
    np.testing.assert_array_equal(both.mask, edits.mask)
    reading = reading_at(a_result, 0.4, 0.0, both)
    assert [lesion.seen_in for lesion in reading.lesions] == ["both", "anterior", "posterior"]


def test_nothing_changed_is_no_edit(a_result):
    labels = lesion_ids(reading_at(a_result, 0.5, 0.0))
    assert edits_of(a_result, labels, 0.5) is None
    labels[labels == 1] = 0
    edits = edits_of(a_result, labels, 0.5)
    assert edits_of(a_result, labels, 0.5, edits) is edits


@settings(max_examples=60, deadline=None)
@given(arrays(np.int8, SHAPE, elements=st.integers(0, 1)), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_what_was_edited_manually_is_there_at_any_threshold(pen, before, after):
    result = make_result(spot((8, 6, 6, 0.9), (20, 6, 6, 0.9)), spot((18, 16, 7, 0.8)))
    labels = (reading_at(result, before, 0.0).mask > 0) ^ (pen > 0)
    edits = edits_of(result, labels, before)
    reading = reading_at(result, after, 30.0, edits)
    if edits is None:
        return
    ids = lesion_ids(reading)
    at_edit = reading_at(result, before, 0.0, edits)
    hand = {ids[tuple(place)] for place in np.argwhere(edits.mask)}
    np.testing.assert_array_equal(np.isin(ids, sorted(hand - {0})), edits.mask)
    assert 0 not in hand
    assert (at_edit.mask[labels] == 1).all()
    # Nothing of the model's grows together with what the hand touched.
    assert not (reading.mask.astype(bool) & edits.touched & ~edits.mask).any()


def test_edits_come_back_from_their_text(a_result):
    labels = lesion_ids(reading_at(a_result, 0.5, 0.0))
    labels[labels == 2] = 0
    labels[2:4, 18:20] = 9
    edits = edits_of(a_result, labels, 0.5)
    back = edits_from(edits_text(edits), ("anterior", "posterior"), SHAPE)
    np.testing.assert_array_equal(back.touched, edits.touched)
    np.testing.assert_array_equal(back.others, edits.others)
    for name, mask in edits.views.items():
        np.testing.assert_array_equal(back.views[name], mask)
    for text, views, shape in (
        ("odd!", ("anterior", "posterior"), SHAPE),
        (edits_text(edits), ("anterior",), SHAPE),
        (edits_text(edits), ("anterior", "posterior"), (5, 5)),
    ):
        with pytest.raises(ValueError, match="do not belong"):
            edits_from(text, views, shape)
