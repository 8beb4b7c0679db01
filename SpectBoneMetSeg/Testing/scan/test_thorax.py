"""The thorax box on made-up bodies of ellipses and on one real scan."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from SpectBoneMetSegLib.scan.thorax import (
    ABOVE_SHOULDER_MM,
    LOW_CONFIDENCE,
    THORAX_SIZE,
    central_width,
    crop_thorax,
    find_body,
    find_feet,
    find_shoulders,
)

#: A field wider than the box, so that the box has room to follow.
SPACING, SHAPE = 2.26, (1024, 320)
#: Where the shoulder line of the made-up body lies below its top, at a height of 1.70 m.
SHOULDER_MM = 235.0


def body(height=1.70, top=150.0, centre=0.0, spacing=SPACING, shape=SHAPE, *, legs=True, arms="down", width=1.0):
    """Expected counts of a body of ellipses, `top` mm below the field's upper edge, `centre` mm right of its middle.

    Returns the image and the row of the shoulder line.
    """
    scale = height / 1.70
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    down = ((y + 0.5) * spacing - top) / scale
    across = ((x + 0.5 - shape[1] / 2) * spacing - centre) / scale

    def ellipse(row, column, half_height, half_width, power=2.0):
        return np.abs((down - row) / half_height) ** power + np.abs((across - column) / half_width) ** power <= 1

    counts = np.zeros(shape, np.float32)
    counts[ellipse(115, 0, 115, 78)] = 30  # head
    counts[ellipse(230, 0, 60, 58)] = 25  # neck
    counts[ellipse(545, 0, 330, 165 * width, 4.5)] = 25  # trunk, shoulders at 235 mm
    for side in (-1, 1):
        # Arms hang from the shoulders and leave the trunk below the armpits.
        slant = 70 * (down - 260) / 590 if arms == "down" else 0
        along = np.clip(down, 290, 850) if arms == "down" else np.clip(down, -150, 270)
        arm = np.hypot(down - along, across - side * (170 * width - 5 + slant)) <= 36
        counts[arm] = 18
        if legs:
            counts[ellipse(1270, side * 88, 430, 72)] = 20
    counts[ellipse(520, 0, 330, 18)] = 70  # spine
    return counts, (top + SHOULDER_MM * scale) / spacing


def noisy(expected, seed=0):
    return np.random.default_rng(seed).poisson(expected + 0.2).astype(np.float32)


def thinned(counts, share, seed=0):
    """The scan as a shorter acquisition would have given it."""
    return np.random.default_rng(seed).binomial(counts.astype(int), share).astype(np.float32)


def misplaced_mm(crop, shoulder, centre, spacing=SPACING, columns=SHAPE[1]):
    """How far the box lies below and to the side of its true position, in mm."""
    middle = ((crop.columns[0] + crop.columns[1]) / 2 - columns / 2) * spacing
    return crop.rows[0] * spacing - (shoulder * spacing - ABOVE_SHOULDER_MM), middle - centre


@given(st.floats(1.50, 1.92), st.floats(20, 280), st.floats(-40, 40), st.floats(0.85, 1.15), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_the_box_follows_bodies_of_any_height_and_position(height, top, centre, width, seed):
    expected, shoulder = body(height, top, centre, width=width)
    crop = crop_thorax(noisy(expected, seed))
    below, sideways = misplaced_mm(crop, shoulder, centre)
    assert -60 < below < 45
    assert abs(sideways) < 12
    assert crop.confidence > LOW_CONFIDENCE


@given(st.floats(1.55, 1.85), st.floats(0, 300), st.floats(-60, 60), st.booleans(), st.booleans())
@settings(max_examples=12, deadline=None)
def test_the_box_always_has_the_size_of_the_paper_and_a_confidence(height, top, centre, legs, up):
    expected, _ = body(height, top, centre, legs=legs, arms="up" if up else "down")
    crop = crop_thorax(noisy(expected))
    assert crop.rows[1] - crop.rows[0] == THORAX_SIZE
    assert crop.columns[1] - crop.columns[0] == THORAX_SIZE
    assert 0 <= crop.confidence <= 1
    assert crop.rows[0] >= 0
    assert crop.rows[1] <= SHAPE[0]
    assert crop.columns[0] >= 0
    assert crop.columns[1] <= SHAPE[1]


def test_a_box_as_wide_as_the_field_stays_in_it():
    crop = crop_thorax(noisy(body(centre=60, shape=(1024, 256))[0]))
    assert crop.columns == (0, 256)


def test_an_ordinary_body_gives_no_reason_for_doubt():
    crop = crop_thorax(noisy(body()[0]))
    assert crop.confidence > 0.8
    assert crop.reasons == ()
    assert crop.method == "profiles"


def test_a_hot_bladder_does_not_move_the_box():
    expected, _ = body()
    plain = crop_thorax(noisy(expected))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    row = (150 + 830) / SPACING
    expected[(y - row) ** 2 + (x - SHAPE[1] / 2) ** 2 < 15**2] = 4000
    hot = crop_thorax(noisy(expected))
    assert abs(hot.rows[0] - plain.rows[0]) <= 2
    assert abs(hot.columns[0] - plain.columns[0]) <= 2
    assert hot.confidence == pytest.approx(plain.confidence, abs=0.1)


@pytest.mark.parametrize(("row_mm", "side_mm"), [(560, 200), (830, 232)])
def test_an_injection_site_in_the_arm_does_not_move_the_box(row_mm, side_mm):
    expected, _ = body()
    plain = crop_thorax(noisy(expected))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    expected[(y - (150 + row_mm) / SPACING) ** 2 + (x - SHAPE[1] / 2 - side_mm / SPACING) ** 2 < 6**2] = 9000
    hot = crop_thorax(noisy(expected))
    assert abs(hot.rows[0] - plain.rows[0]) <= 2
    assert abs(hot.columns[0] - plain.columns[0]) <= 3


def test_a_hot_port_in_the_chest_does_not_pull_the_box_aside():
    expected, _ = body()
    plain = crop_thorax(noisy(expected))
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    expected[(y - (150 + 400) / SPACING) ** 2 + (x - SHAPE[1] / 2 - 55 / SPACING) ** 2 < 6**2] = 9000
    assert abs(crop_thorax(noisy(expected)).columns[0] - plain.columns[0]) <= 3


@pytest.mark.parametrize("seed", range(3))
def test_a_twentieth_of_the_counts_moves_the_box_by_a_few_pixels_at_most(seed):
    counts = noisy(body(centre=10)[0], seed)
    full, low = crop_thorax(counts), crop_thorax(thinned(counts, 0.05, seed))
    assert abs(full.rows[0] - low.rows[0]) <= 6
    assert abs(full.columns[0] - low.columns[0]) <= 4
    assert low.confidence > LOW_CONFIDENCE


def test_a_body_that_hardly_stands_out_from_stray_counts_is_not_trusted():
    expected, shoulder = body(centre=10)
    crop = crop_thorax(noisy(0.05 * expected))
    below, sideways = misplaced_mm(crop, shoulder, 10.0)
    assert crop.confidence < LOW_CONFIDENCE or (abs(below) < 45 and abs(sideways) < 12)


def test_the_box_does_not_depend_on_the_unit_of_the_counts():
    counts = noisy(body()[0])
    assert crop_thorax(counts) == crop_thorax(counts * np.float32(40))


def test_missing_legs_lower_the_confidence_but_keep_the_box():
    whole, short = crop_thorax(noisy(body()[0])), crop_thorax(noisy(body(legs=False)[0]))
    assert abs(whole.rows[0] - short.rows[0]) <= 3
    assert abs(whole.columns[0] - short.columns[0]) <= 3
    assert short.confidence < LOW_CONFIDENCE < whole.confidence
    assert any("legs" in reason for reason in short.reasons)


def test_legs_that_leave_the_field_cost_some_confidence():
    counts = noisy(body()[0])[:640]
    cut, whole = crop_thorax(counts), crop_thorax(noisy(body()[0]))
    assert abs(cut.rows[0] - whole.rows[0]) <= 3
    assert cut.confidence < whole.confidence
    assert any("feet were not found" in reason for reason in cut.reasons)


def test_raised_arms_do_not_pull_the_box_up():
    expected, shoulder = body(top=330.0, arms="up")
    crop = crop_thorax(noisy(expected))
    below, sideways = misplaced_mm(crop, shoulder, 0.0)
    wrong = not (-75 < below < 60 and abs(sideways) < 20)
    assert not wrong or crop.confidence < LOW_CONFIDENCE


@pytest.mark.parametrize("counts", [np.zeros(SHAPE), np.full(SHAPE, 5.0), np.zeros((30, 20))])
def test_an_image_without_a_body_has_no_confidence(counts):
    crop = crop_thorax(counts.astype(np.float32))
    assert crop.confidence < LOW_CONFIDENCE
    assert crop.reasons
    assert crop.rows[1] - crop.rows[0] == THORAX_SIZE
    if not counts.any():
        assert crop.confidence == 0


def test_stray_counts_alone_are_no_body():
    crop = crop_thorax(noisy(np.zeros(SHAPE)))
    assert crop.confidence < LOW_CONFIDENCE


@pytest.mark.parametrize(("spacing", "shape"), [(4.52, (512, 160)), (1.13, (2048, 640)), (3.0, (770, 240))])
def test_other_pixel_sizes_give_the_same_box_in_millimetres(spacing, shape):
    usual = crop_thorax(noisy(body()[0]))
    size = round(THORAX_SIZE * SPACING / spacing)
    # The same counts per mm2, so that noise does not hide the difference.
    expected = body(spacing=spacing, shape=shape)[0] * (spacing / SPACING) ** 2
    crop = crop_thorax(noisy(expected), spacing, size)
    assert crop.rows[0] * spacing == pytest.approx(usual.rows[0] * SPACING, abs=15)
    middle = (crop.columns[0] + size / 2 - shape[1] / 2) * spacing
    assert middle == pytest.approx((usual.columns[0] + (THORAX_SIZE - SHAPE[1]) / 2) * SPACING, abs=8)
    assert crop.confidence > LOW_CONFIDENCE


def test_a_field_smaller_than_the_box_is_padded():
    expected, _ = body(shape=(1024, 220))
    crop = crop_thorax(noisy(expected))
    assert crop.columns[1] - crop.columns[0] == THORAX_SIZE
    assert crop.columns[0] == pytest.approx((220 - THORAX_SIZE) / 2, abs=4)
    short = crop_thorax(noisy(expected)[40:240])
    assert short.rows[0] <= 0
    assert short.rows[1] >= 200


def test_body_area_is_the_body_and_its_axis_the_middle():
    expected, _ = body(top=200, centre=20)
    area = find_body(noisy(expected), SPACING)
    assert area.rows[0] == pytest.approx(200 / SPACING, abs=8)
    assert area.rows[1] == pytest.approx((200 + 1700) / SPACING, abs=12)
    assert area.axis == pytest.approx((SHAPE[1] - 1) / 2 + 20 / SPACING, abs=3)
    there = expected > 0
    assert (area.mask & there).sum() > 0.97 * there.sum()
    # Smoothing may widen the body by a few pixels, no more.
    assert (area.mask & ~there).sum() < 0.35 * there.sum()
    assert find_feet(area, SPACING) == area.rows[1]


def test_a_second_smaller_thing_in_the_field_is_not_the_body():
    expected, _ = body()
    expected[10:40, 5:30] = 60
    assert find_body(noisy(expected), SPACING).rows[0] > 55


def test_arms_with_a_gap_do_not_widen_the_body():
    expected, shoulder = body()
    area = find_body(expected, SPACING)
    width = central_width(area, SPACING)
    row = round((150 + 780) / SPACING)
    everything = np.ptp(np.flatnonzero(area.mask[row])) * SPACING
    assert everything > 480
    assert width[row] < 400
    assert width[: area.rows[0]].max() == 0
    assert width.shape == (SHAPE[0],)
    assert area.rows[0] < shoulder < area.rows[1]


def test_without_head_and_feet_in_their_positions_the_box_has_no_confidence():
    # Arms up, and the legs leave the field: neither distance fits.
    counts = noisy(body(top=330.0, arms="up")[0])[:640]
    crop = crop_thorax(counts)
    assert len(crop.reasons) == 2
    assert crop.confidence < LOW_CONFIDENCE


def test_the_shoulders_widen_below_the_neck():
    expected, line = body()
    neck, shoulder, clarity = find_shoulders(find_body(noisy(expected), SPACING), SPACING)
    assert neck < shoulder
    assert shoulder == pytest.approx(line, abs=20)
    assert clarity > 0.5


def test_the_feet_are_not_claimed_at_the_edge_of_the_field():
    counts = noisy(body()[0])[:640]
    assert find_feet(find_body(counts, SPACING), SPACING) is None


def real_scan():
    store = pytest.importorskip("data_store")
    path = Path(store.__path__[0]) / "data" / "JPEG-LL.dcm"
    if not path.is_file():
        pytest.skip("pydicom-data is installed without its NM scan")
    import pydicom

    dataset = pydicom.dcmread(path)
    return dataset.pixel_array.astype(np.float32), float(dataset.PixelSpacing[0])


def test_the_box_of_a_real_scan_holds_its_thorax():
    counts, spacing = real_scan()
    crop = crop_thorax(counts, spacing)
    assert crop.rows[0] == pytest.approx(142, abs=12)
    assert crop.rows[1] - crop.rows[0] == THORAX_SIZE
    assert (crop.columns[0] + crop.columns[1]) / 2 == pytest.approx(counts.shape[1] / 2, abs=15)
    assert crop.confidence > LOW_CONFIDENCE


def test_the_box_of_a_real_scan_stays_with_few_counts():
    counts, spacing = real_scan()
    crop = crop_thorax(counts, spacing)
    few = crop_thorax(thinned(counts, 0.05), spacing)
    assert abs(few.rows[0] - crop.rows[0]) <= 6
    assert abs(few.columns[0] - crop.columns[0]) <= 4
