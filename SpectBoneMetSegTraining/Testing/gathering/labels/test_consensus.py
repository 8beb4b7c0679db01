"""What several readers agree on: Eq. 2 per image, one of those who agree, else the majority and the list."""

import numpy as np
import pytest
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.gathering.disagreement_picture import write_disagreement
from SpectBoneMetSegTrainingLib.gathering.labels.consensus import settle
from SpectBoneMetSegTrainingLib.gathering.labels.marks import Labels, Mark, instances_of

SHAPE = (60, 40)


@pytest.fixture
def scan():
    counts = np.random.default_rng(1).poisson(20, SHAPE).astype(np.float32)
    return WholeBodyScan("s", PlanarView(counts, (4, 4), "anterior"), PlanarView(counts, (4, 4), "posterior"))


def box(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def per_view(reader, anterior, posterior):
    marks = [Mark("x", mask, name) for name, mask in (("anterior", anterior), ("posterior", posterior))]
    return Labels(reader, tuple(marks), frozenset({"anterior", "posterior"}))


def maps(truth, scan):
    found = instances_of(truth.labels, scan)
    return {name: label_map(found, name, SHAPE) for name in scan.views}


def test_a_single_reader_is_the_truth(scan):
    labels = per_view("a", box((5, 15), (5, 15)), box((5, 15), (5, 12)))
    truth = settle([labels], scan, np.random.default_rng(0))
    assert truth.decided_by == "one reader"
    assert truth.labels is labels
    assert truth.largest_difference is None


def test_readers_who_differ_by_at_most_five_per_cent_are_drawn_from_at_random(scan):
    one, two = box((5, 25), (5, 25)), box((5, 25), (5, 24))
    readers = [per_view("a", one, one), per_view("b", two, two)]
    taken = set()
    for seed in range(20):
        truth = settle(readers, scan, np.random.default_rng(seed))
        assert truth.decided_by == "agreement"
        assert truth.again == ()
        assert [pair.difference for pair in truth.comparisons] == pytest.approx([0.05, 0.05])
        found = maps(truth, scan)
        # The chosen reader is the same in both views.
        assert found["anterior"].sum() == found["posterior"].sum()
        taken.add(int(found["anterior"].sum()))
    assert taken == {400, 380}


def test_the_majority_decides_where_readers_differ_and_the_image_is_listed(scan):
    same = box((40, 50), (20, 30))
    outlines = [box((5, 15), (5, 15)), box((5, 15), (5, 14)), box((5, 15), (8, 15))]
    readers = [per_view(name, mask, same) for name, mask in zip("abc", outlines, strict=True)]
    truth = settle(readers, scan, np.random.default_rng(0))
    assert truth.decided_by == "majority"
    assert truth.again == ("anterior",)
    assert truth.largest_difference == pytest.approx(0.4)
    found = maps(truth, scan)
    np.testing.assert_array_equal(found["anterior"], np.sum(outlines, axis=0) >= 2)
    np.testing.assert_array_equal(found["posterior"], same)


def test_a_lesion_of_the_minority_counts_neither_way(scan):
    shared, alone = box((5, 15), (5, 15)), box((40, 50), (20, 30))
    readers = [per_view("a", shared | alone, shared), per_view("b", shared, shared), per_view("c", shared, shared)]
    found = maps(settle(readers, scan, np.random.default_rng(0)), scan)
    np.testing.assert_array_equal(found["anterior"], shared * 1 + alone * 2)


def test_readers_are_compared_on_the_union_where_one_marked_it(scan):
    one, two = box((5, 15), (5, 15)), box((5, 15), (8, 15))
    union = Labels("a", (Mark("x", one, None),), frozenset({None}))
    truth = settle([union, per_view("b", one, two)], scan, np.random.default_rng(0))
    assert [(pair.image, pair.difference) for pair in truth.comparisons] == [("union", 0.0)]
    assert truth.decided_by == "agreement"


def test_a_reader_of_one_view_is_compared_on_that_view_only(scan):
    both = per_view("a", box((5, 15), (5, 15)), box((5, 15), (5, 15)))
    front = Labels("b", (Mark("x", box((5, 15), (5, 15)), "anterior"),), frozenset({"anterior"}))
    truth = settle([both, front], scan, np.random.default_rng(0))
    assert [pair.image for pair in truth.comparisons] == ["anterior"]
    assert all((layer == box((5, 15), (5, 15))).all() for layer in maps(truth, scan).values())


def test_readers_who_all_mark_nothing_agree(scan):
    empty = [Labels(name, (), frozenset({None})) for name in "ab"]
    truth = settle(empty, scan, np.random.default_rng(0))
    assert truth.decided_by == "agreement"
    assert truth.comparisons[0].difference == 0
    assert instances_of(truth.labels, scan) == []


def test_the_picture_shows_both_outlines_and_what_is_disputed(scan, tmp_path):
    from PIL import Image

    readers = [per_view("anna", box((5, 25), (5, 25)), box((30, 40), (5, 25)))]
    readers.append(per_view("ben", box((5, 25), (12, 25)), box((30, 40), (12, 25))))
    truth = settle(readers, scan, np.random.default_rng(0))
    write_disagreement(tmp_path / "x.png", "scan_1", scan, readers, truth)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    left, right = np.array_split(pixels, 2, axis=1)
    for half in (left, right):
        for color in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):
            assert (np.abs(half - color).sum(-1) < 30).sum() > 20
        # Disputed pixels are tinted yellow.
        assert ((half[..., 0] - half[..., 2]) > 60).sum() > 500
