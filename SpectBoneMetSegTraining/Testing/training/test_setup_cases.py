"""The region that readers examined is inferred from where their outlines lie."""

from __future__ import annotations

import dataclasses

from SpectBoneMetSegTrainingLib.training.setup.cases import outlined_region
from support.datasets import lesions, make_scan, write

ALL = ("a", "b")


def a_set(folder, outlines, region="whole-body"):
    for case in ALL:
        write(folder, make_scan(case), instances=outlines, region=region)
    return folder


def test_outlines_outside_the_thorax_mean_that_the_whole_body_was_examined(tmp_path):
    assert outlined_region(a_set(tmp_path, lesions()), ALL) == "whole-body"


def test_without_any_only_the_thorax_is_known(tmp_path):
    assert outlined_region(a_set(tmp_path, lesions()[:2]), ALL) == "thorax"
    assert outlined_region(a_set(tmp_path / "nothing", []), ALL) == "thorax"


def test_one_outline_that_the_box_just_misses_does_not_count(tmp_path):
    inside = [dataclasses.replace(lesions()[0], id=number) for number in range(1, 10)]
    write(tmp_path, make_scan("a"), instances=[*inside, dataclasses.replace(lesions()[2], id=10)], region="whole-body")
    assert outlined_region(tmp_path, ["a"]) == "thorax"


def test_images_of_the_thorax_mean_the_thorax(tmp_path):
    assert outlined_region(a_set(tmp_path, lesions(), "thorax"), ALL) == "thorax"
