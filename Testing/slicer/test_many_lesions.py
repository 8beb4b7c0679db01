"""Forty lesions in the panel: a move of a slider writes what it changes, once, so that the window keeps up."""

import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "host"))
from slicerhost.many import open_many_lesions
from slicerhost.panel import assert_all_agree, paint

pytest_plugins = ["slicerhost.fixtures"]

COUNT = 40
LABELMAP = "Binary labelmap"


@pytest.fixture
def forty(host, panel, load_sample):
    """The panel with a reading of forty lesions."""
    open_many_lesions(host, panel, load_sample().volumes, COUNT)
    assert panel.ui.lesionTable.rowCount == COUNT
    return panel


def labelmaps(live):
    """The images of all segments, each once."""
    segmentation = live.node.GetSegmentation()
    images = [segmentation.GetNthSegment(place).GetRepresentation(LABELMAP) for place in range(COUNT)]
    return [image for place, image in enumerate(images) if image not in images[:place]]


def test_a_move_reports_every_segment_once_and_draws_in_the_existing_labelmap(host, forty):
    live, reported = forty.live, Counter()
    forty.ui.thresholdSlider.value = 0.48
    before = labelmaps(live)
    assert len(before) == 1
    segmentation = live.node.GetSegmentation()
    tag = segmentation.AddObserver(host.slicer.vtkSegmentation.SegmentModified, lambda *_: reported.update(["events"]))
    area = live.reading.mask.sum()
    forty.ui.thresholdSlider.value = 0.45
    segmentation.RemoveObserver(tag)
    assert live.reading.mask.sum() > area
    assert reported["events"] <= COUNT
    assert labelmaps(live) == before
    assert_all_agree(forty)


def test_a_move_that_changes_no_row_writes_none(forty):
    table = forty.ui.lesionTable
    forty.ui.minimumAreaSlider.value = 0.2
    before = [table.item(row, column) for row in range(COUNT) for column in (0, 1, 4, 5, 6, 7, 8, 9)]
    forty.ui.minimumAreaSlider.value = 0.3
    after = [table.item(row, column) for row in range(COUNT) for column in (0, 1, 4, 5, 6, 7, 8, 9)]
    assert all(one is other for one, other in zip(before, after, strict=True))


def test_moves_after_a_stroke_of_the_brush_agree_with_the_segments(host, forty):
    paint(forty.live, 1, (slice(60, 70), slice(20, 30)), 1)
    assert forty.live.edited
    for threshold in (0.45, 0.6, 0.7, 0.5):
        forty.ui.thresholdSlider.value = threshold
        assert_all_agree(forty)


def test_the_table_names_the_main_bone_and_lists_the_others_when_the_pointer_rests_on_it(host):
    from SpectBoneMetSegLib.quantification.anatomy import all_regions
    from SpectBoneMetSegLib.quantification.results import BoneShare
    from SpectBoneMetSegModule.review.lesion_table import bonesText, mainBone

    named = {region.title: region for region in all_regions().values()}
    sternum, ribs = BoneShare(named["sternum"], 0.31), BoneShare(named["left ribs"], 0.69)
    assert mainBone(()) == bonesText(()) == ""
    assert mainBone((sternum,)) == bonesText((sternum,)) == "sternum"
    assert mainBone((sternum, ribs)) == "left ribs 69 % +1"
    assert bonesText((sternum, ribs)) == "sternum 31 %, left ribs 69 %"
