import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from SpectBoneMetSegLib.export import overview
from SpectBoneMetSegLib.export.label_placement import place_labels
from SpectBoneMetSegLib.export.overview import region_in_view, render_overview, write_overview
from SpectBoneMetSegLib.export.picture_parts import region_black
from SpectBoneMetSegLib.lesions.components import outlines_of
from SpectBoneMetSegLib.scan.display import display_window, side_marks
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop

#: One spot on the patient's right, seen in both views.
RIGHT_SIDED = (((30, 12, 4), ("anterior", "posterior")),)
WHOLE_BODY = ThoraxCrop((0, 96), (0, 48), 1.0, method="whole-body")


def strips(picture):
    """The three whole-body panels of a picture of a (96, 48) field of (2.4, 2.2) mm pixels."""
    width = round(overview.BODY_HEIGHT * 48 * 2.2 / 96 / 2.4)
    top = overview.HEADER + overview.CAPTION
    return [
        picture[top : top + overview.BODY_HEIGHT, left : left + width]
        for left in (overview.MARGIN + index * (width + overview.MARGIN) for index in range(3))
    ]


def red_columns(panel):
    """Where the outline's colour is, as fractions of the panel's width."""
    values = panel.astype(int)
    red = (values[..., 0] > 150) & (values[..., 1] < 90) & (values[..., 2] < 90)
    return np.nonzero(red)[1] / panel.shape[1]


def test_a_lesion_on_the_patients_right_lies_left_from_the_front_and_right_from_behind(reading_factory):
    anterior, posterior, aggregate = strips(render_overview(reading_factory(spots=RIGHT_SIDED)))
    # Column 12 of 48, radius 4: edges at 8 and 17.
    for panel in (anterior, aggregate):
        assert red_columns(panel).min() == pytest.approx(8 / 48, abs=0.01)
        assert red_columns(panel).max() == pytest.approx(17 / 48, abs=0.01)
    assert red_columns(posterior).min() == pytest.approx(31 / 48, abs=0.01)
    assert red_columns(posterior).max() == pytest.approx(40 / 48, abs=0.01)


def test_enlarged_posterior_crop_is_the_same_part_of_the_patient(reading_factory):
    # The crop is the patient's right half; from behind it is the right half of the view.
    crop = ThoraxCrop((16, 56), (2, 24), 0.9)
    picture = render_overview(reading_factory(spots=RIGHT_SIDED, crop=crop))
    body = round(overview.BODY_HEIGHT * 48 * 2.2 / 96 / 2.4)
    width = round(overview.THORAX_HEIGHT * 22 * 2.2 / 40 / 2.4)
    top, first = overview.HEADER + overview.CAPTION, 4 * overview.MARGIN + 3 * body
    for left, edge in ((first, 8 - 2), (first + width + overview.MARGIN, 24 - 17)):
        panel = picture[top : top + overview.THORAX_HEIGHT, left : left + width]
        # The number is to the right of the outline, so only the left edge is the outline's own.
        assert red_columns(panel).min() == pytest.approx(edge / 22, abs=0.02)


def test_a_lesion_of_one_view_is_outlined_there_and_on_the_aggregate_only(reading_factory):
    reading = reading_factory(spots=(((30, 12, 4), ("posterior",)),))
    anterior, posterior, aggregate = (red_columns(panel).size for panel in strips(render_overview(reading)))
    assert anterior == 0
    assert posterior > 0
    assert aggregate > 0


def test_sides_are_marked_from_the_patients_space(a_reading):
    assert side_marks(a_reading.scan.views["anterior"]) == ("R", "L")
    assert side_marks(a_reading.scan.views["posterior"]) == ("L", "R")


def test_hot_is_dark_and_air_is_white(a_reading):
    anterior = strips(render_overview(a_reading))[0]
    # Corner regions away from border and marks are air, the middle of the body is not.
    assert (anterior[-25:-5, 40:-40] == 255).all()
    assert anterior[600:640, 200:230].mean() < 120


def test_crop_is_mirrored_into_the_posterior_view(a_reading):
    frame, views = a_reading.scan.frame, a_reading.scan.views
    edges = (15.5, 3.5, 55.5, 20.5)
    assert region_in_view(edges, frame, views["anterior"]) == pytest.approx(edges)
    assert region_in_view(edges, frame, views["posterior"]) == pytest.approx((15.5, 26.5, 55.5, 43.5))


def test_a_missing_view_is_reported(reading_factory, monkeypatch):
    written = []
    monkeypatch.setattr(overview, "write_text", lambda draw, x, y, text, *rest, **more: written.append(text))
    render_overview(reading_factory(views=("posterior",)))
    assert written.count("not acquired") == 2
    written.clear()
    render_overview(reading_factory())
    assert "not acquired" not in written


def test_picture_names_case_model_device_count_and_research_use(reading_factory, monkeypatch):
    written = []
    monkeypatch.setattr(overview, "write_text", lambda draw, x, y, text, *rest, **more: written.append(text))
    render_overview(reading_factory())
    assert "case one: 3 areas of abnormal uptake in the thorax box" in written
    assert "model made-up 1, device CPU" in written
    assert "Research use only - not for diagnosis or treatment" in written
    written.clear()
    render_overview(reading_factory(spots=RIGHT_SIDED))
    assert "case one: 1 area of abnormal uptake in the thorax box" in written
    written.clear()
    render_overview(dataclasses.replace(reading_factory(spots=()), receipt={}))
    assert "case one: no areas of abnormal uptake in the thorax box" in written


@pytest.mark.parametrize(
    "crop", [WHOLE_BODY, ThoraxCrop((-10, 30), (-20, 60), 0.2), ThoraxCrop((80, 120), (4, 44), 0.1)]
)
def test_crops_that_are_the_field_or_reach_beyond_it_are_drawn(reading_factory, crop):
    picture = render_overview(reading_factory(crop=crop))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert red_columns(strips(picture)[0]).size > 0


def test_picture_file_is_the_rendered_picture(a_reading, tmp_path):
    from PIL import Image

    write_overview(a_reading, str(tmp_path / "overview.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "overview.png")), render_overview(a_reading))


def test_window_does_not_follow_the_air_around_the_patient_or_one_hot_lesion():
    rng = np.random.default_rng(0)
    body = rng.poisson(30, (200, 100)).astype(np.float32)
    _, black = display_window(body)
    assert 35 < black < 60
    assert display_window(np.pad(body, 300))[1] == black
    body[10:14, 10:14] = 5000
    assert display_window(body)[1] == pytest.approx(black, rel=0.1)


def test_an_empty_view_has_a_window():
    assert display_window(np.zeros((5, 5), dtype=np.float32)) == (0.0, 1.0)


def test_a_lesion_in_two_pieces_has_two_outlines():
    ids = np.zeros((12, 12), dtype=np.uint16)
    ids[1:3, 1:3] = ids[6:9, 6:9] = 2
    assert set(outlines_of(ids)) == {2}
    boxes = sorted((piece.min(), piece.max()) for piece in outlines_of(ids)[2])
    assert boxes == [(0.5, 2.5), (5.5, 8.5)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(40, 460), st.integers(40, 460)), min_size=1, max_size=20, unique=True))
def test_labels_stay_in_the_panel_and_off_outlines_and_each_other(places):
    square = np.array([[-6.0, -6], [-6, 6], [6, 6], [6, -6]])
    outlines = {number: square + np.array(place) for number, place in enumerate(places, start=1)}
    labels = place_labels(outlines, dict.fromkeys(outlines, (14.0, 12.0)), (0, 0, 500, 500), gap=4)
    assert set(labels) == set(outlines)
    covered = np.zeros((500, 500), dtype=int)
    for corners in outlines.values():
        (top, left), (bottom, right) = corners.min(axis=0).astype(int), corners.max(axis=0).astype(int)
        covered[top:bottom, left:right] = 1
    for top, left, _ in labels.values():
        assert 0 <= top <= 486
        assert 0 <= left <= 488
        inside = covered[int(np.ceil(top)) : int(top + 14), int(np.ceil(left)) : int(left + 12)]
        assert not inside.any()
        inside[:] = 1


def test_a_crowded_label_is_further_away_with_a_leader_to_its_outline():
    square = np.array([[0.0, 0], [0, 10], [10, 10], [10, 0]])
    outlines = {
        row * 5 + column: square + np.array([100 + 14 * row, 100 + 14 * column])
        for row in range(5)
        for column in range(5)
    }
    labels = place_labels(outlines, dict.fromkeys(outlines, (12.0, 12.0)), (0, 0, 300, 300), gap=3)
    anchor = labels[12][2]
    assert anchor is not None
    assert anchor in {tuple(corner) for corner in outlines[12].tolist()}


def test_the_whole_picture_is_as_approved(a_reading):
    # Half size, so that another release's text rendering stays within the tolerance; golden/overview.png was inspected.
    picture = Image.fromarray(render_overview(a_reading))
    golden = Image.open(Path(__file__).parents[1] / "golden" / "overview.png").convert("RGB")
    small = np.asarray(picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX), np.float32)
    assert golden.size == (small.shape[1], small.shape[0])
    difference = np.abs(small - np.asarray(golden, np.float32))
    assert difference.mean() < 1.0
    assert (difference.max(-1) > 60).mean() < 0.002


def written_by(monkeypatch, reading):
    """All words in the picture of a reading."""
    written = []
    monkeypatch.setattr(overview, "write_text", lambda draw, x, y, text, *rest, **more: written.append(text))
    render_overview(reading)
    return written


def test_what_was_read_is_in_the_title(reading_factory, monkeypatch):
    by_hand = ThoraxCrop((16, 56), (4, 44), 1.0, method="manual")
    assert "case one: 3 areas of abnormal uptake in the manually placed box" in written_by(
        monkeypatch, reading_factory(crop=by_hand)
    )
    assert "case one: 3 areas of abnormal uptake in the whole field" in written_by(
        monkeypatch, reading_factory(crop=WHOLE_BODY)
    )


def test_warnings_and_the_date_are_in_the_picture(reading_factory, monkeypatch):
    reading = reading_factory()
    reading.receipt["warnings"] = ["The anterior view of p is cut off at 60.", *["Another note."] * 20]
    source = dataclasses.replace(reading.scan.source, description={"study_date": "20240203"})
    dated = dataclasses.replace(reading, scan=dataclasses.replace(reading.scan, source=source))
    written = written_by(monkeypatch, dated)
    assert "The anterior view of p is cut off at 60." in written
    assert any("more notes in receipt.json" in line for line in written)
    assert "model made-up 1, device CPU, scan of 2024-02-03" in written


def test_a_physicians_decisions_are_in_the_picture(reading_factory, monkeypatch):
    reading = reading_factory()
    assert not any("physician" in line for line in written_by(monkeypatch, reading))
    first, second, third = reading.lesions
    lesions = (dataclasses.replace(first, decision="accepted"), dataclasses.replace(second, edited=True), third)
    rejected = (dataclasses.replace(third, id=4, decision="rejected"),)
    receipt = {**reading.receipt, "erased": 2}
    decided = dataclasses.replace(reading, lesions=lesions, rejected=rejected, receipt=receipt)
    words = "1 accepted, 1 rejected (not outlined), 2 left open, 1 edited manually, 2 erased."
    assert f"Reviewed by a physician: {words}" in " ".join(written_by(monkeypatch, decided))


def test_a_lesion_that_hardly_stands_out_in_a_view_is_called_faint_there(reading_factory, monkeypatch):
    reading = reading_factory()
    spot = reading.lesions[1]
    views = {
        "anterior": dataclasses.replace(spot.views["anterior"], contrast=1.09),
        "posterior": dataclasses.replace(spot.views["posterior"], contrast=2.4),
    }
    lesions = (reading.lesions[0], dataclasses.replace(spot, views=views), reading.lesions[2])
    written = written_by(monkeypatch, dataclasses.replace(reading, lesions=lesions))
    assert "posterior, faint anterior" in written
    assert {"1.09 (f)", "2.40"} <= set(written)


def test_one_view_has_no_aggregate_and_a_table_all_the_same(reading_factory, monkeypatch):
    written = written_by(monkeypatch, reading_factory(views=("anterior",)))
    assert not any("Aggregate" in line for line in written)
    assert "seen in" in written


def test_a_whole_body_reading_has_a_table_and_an_enlargement_of_where_the_lesions_are(reading_factory, monkeypatch):
    tall = reading_factory(shape=(480, 48), spots=(((300, 24, 4), ("anterior", "posterior")),),
                           crop=ThoraxCrop((0, 480), (0, 48), 1.0, method="whole-body"))  # fmt: skip
    written = written_by(monkeypatch, tall)
    assert "seen in" in written
    assert "Anterior, enlarged" in written
    (top, _, bottom, _), _ = overview._enlarged(tall)
    assert top < 296 < 304 < bottom
    assert bottom - top < 0.6 * 480


@pytest.mark.parametrize(
    ("rows", "expected"), [((20, 230, 380), [20, 230, 380]), ((20, 400, 430, 460), [400, 430, 460])]
)
def test_an_enlargement_shows_as_many_lesions_as_it_can_and_cuts_none(reading_factory, rows, expected):
    spots = tuple(((row, 24, 4), ("anterior", "posterior")) for row in rows)
    crop = ThoraxCrop((0, 480), (0, 48), 1.0, method="whole-body")
    (top, _, bottom, _), _ = overview._enlarged(reading_factory(shape=(480, 48), spots=spots, crop=crop))
    assert [row for row in rows if top < row - 4 and row + 4 < bottom] == expected
    assert not any(row - 4 <= edge <= row + 4 for row in rows for edge in (top, bottom))


def test_the_column_of_the_confidence_lies_inside_the_picture(reading_factory, monkeypatch):
    spot = ((300, 24, 4), ("anterior", "posterior"))
    reading = reading_factory(shape=(480, 48), spots=(spot,), crop=dataclasses.replace(WHOLE_BODY, rows=(0, 480)))
    lesions = tuple(dataclasses.replace(lesion, confidence=0.87) for lesion in reading.lesions)
    ends = {}

    def record(_draw, x, _y, text, *_rest, **_more):
        ends[text] = x

    monkeypatch.setattr(overview, "write_text", record)
    picture = render_overview(dataclasses.replace(reading, lesions=lesions))
    assert ends["conf."] == ends["0.87"] < picture.shape[1]


def test_a_lesion_at_the_edge_of_the_box_is_marked_as_cut(reading_factory, monkeypatch):
    crop = ThoraxCrop((20, 60), (0, 48), 0.9)
    assert any(line.endswith("(cut)") for line in written_by(monkeypatch, reading_factory(crop=crop)))


def test_bones_do_not_saturate_in_the_enlargement(a_reading):
    view = a_reading.scan.views["anterior"]
    hot = view.counts.copy()
    hot[30:40, 20:30] *= 8
    hot_view = view.with_counts(hot)
    body = display_window(view.counts)[1]
    assert region_black(hot_view, (19.5, 9.5, 59.5, 39.5), body) > 4 * body
    assert region_black(view, (-0.5, -0.5, 2.5, 2.5), body) == pytest.approx(body / 2)
