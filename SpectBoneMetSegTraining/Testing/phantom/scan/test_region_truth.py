"""Region maps name what each pixel of a view shows, with its side."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import load_skeleton
from SpectBoneMetSegTrainingLib.phantom.scan.regions import (
    BONE_REGIONS,
    OTHER_REGIONS,
    RIGHT_OFFSET,
    bone_regions,
    region_of,
)


@pytest.mark.parametrize(
    ("bone", "number"),
    [
        *(("skull", 1), ("mandible", 1), ("C7", 2), ("T1", 3), ("L5", 4), ("sacrum", 5), ("left hip bone", 6)),
        *(("right hip bone", 56), ("left rib 12", 7), ("right rib 1", 57), ("sternum", 11), ("right hand", 63)),
        *(("left patella", 14), ("costal cartilage", 0)),
    ],
)
def test_bones_have_the_numbers_of_region_maps(bone, number):
    assert region_of(bone) == number


def test_every_bone_of_the_atlas_but_cartilage_has_a_region():
    names, bones = load_skeleton().names, load_skeleton().bone
    assert {names[i] for i in np.unique(bones[bone_regions() == 0])} == {"costal cartilage"}


def test_both_views_of_a_patient_show_every_bone_region(patient):
    for view in ("anterior", "posterior"):
        regions = patient.regions[view]
        assert regions.shape == patient.scan.anterior.shape
        assert regions.dtype == np.uint8
        kinds = set(np.unique(regions % RIGHT_OFFSET).tolist())
        assert set(BONE_REGIONS.values()) <= kinds | {BONE_REGIONS["scapula"]}
        assert OTHER_REGIONS["bladder"] in kinds


def test_the_right_side_lies_left_in_the_image_and_bones_lie_in_their_order(patient):
    regions, columns = patient.regions["anterior"], np.arange(patient.scan.anterior.shape[1])

    def middle(number):
        rows, across = np.nonzero(regions == number)
        return rows.mean(), columns[across].mean()

    for name in ("ribs", "femur", "pelvis"):
        left, right = BONE_REGIONS[name], BONE_REGIONS[name] + RIGHT_OFFSET
        assert middle(right)[1] < middle(left)[1] - 2, name
    order = ["skull", "sternum", "lumbar spine", "sacrum"]
    rows = [middle(BONE_REGIONS[name])[0] for name in order]
    assert rows == sorted(rows)


def test_the_sternum_lies_before_the_spine_in_front_only(patient):
    sternum = {view: (patient.regions[view] == BONE_REGIONS["sternum"]).sum() for view in ("anterior", "posterior")}
    assert sternum["anterior"] > 4 * max(sternum["posterior"], 1) > 0


def test_bones_hold_the_counts_of_bones(patient):
    counts = patient.expected["posterior"]
    spine = counts[patient.regions["posterior"] == BONE_REGIONS["lumbar spine"]]
    body = counts[(counts > 1) & (patient.regions["posterior"] == 0)]
    assert spine.mean() > 1.5 * body.mean()
