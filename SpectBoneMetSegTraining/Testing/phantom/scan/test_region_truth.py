"""Region maps name what each pixel of a view shows, with its side."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.phantom.person.skeleton import load_skeleton
from SpectBoneMetSegTrainingLib.phantom.scan.regions import (
    BONE_REGIONS,
    OTHER_REGIONS,
    RIGHT_OFFSET,
    _overlay,
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


def overlaid(first, second, view, *, brighter):
    """Return the region that a view shows where two bones overlap, of which one has the brighter projection."""
    whole, footprint = (slice(0, 4), slice(0, 4)), np.ones((4, 4), bool)
    light = {name: np.full((4, 4), 5.0 if name == brighter else 1.0, np.float32) for name in (first, second)}
    shown = {BONE_REGIONS[name]: (whole, footprint, light[name]) for name in (first, second)}
    (number,) = np.unique(_overlay(shown, (4, 4), view))
    return next(name for name, value in BONE_REGIONS.items() if value == number)


@pytest.mark.parametrize(
    ("front", "behind", "view"),
    [
        ("sternum", "thoracic spine", "anterior"),
        ("thoracic spine", "sternum", "posterior"),
        ("clavicle", "ribs", "anterior"),
        ("ribs", "clavicle", "posterior"),
        *[("ribs", "scapula", view) for view in ("anterior", "posterior")],
        *[("sacrum", "pelvis", view) for view in ("anterior", "posterior")],
    ],
)
def test_where_bones_overlap_the_stated_one_is_named_however_bright_the_other_is(front, behind, view):
    assert overlaid(front, behind, view, brighter=behind) == front
    assert overlaid(behind, front, view, brighter=behind) == front


@pytest.mark.parametrize("view", ["anterior", "posterior"])
@pytest.mark.parametrize("brighter", ["femur", "pelvis"])
def test_where_other_bones_overlap_the_brighter_one_is_named(view, brighter):
    assert overlaid("femur", "pelvis", view, brighter=brighter) == brighter


def test_bones_hold_the_counts_of_bones(patient):
    counts = patient.expected["posterior"]
    spine = counts[patient.regions["posterior"] == BONE_REGIONS["lumbar spine"]]
    body = counts[(counts > 1) & (patient.regions["posterior"] == 0)]
    assert spine.mean() > 1.5 * body.mean()
