"""Uptake, burden and index of a body whose values can be computed by hand."""

import dataclasses

import numpy as np
import pytest
from SpectBoneMetSegLib.lesions.model_result import ModelResult
from SpectBoneMetSegLib.lesions.redraw import reading_at
from SpectBoneMetSegLib.lesions.results import Lesion
from SpectBoneMetSegLib.lesions.review import Review, reviewed
from SpectBoneMetSegLib.quantification.anatomy import all_regions
from SpectBoneMetSegLib.quantification.index import DEPTH, SOLIDITY
from SpectBoneMetSegLib.quantification.quantify import quantify
from SpectBoneMetSegLib.quantification.weights import IMBRIACO_1998
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop, whole_field

PIXEL_MM2 = 5.0
LEFT_FEMUR, RIGHT_FEMUR = ((120, 126), (60, 64)), ((120, 126), (36, 40))
BOTH = {"anterior": 80.0, "posterior": 50.0}


def held(area_share, name):
    """Share of a bone's mass, as the page about the index gives it."""
    return min(area_share, DEPTH * area_share**1.5 / SOLIDITY[name])


def test_uptake_is_computed_above_the_ring(body):
    view = quantify(body((*LEFT_FEMUR, BOTH))).lesion(1).views["anterior"]
    assert view.counts == 24 * 80
    assert view.background_counts_per_pixel == pytest.approx(view.mean_counts_per_pixel / view.contrast)
    assert 5 < view.background_counts_per_pixel < 20
    assert view.total_lesion_uptake_counts == pytest.approx(24 * (80 - view.background_counts_per_pixel))


def test_share_of_body_counts_is_of_the_view(body):
    reading = body((*LEFT_FEMUR, BOTH))
    found = quantify(reading).lesion(1).views["posterior"].body_counts_percent
    assert found == pytest.approx(100 * 24 * 50 / reading.scan.posterior.counts.sum())


def test_the_contralateral_ratio_compares_with_the_same_bone_of_the_other_side(body):
    views = quantify(body((*LEFT_FEMUR, BOTH))).lesion(1).views
    assert views["anterior"].contralateral_ratio == pytest.approx(80 / 20)
    assert views["posterior"].contralateral_ratio == pytest.approx(50 / 20)


def test_there_is_no_contralateral_ratio_where_the_other_side_is_diseased_or_the_bone_is_the_midlines(body):
    both_sides = quantify(body((*LEFT_FEMUR, BOTH), (*RIGHT_FEMUR, BOTH)))
    assert {each.views["anterior"].contralateral_ratio for each in both_sides.lesions} == {None}
    spine = quantify(body(((74, 80), (48, 52), BOTH)))
    assert spine.lesion(1).views["anterior"].contralateral_ratio is None


def test_the_geometric_mean_needs_both_views(body):
    assert quantify(body((*LEFT_FEMUR, BOTH))).lesion(1).geometric_mean_counts == pytest.approx(24 * (80 * 50) ** 0.5)
    assert quantify(body((*LEFT_FEMUR, {"anterior": 80.0}))).lesion(1).geometric_mean_counts is None


def test_the_index_is_the_involved_share_times_the_weight(body):
    found = quantify(body((*LEFT_FEMUR, BOTH)))
    share = 24 / (36 * 8)
    assert found.index.percent == pytest.approx(8.9 * held(share, "femur"))
    femur = next(each for each in found.regions if each.region.title == "left femur")
    assert femur.involved_share == pytest.approx(share)
    assert femur.lesions == 1
    assert femur.lesion_area_mm2 == pytest.approx({"anterior": 24 * PIXEL_MM2, "posterior": 24 * PIXEL_MM2})
    assert femur.area_mm2["anterior"] == 36 * 8 * PIXEL_MM2


def test_a_weight_of_several_regions_is_divided_by_their_areas(body):
    found = quantify(body(((74, 80), (48, 52), BOTH)))
    # In front the sternum hides half of the thoracic spine: the view from behind shows its area.
    total = 64 + 240 + 160 + 120
    lumbar = next(each for each in found.regions if each.region.name == "lumbar spine")
    assert lumbar.weight_percent == pytest.approx(8.3 * 160 / total)
    assert found.index.percent == pytest.approx(lumbar.weight_percent * held(24 / 160, "lumbar spine"))


def test_without_lesions_the_index_is_zero_and_a_number(body):
    found = quantify(body())
    assert found.index.percent == 0.0
    assert found.burden.lesions == 0


def test_a_skeleton_involved_all_over_adds_up_to_the_table(body):
    reading = body()
    masks = {name: (numbers > 0) & (numbers != 20) for name, numbers in reading.regions.items()}
    spots = [
        ((row, row + 1), (int(column), int(column) + 1), {"anterior": 90.0, "posterior": 90.0})
        for row, column in np.argwhere(masks["anterior"])
    ]
    found = quantify(body(*spots))
    assert found.index.percent == pytest.approx(IMBRIACO_1998.total_percent, rel=0.01)


def test_weights_are_the_published_ones():
    assert IMBRIACO_1998.total_percent == pytest.approx(100.1)
    weighted = sorted(number for group in IMBRIACO_1998.groups for number in group.regions)
    assert weighted == sorted(number for number, region in all_regions().items() if region.bone)


def test_a_lesion_in_the_bladder_is_outside_bone_and_not_in_the_index(body):
    found = quantify(body(((105, 111), (47, 53), BOTH), (*LEFT_FEMUR, BOTH)))
    assert [each.not_counted for each in found.lesions] == ["outside bone", ""]
    assert found.lesion(1).region.name == "bladder"
    assert found.index.percent == pytest.approx(8.9 * held(24 / (36 * 8), "femur"))
    assert found.burden.lesions == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"regions": {}}, "no regions"),
        ({"crop": ThoraxCrop((40, 80), (10, 90), 0.9)}, "part of the body"),
    ],
    ids=["no regions", "thorax only"],
)
def test_without_the_whole_skeleton_there_is_a_reason_and_a_remedy_and_no_number(body, changes, word):
    found = quantify(dataclasses.replace(body((*LEFT_FEMUR, BOTH)), **changes))
    assert found.index.percent is None
    assert word in found.index.reason
    assert found.index.remedy.endswith(".")
    assert all(each.index_percent is None for each in found.regions)


def cut_at(reading, row):
    """The reading of a field that ends at a row; the matrix continues without counts."""
    views = {name: view.counts.copy() for name, view in reading.scan.views.items()}
    for counts in views.values():
        counts[row:] = 0
    scan = dataclasses.replace(
        reading.scan,
        anterior=reading.scan.anterior.with_counts(views["anterior"]),
        posterior=reading.scan.posterior.with_counts(views["posterior"]),
    )
    regions = {name: np.where(np.arange(200)[:, None] < row, each, 0) for name, each in reading.regions.items()}
    return dataclasses.replace(reading, scan=scan, regions=regions)


def test_bones_that_the_field_cuts_leave_no_number(body):
    found = quantify(cut_at(body((*LEFT_FEMUR, BOTH)), 140))
    assert found.index.percent is None
    assert "left femur, right femur" in found.index.reason
    assert [region.title for region in found.cut] == ["left femur", "right femur"]


def test_what_lies_beyond_elbows_and_knees_need_not_be_seen_but_it_is_reported(body):
    found = quantify(cut_at(body((*LEFT_FEMUR, BOTH)), 165))
    assert found.index.percent == pytest.approx(8.9 * held(24 / (36 * 8), "femur"))
    assert [region.title for region in found.cut] == ["left lower leg and foot", "right lower leg and foot"]


def test_bones_that_were_not_found_are_reported_and_many_of_them_leave_no_number(body):
    reading = body((*LEFT_FEMUR, BOTH))
    few = {name: np.where(np.isin(each, (12, 62)), 0, each) for name, each in reading.regions.items()}
    found = quantify(dataclasses.replace(reading, regions=few))
    assert found.index.percent is not None
    assert [region.title for region in found.not_found] == ["left clavicle", "right clavicle"]
    many = {name: np.where(each == 1, 0, each) for name, each in reading.regions.items()}
    assert "skull" in quantify(dataclasses.replace(reading, regions=many)).index.reason


def model_result(reading):
    posterior = reading.view_masks["posterior"][:, ::-1] > 0
    maps = {"anterior": (reading.view_masks["anterior"] > 0) * 0.9, "posterior": posterior * 0.9}
    maps = {name: values.astype(np.float32) for name, values in maps.items()}
    return ModelResult(reading.scan, whole_field(reading.mask.shape), maps, regions=reading.regions)


def after_review(reading, reviews):
    result = model_result(reading)
    return quantify(reviewed(result, reading_at(result, 0.5, 0.0), reviews))


def test_the_physicians_decision_determines_what_counts(body):
    reading = body((*LEFT_FEMUR, BOTH), ((160, 166), (36, 40), BOTH), ((14, 20), (48, 52), BOTH))
    everything = after_review(reading, {})
    assert everything.review.state == "not reviewed"
    assert everything.burden.lesions == 3
    found = after_review(
        reading, {1: Review("rejected"), 2: Review("accepted", "malignant"), 3: Review("open", "benign")}
    )
    assert (found.review.accepted, found.review.rejected, found.review.open) == (1, 1, 1)
    assert found.review.state == "partly reviewed"
    assert [(each.decision, each.not_counted, each.decided_by) for each in found.lesions] == [
        ("accepted", "", "physician"),
        ("open", "benign", "physician"),
        ("rejected", "rejected", "physician"),
    ]
    assert found.index.percent == pytest.approx(8.9 * held(24 / (36 * 8), "femur"))
    assert after_review(reading, {n: Review("accepted") for n in (1, 2, 3)}).review.state == "reviewed"


def test_a_lesion_without_a_review_is_decided_by_the_model(body):
    assert quantify(body((*LEFT_FEMUR, BOTH))).lesion(1).decided_by == "model"
    assert {field.name for field in dataclasses.fields(Lesion)} >= {"edited", "decision", "classification"}


def test_one_view_alone_is_quantified_but_has_no_index(body):
    reading = body((*LEFT_FEMUR, {"anterior": 80.0}))
    alone = dataclasses.replace(
        reading,
        scan=dataclasses.replace(reading.scan, posterior=None),
        view_masks={"anterior": reading.view_masks["anterior"]},
        regions={"anterior": reading.regions["anterior"]},
    )
    found = quantify(alone)
    femur = next(each for each in found.regions if each.region.title == "left femur")
    assert femur.involved_share == pytest.approx(24 / (36 * 8))
    assert found.index.percent is None
    assert found.index.reason == "The posterior view is missing."
    assert found.burden.geometric_mean_uptake_counts is None
