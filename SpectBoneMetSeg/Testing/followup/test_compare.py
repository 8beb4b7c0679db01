"""Lesions through time on a made-up body that lies elsewhere, larger and on other pixels at the next scan."""

import dataclasses

import numpy as np
import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.followup.compare import compare
from SpectBoneMetSegLib.followup.limits import REPEATABILITY
from SpectBoneMetSegLib.followup.registration import register
from SpectBoneMetSegLib.lesions.components import number_lesions
from SpectBoneMetSegLib.lesions.measurement import measure_lesions
from SpectBoneMetSegLib.scan.planar import PlanarView, ScanSource, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import whole_field
from support.bodies import SPACING, make_body

BOTH = {"anterior": 80.0, "posterior": 80.0}
FEMUR, SPINE, SKULL = ((120, 126), (60, 64)), ((74, 80), (48, 52)), ((14, 20), (46, 50))


def at(reading, date, rows=0, columns=0, spacing=SPACING):
    """The same reading on another day, moved by whole pixels; other pixel sizes make the body larger or smaller."""
    views = {}
    for name, view in reading.scan.views.items():
        across = columns if name == "anterior" else -columns
        counts = np.roll(view.counts, (rows, across), (0, 1))
        views[name] = PlanarView(counts, spacing, name)
    source = ScanSource(description={"study_date": date})
    scan = WholeBodyScan(f"scan {date}", views["anterior"], views["posterior"], source)
    moved = {
        name: np.roll(ids, (rows, columns if name == "anterior" else -columns), (0, 1))
        for name, ids in reading.view_masks.items()
    }
    regions = {
        name: np.roll(numbers, (rows, columns if name == "anterior" else -columns), (0, 1))
        for name, numbers in reading.regions.items()
    }
    union = number_lesions(np.roll(reading.mask, (rows, columns), (0, 1)))
    probability = (union > 0).astype(np.float32)
    return dataclasses.replace(
        reading,
        scan=scan,
        crop=whole_field(union.shape),
        mask=(union > 0).astype(np.uint8),
        view_masks=moved,
        regions=regions,
        probability=probability,
        lesions=measure_lesions(scan, union, moved, probability),
    )


def changes(comparison):
    return {track.bone: [point.change for point in track.points] for track in comparison.tracks}


def test_an_unchanged_patient_who_lies_elsewhere_is_stable():
    reading = make_body((*FEMUR, BOTH), (*SPINE, BOTH))
    found = compare([at(reading, "20240101"), at(reading, "20240701", rows=6, columns=-5)])
    assert changes(found) == {"lumbar spine": ["first", "stable"], "left femur": ["first", "stable"]}
    assert found.steps[0].stable == 2


def test_a_new_a_grown_a_smaller_and_a_gone_lesion_are_reported():
    small, large = ((120, 126), (60, 64)), ((116, 130), (58, 66))
    before = make_body((*small, BOTH), ((160, 174), (35, 42), BOTH), (*SPINE, BOTH))
    after = make_body((*large, BOTH), ((164, 170), (36, 40), BOTH), (*SKULL, BOTH))
    found = compare([at(before, "20240101"), at(after, "20240701", rows=4, columns=3)])
    assert changes(found) == {
        "skull": ["absent", "new"],
        "lumbar spine": ["first", "gone"],
        "left femur": ["first", "grown"],
        "right lower leg and foot": ["first", "smaller"],
    }
    assert [track.number for track in found.tracks] == [1, 2, 3, 4]
    assert dataclasses.astuple(found.steps[0]) == (1, 1, 0, 1, 1)


def test_scans_are_put_in_the_order_of_their_dates():
    empty, diseased = make_body(), make_body((*FEMUR, BOTH))
    found = compare([at(diseased, "20240701"), at(empty, "20240101")])
    assert [time.date for time in found.times] == ["20240101", "20240701"]
    assert changes(found) == {"left femur": ["absent", "new"]}


def test_a_lesion_that_falls_into_two_stays_one_track():
    whole, pieces = (
        make_body(((116, 132), (59, 65), BOTH)),
        make_body(((116, 122), (59, 65), BOTH), ((126, 132), (59, 65), BOTH)),
    )
    found = compare([at(whole, "20240101"), at(pieces, "20240701")])
    assert len(found.tracks) == 1
    assert found.tracks[0].points[1].lesions == (1, 2)


def test_three_scans_keep_a_lesion_that_was_gone_apart_from_one_that_never_was():
    reading, empty = make_body((*FEMUR, BOTH)), make_body()
    found = compare([at(reading, "20240101"), at(empty, "20240701"), at(empty, "20250101")])
    assert changes(found) == {"left femur": ["first", "gone", "absent"]}
    gone = found.tracks[0].points[1].positions
    assert np.allclose(gone.mean(0), found.tracks[0].points[0].positions.mean(0), atol=3)


def test_another_pixel_size_is_the_same_patient():
    reading = make_body((*FEMUR, BOTH))
    one = at(reading, "20240101")
    scaled = at(reading, "20240701", spacing=(SPACING[0] * 1.05, SPACING[1] * 1.05))
    assert changes(compare([one, scaled])) == {"left femur": ["first", "stable"]}


def test_each_bone_is_carried_by_its_own_map():
    reading = at(make_body(), "20240101")
    # The left femur lies 10 columns further out, all else as it was.
    regions = {name: numbers.copy() for name, numbers in reading.regions.items()}
    for name, numbers in regions.items():
        femur = numbers == 10
        numbers[femur] = 0
        numbers[np.roll(femur, 10 if name == "anterior" else -10, 1)] = 10
    found = register(reading.scan, reading.regions, reading.scan, regions)
    place = np.array([[0.0, 0.0]])
    assert np.allclose(found.of(60)(place), place, atol=0.5)
    assert np.allclose(found.of(10)(place) - place, [[-10 * SPACING[1], 0]], atol=0.5)


def test_without_regions_the_bodies_themselves_are_laid_on_each_other():
    reading = dataclasses.replace(at(make_body(), "20240101"), regions={})
    moved = dataclasses.replace(at(make_body(), "20240701", rows=7), regions={})
    found = register(reading.scan, {}, moved.scan, {})
    assert np.allclose(found.of(10)(np.array([[0.0, 0.0]])), [[0.0, -7 * SPACING[0]]], atol=3)


def test_what_a_physician_calls_benign_is_not_followed():
    reading = at(make_body((*FEMUR, BOTH), (*SPINE, BOTH)), "20240101")
    benign = dataclasses.replace(
        reading, lesions=(dataclasses.replace(reading.lesions[0], classification="benign"), reading.lesions[1])
    )
    found = compare([benign, at(make_body((*FEMUR, BOTH)), "20240701")])
    assert changes(found) == {"left femur": ["first", "stable"]}


def one_view(reading, name):
    """The reading of a scan in which only one view was taken."""
    alone = {"anterior": None, "posterior": None, name: reading.scan.views[name]}
    return dataclasses.replace(
        reading,
        scan=dataclasses.replace(reading.scan, **alone),
        view_masks={name: reading.view_masks[name]},
        regions={name: reading.regions[name]},
        lesions=tuple(
            dataclasses.replace(lesion, seen_in=name, views={name: lesion.views[name]})
            for lesion in reading.lesions
            if name in lesion.views
        ),
    )


def test_what_only_a_view_shows_that_the_other_scan_lacks_is_unclear():
    behind = at(make_body((*FEMUR, {"posterior": 80.0})), "20240101")
    front = one_view(at(make_body(), "20240701"), "anterior")
    found = compare([behind, front])
    assert changes(found) == {"left femur": ["first", "unclear"]}
    assert found.steps[0].gone == 0
    earlier = one_view(at(make_body(), "20230101"), "anterior")
    assert changes(compare([earlier, behind])) == {"left femur": ["absent", "unclear"]}


def test_one_view_next_to_two_is_compared_in_the_view_that_both_have():
    both = at(make_body((*FEMUR, {"anterior": 80.0}), ((126, 138), (60, 64), {"posterior": 80.0})), "20240101")
    front = one_view(at(make_body((*FEMUR, BOTH)), "20240701"), "anterior")
    assert changes(compare([both, front])) == {"left femur": ["first", "stable"]}


def test_one_scan_is_no_comparison():
    with pytest.raises(UserError, match="two scans"):
        compare([at(make_body(), "20240101")])


def test_limits_say_where_they_are_from():
    assert REPEATABILITY.area_factor > 1
    assert "simulated" in REPEATABILITY.source


def test_a_part_is_not_compared_with_a_whole_body_which_would_show_lesions_as_new():
    whole = at(make_body((*FEMUR, BOTH)), "20240101")
    crop = dataclasses.replace(whole.crop, rows=(0, 100), method="profiles")
    part = dataclasses.replace(at(make_body(), "20240701"), crop=crop)
    with pytest.raises(UserError, match="part of scan 20240701 was read"):
        compare([whole, part])
    compare([dataclasses.replace(whole, crop=crop), part])


@pytest.mark.parametrize(
    ("dates", "order", "doubt"),
    [
        (("20240401", "2024.05.01"), (0, 1), ""),
        (("2024.05.01", "20240401"), (1, 0), ""),
        (("20240701", "20241399"), (0, 1), "Not every scan has a study date"),
        (("20240701", "20240701"), (0, 1), "are of one day"),
    ],
)
def test_dates_sort_by_time_however_written_and_what_cannot_be_sorted_is_a_warning(dates, order, doubt):
    reading = make_body((*FEMUR, BOTH))
    read = [at(reading, date) for date in dates]
    found = compare(read)
    assert [time.reading for time in found.times] == [read[number] for number in order]
    doubts = [note for note in found.warnings if "order in which they were given" in note]
    assert len(doubts) == bool(doubt)
    assert all(doubt in note for note in doubts)
