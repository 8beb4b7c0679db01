"""A reader who outlined one view is compared with one who labelled the union of both."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.gathering.disagreement_picture import write_disagreement
from SpectBoneMetSegTrainingLib.gathering.labels.consensus import settle
from SpectBoneMetSegTrainingLib.gathering.labels.marks import Labels, Mark, instances_of
from support.labels import blob_scan

HOT = ((10, 14), (6, 10))
COLD = ((25, 31), (12, 18))


def box(rows, columns):
    mask = np.zeros((40, 24), bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def of_view(reader, view, *places):
    return Labels(reader, tuple(Mark("x", box(*place), view) for place in places), frozenset({view}))


def settled(*readers, scan):
    truth = settle(readers, scan, np.random.default_rng(0))
    found = instances_of(truth.labels, scan)
    return truth, {name: label_map(found, name, scan.frame.shape) for name in scan.views}


def test_a_lesion_of_one_view_that_the_reader_of_the_union_does_not_mark_is_disputed():
    scan = blob_scan()
    truth, maps = settled(of_view("anna", "posterior", HOT), of_view("ben", None), scan=scan)
    assert (truth.decided_by, truth.again) == ("majority", ("posterior",))
    assert [(pair.image, pair.first, pair.second, pair.difference) for pair in truth.comparisons] == [
        ("posterior", "anna", "ben", 1.0)
    ]
    np.testing.assert_array_equal(maps["posterior"], box(*HOT) * 2)
    assert not maps["anterior"].any()


def test_lesions_in_different_places_are_both_disputed_in_the_view_that_both_read():
    truth, maps = settled(of_view("anna", "posterior", HOT), of_view("ben", None, COLD), scan=blob_scan())
    assert truth.again == ("posterior",)
    np.testing.assert_array_equal(maps["posterior"], (box(*HOT) | box(*COLD)) * 2)


def test_the_same_lesion_is_an_agreement_and_stays_in_the_other_view_as_the_union_shows_it():
    for shown_in_front, expected in ((True, box(*HOT) * 1), (False, box(*HOT) * 2)):
        scan = blob_scan(anterior=shown_in_front)
        truth, maps = settled(of_view("anna", "posterior", HOT), of_view("ben", None, HOT), scan=scan)
        assert (truth.decided_by, truth.again) == ("agreement", ())
        assert [(pair.image, pair.difference) for pair in truth.comparisons] == [("posterior", 0.0)]
        np.testing.assert_array_equal(maps["posterior"], box(*HOT))
        np.testing.assert_array_equal(maps["anterior"], expected)


def test_a_third_reader_of_both_views_is_compared_in_each_of_them():
    both = Labels(
        "cleo", tuple(Mark("x", box(*HOT), view) for view in ("anterior", "posterior")), frozenset(blob_scan().views)
    )
    readers = [of_view("anna", "posterior", HOT), of_view("ben", None, HOT), both]
    truth, _ = settled(*readers, scan=blob_scan())
    assert [(pair.image, pair.first, pair.second) for pair in truth.comparisons] == [
        ("anterior", "ben", "cleo"),
        ("posterior", "anna", "ben"),
        ("posterior", "anna", "cleo"),
        ("posterior", "ben", "cleo"),
    ]


@pytest.mark.parametrize("views", [("anterior", "posterior"), ("posterior", "anterior")])
def test_readers_of_different_views_are_never_called_an_agreement(views):
    truth, maps = settled(of_view("anna", views[0], HOT), of_view("ben", views[1], COLD), scan=blob_scan())
    assert (truth.decided_by, truth.comparisons, truth.largest_difference) == ("one reader", (), None)
    np.testing.assert_array_equal(maps[views[0]], box(*HOT))
    np.testing.assert_array_equal(maps[views[1]], box(*COLD))


def test_readers_of_the_same_name_are_compared():
    truth, _ = settled(of_view("", "posterior", HOT), of_view("", "posterior", COLD), scan=blob_scan())
    assert truth.again == ("posterior",)


def test_the_picture_shows_the_lesion_only_in_the_view_in_which_it_was_outlined(tmp_path):
    from PIL import Image

    scan = blob_scan()
    readers = [of_view("anna", "posterior", HOT), of_view("ben", None)]
    truth, _ = settled(*readers, scan=scan)
    write_disagreement(tmp_path / "x.png", "scan_1", scan, readers, truth)
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB")).astype(int)
    # Without the legend at the bottom, which is in the same colour.
    front, back = np.array_split(pixels[: int(0.8 * len(pixels))], 2, axis=1)
    of_anna = [(np.abs(half - (0xD5, 0x5E, 0x00)).sum(-1) < 30).sum() for half in (front, back)]
    assert of_anna[0] == 0
    assert of_anna[1] > 20
