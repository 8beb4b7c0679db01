"""Which bones a lesion lies on."""

import numpy as np
import pytest
from SpectBoneMetSegLib.quantification.anatomy import LEFT, RIGHT, all_regions, contralateral
from SpectBoneMetSegLib.quantification.bones import REACH_MM, nearest_regions
from SpectBoneMetSegLib.quantification.quantify import quantify

BOTH = {"anterior": 80.0, "posterior": 80.0}


def bones_of(reading, number=1):
    return {share.region.title: share.share for share in quantify(reading).lesion(number).bones}


def test_a_lesion_inside_one_bone_lies_on_it_and_on_its_side(body):
    assert bones_of(body(((120, 126), (60, 64), BOTH))) == {"left femur": 1.0}
    assert bones_of(body(((120, 126), (36, 40), BOTH))) == {"right femur": 1.0}


def test_a_lesion_on_two_bones_has_two_shares_that_add_to_one(body):
    found = bones_of(body(((140, 154), (60, 64), BOTH)))
    assert found == pytest.approx({"left femur": 10 / 14, "left lower leg and foot": 4 / 14})


def test_pixels_next_to_the_bone_count_for_the_nearest_one_within_reach(body):
    assert bones_of(body(((120, 126), (62, 69), BOTH))) == {"left femur": 1.0}
    far = np.zeros((60, 60), np.uint8)
    far[:, :5] = 10
    ids = np.zeros((60, 60), np.uint16)
    ids[10:12, :] = 1
    found = np.where(ids > 0, nearest_regions(far, (2.0, 2.0)), 0)
    reach = 5 + int(REACH_MM / 2)
    assert (found[10, :reach] == 10).all()
    assert (found[10, reach:] == 0).all()


def test_regions_of_some_pixels_are_the_same_as_those_of_all():
    random = np.random.default_rng(3)
    regions = np.where(random.random((90, 70)) < 0.02, random.integers(1, 26, (90, 70)), 0).astype(np.uint8)
    for _ in range(20):
        ids = np.zeros(regions.shape, np.uint16)
        row, column = random.integers(0, 80), random.integers(0, 60)
        ids[row : row + 10, column : column + 10] = 1
        every, some = (nearest_regions(regions, (2.3, 2.3), wanted) for wanted in (None, ids))
        assert (every[ids > 0] == some[ids > 0]).all()
        assert (every[ids > 0] > 0).any()


def test_where_views_show_different_bones_the_one_that_takes_up_more_counts(body):
    place = (50, 56), (48, 52)
    assert bones_of(body((*place, {"anterior": 90.0, "posterior": 30.0}))) == {"sternum": 1.0}
    assert bones_of(body((*place, {"anterior": 30.0, "posterior": 90.0}))) == {"thoracic spine": 1.0}


def test_each_view_names_its_own_bones(body):
    lesion = quantify(body(((50, 56), (48, 52), BOTH))).lesion(1)
    shown = {name: [share.region.name for share in view.bones] for name, view in lesion.views.items()}
    assert shown == {"anterior": ["sternum"], "posterior": ["thoracic spine"]}


def test_a_lesion_of_one_view_has_the_bone_of_that_view(body):
    assert bones_of(body(((50, 56), (48, 52), {"posterior": 60.0}))) == {"thoracic spine": 1.0}


def test_a_lesion_far_from_every_bone_has_none_and_does_not_count(body):
    found = quantify(body(((186, 192), (86, 92), BOTH)))
    assert found.lesion(1).bones == ()
    assert found.lesion(1).not_counted == "outside bone"
    assert found.burden.lesions == 0


def test_paired_regions_have_their_other_side():
    for number, region in all_regions().items():
        other = all_regions()[contralateral(number)]
        assert other.name == region.name
        assert {region.side, other.side} in ({"left", "right"}, {""})


def test_codes_are_those_of_the_dicom_standard():
    from pydicom.sr import _concepts_dict

    meanings: dict[str, set[str]] = {}
    for entries in _concepts_dict.concepts["SCT"].values():
        for value, (meaning, _) in entries.items():
            meanings.setdefault(value, set()).add(meaning)
    for code in [LEFT, RIGHT, *(region.code for region in all_regions().values() if region.code)]:
        assert code.meaning in meanings[code.value]
