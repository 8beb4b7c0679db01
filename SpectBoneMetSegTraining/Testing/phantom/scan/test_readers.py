"""Simulated readers differ, miss faint lesions, outline the lesions, and reach a consensus for each lesion."""

from dataclasses import replace

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegTrainingLib.dataset.reader_agreement import dice
from SpectBoneMetSegTrainingLib.phantom.scan import readers
from SpectBoneMetSegTrainingLib.phantom.scan.ground_truth import OUTLINE_LEVEL, label_lesion
from SpectBoneMetSegTrainingLib.phantom.scan.readers import (
    READERS,
    SimulatedReader,
    annotate,
    annotation_mask,
    consensus,
)
from SpectBoneMetSegTrainingLib.phantom.scan.simulate import SimulatedCase, SimulatedLesion

SHAPE, SPACING = (120, 90), 2.26


def blob(row, column, width, height):
    rows, columns = np.indices(SHAPE)
    return (height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))).astype(np.float32)


def made_case(spots, kinds=None, views=VIEW_NAMES):
    """Return a scan with round lesions (row, column, width in pixels, height in counts) on 20 counts of background."""
    total = np.full(SHAPE, 20, np.float32) + sum(blob(*spot) for spot in spots)
    lesions = []
    for number, spot in enumerate(spots, 1):
        shown = label_lesion(blob(*spot), total)
        kind = (kinds or {}).get(number, "metastasis")
        lesions.append(SimulatedLesion(number, f"m{number}", kind, "baseline", "T5", 5.0, dict.fromkeys(views, shown)))
    front = PlanarView(total, (SPACING, SPACING), "anterior")
    scan = WholeBodyScan("a", front if "anterior" in views else None, mirror(front) if "posterior" in views else None)
    expected = dict.fromkeys(views, total)
    return SimulatedCase(scan, expected, expected, tuple(lesions), (), {})


SPOTS = ((30, 30, 4, 60), (34, 40, 4, 60), (80, 60, 3, 40), (100, 20, 2.5, 50))


@pytest.fixture(scope="module")
def case():
    return made_case(SPOTS)


def all_seeing(level, offset=0.0):
    return SimulatedReader(level, -9.0, offset)


@pytest.fixture
def steady(monkeypatch):
    for name in ("JITTER", "LEVEL_SIGMA", "OFFSET_SIGMA_MM"):
        monkeypatch.setattr(readers, name, 0.0)


def test_every_reader_marks_both_views_and_no_two_alike(case):
    panel = consensus(case, (1, 2))
    assert len(panel.annotations) == READERS
    assert set(panel.annotations[0]) == set(panel.agreed) == set(panel.lesions) == set(VIEW_NAMES)
    assert not (panel.annotations[0]["posterior"] == panel.annotations[1]["posterior"]).all()


def test_the_same_seed_gives_the_same_readings(case):
    one, two = consensus(case, (1, 2)), consensus(case, (1, 2))
    for view in VIEW_NAMES:
        assert all((a[view] == b[view]).all() for a, b in zip(one.annotations, two.annotations, strict=True))
        assert (one.agreed[view].mask == two.agreed[view].mask).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_lesions_of_the_agreed_truth_are_together_all_of_it_and_lie_in_their_boxes(case, seed):
    panel = consensus(case, (seed,))
    for view in VIEW_NAMES:
        parts = panel.lesions[view]
        assert parts
        assert np.array_equal(np.any(list(parts.values()), axis=0), panel.agreed[view].mask)
        for lesion in case.lesions:
            outside = parts.get(lesion.id, np.zeros(SHAPE, bool)).copy()
            outside[lesion.views[view].box] = False
            assert not outside.any()


def test_a_lesion_that_one_reader_of_three_saw_is_no_part_of_the_agreed_truth(case, monkeypatch):
    """Reader 1 outlines lesions 1 and 3, the others lesion 1 only, at levels too far apart to agree."""

    def annotated(_, reader, rng):
        drawing = {
            lesion.id: lesion.views["anterior"].profile >= reader.level
            for lesion in case.lesions
            if lesion.id == 1 or (lesion.id == 3 and reader.level == 0.3)
        }
        return dict.fromkeys(VIEW_NAMES, drawing)

    monkeypatch.setattr(readers, "annotate", annotated)
    monkeypatch.setattr(readers, "draw_readers", lambda rng: tuple(all_seeing(level) for level in (0.3, 0.4, 0.5)))
    panel = consensus(case, (0,))
    assert panel.agreed["anterior"].decided_by == "majority"
    assert set(panel.lesions["anterior"]) == {1}
    shown = case.lesions[0].views["anterior"]
    assert np.array_equal(panel.lesions["anterior"][1][shown.box], shown.profile >= 0.4)


def test_readers_who_agree_leave_the_outlines_of_one_of_them(case, monkeypatch, steady):
    monkeypatch.setattr(readers, "draw_readers", lambda rng: (all_seeing(0.40), all_seeing(0.402), all_seeing(0.404)))
    panel = consensus(case, (0,))
    found = panel.agreed["anterior"]
    assert found.decided_by == "agreement"
    assert np.array_equal(found.mask, panel.annotations[found.reader]["anterior"])
    assert set(panel.lesions["anterior"]) == {1, 2, 3, 4}


def test_a_pixel_that_readers_give_to_different_lesions_goes_to_one_of_them(case, monkeypatch):
    """Lesions 1 and 2 touch; two readers mark the same pixels of both boxes, but for different lesions."""
    one, two = (case.lesions[i].views["anterior"] for i in (0, 1))
    between = np.zeros(SHAPE, bool)
    between[30:34, 34:36] = True
    whole = between | (blob(*SPOTS[0]) > 25)
    drawn = [
        {1: whole[one.box], 2: between[two.box] & False},
        {1: (whole & ~between)[one.box], 2: between[two.box]},
        {1: (blob(*SPOTS[0]) > 45)[one.box]},
    ]
    todo = iter(drawn * 4)
    monkeypatch.setattr(readers, "annotate", lambda *_: dict.fromkeys(VIEW_NAMES, next(todo)))
    panel = consensus(case, (0,))
    found = panel.agreed["anterior"]
    assert found.decided_by == "majority"
    assert found.mask[between].all()
    parts = panel.lesions["anterior"]
    assert np.array_equal(np.any(list(parts.values()), axis=0), found.mask)
    assert sum(mask[between].sum() for mask in parts.values()) == between.sum()


def test_marks_lie_inside_the_lesions_projections(case):
    drawn = annotate(case, all_seeing(0.3, 3.0), np.random.default_rng(0))
    for view in VIEW_NAMES:
        marked = annotation_mask(case, view, drawn[view])
        reach = np.zeros(SHAPE, bool)
        for lesion in case.lesions:
            reach[lesion.views[view].box] = True
        assert marked.any()
        assert not (marked & ~reach).any()


def area(case, reader):
    return sum(mask.sum() for mask in annotate(case, reader, np.random.default_rng(0))["anterior"].values())


def test_a_lower_level_gives_a_larger_outline(case):
    assert area(case, all_seeing(0.3)) > area(case, all_seeing(0.5))


def test_a_reader_who_draws_outside_gives_a_larger_outline(case, steady):
    exact = sum(lesion.views["anterior"].mask.sum() for lesion in case.lesions)
    inside, on, outside = (area(case, all_seeing(OUTLINE_LEVEL, offset)) for offset in (-2.5, 0.0, 2.5))
    assert inside < on < outside
    assert on == exact


def test_a_very_cautious_reader_marks_nothing(case):
    assert annotate(case, SimulatedReader(0.4, 1e3), np.random.default_rng(0)) == {"anterior": {}, "posterior": {}}


def test_faint_and_noisy_lesions_are_overlooked_more_often():
    # The second is at the detection limit.
    spots = ((30, 30, 4, 80), (30, 60, 4, 13.0), (80, 30, 4, 6))
    faint = made_case(spots)
    rng = np.random.default_rng(3)
    seen = {1: 0, 2: 0, 3: 0}
    for _ in range(60):
        for number in annotate(faint, readers.draw_readers(rng)[0], rng)["anterior"]:
            seen[number] += 1
    assert seen[1] == 60
    assert 5 < seen[2] < 55
    assert seen[3] < 5
    noisy = replace(faint.lesions[0], views={"anterior": replace(faint.lesions[0].views["anterior"], snr=1.0)})
    assert annotate(replace(faint, lesions=(noisy,)), SimulatedReader(0.4, 0.0), rng)["anterior"] == {}


def test_cold_lesions_are_not_outlined():
    drawn = annotate(made_case(SPOTS, {2: "cold"}), all_seeing(0.4), np.random.default_rng(0))
    assert set(drawn["anterior"]) == {1, 3, 4}


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_readers_of_a_scan_with_one_view_mark_that_view(view):
    panel = consensus(made_case(SPOTS, views=(view,)), (4,))
    assert set(panel.agreed) == set(panel.lesions) == {view}
    assert panel.agreed[view].mask.any()


def test_no_reader_marks_a_healthy_scan():
    panel = consensus(made_case(()), (0,))
    for view in VIEW_NAMES:
        assert not panel.agreed[view].mask.any()
        assert panel.agreed[view].decided_by == "agreement"
        assert panel.lesions[view] == {}


def test_pairs_of_readers_overlap_about_as_physicians_do(case):
    pairs, exact = [], []
    truth = np.any([lesion.views["anterior"].mask for lesion in case.lesions], axis=0)
    for seed in range(40):
        first, second, third = (marked["anterior"] for marked in consensus(case, (seed,)).annotations)
        pairs += [dice(first, second), dice(first, third), dice(second, third)]
        exact += [dice(marked, truth) for marked in (first, second, third)]
    assert 0.65 < np.mean(pairs) < 0.85
    assert np.mean(pairs) < np.mean(exact) < 0.92


def test_a_cold_lesion_has_an_outline_and_negative_contrast_but_is_never_visible():
    missing = blob(60, 45, 5, 12)
    shown = label_lesion(missing, 20 - missing, cold=True)
    assert shown.mask[60, 45]
    assert shown.contrast < -0.3
    assert shown.snr < 0
    assert not shown.visible
