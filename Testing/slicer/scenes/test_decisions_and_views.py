"""What was decided on areas, and the view in which an area was clicked, through clicks, cuts, joins and undo."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "host"))
from slicerhost.mouse import ANTERIOR, COUNT, FREE, POSTERIOR, click, drag, frame_of, middle_of
from slicerhost.panel import assert_all_agree, pixels_of

pytest_plugins = ["slicerhost.fixtures", "slicerhost.mouse"]


def the_clicked(panel):
    """The one area that was outlined manually."""
    [mine] = panel.live.edited_lesions()
    return panel.live.reading.lesions[mine - 1]


def undo(host, panel):
    panel.ui.undoButton.click()
    host.process_events()


def decisions(panel):
    return [panel.live.review(lesion.id).decision for lesion in panel.live.reading.lesions]


def decide(panel, lesion, decision):
    from SpectBoneMetSegLib.lesions.review import Review

    panel.onLesionReviewed(lesion, Review(decision))


@pytest.mark.parametrize("away", ["undo", "click"])
def test_an_undone_click_leaves_no_view_behind(host, tool, away):
    click(host, ANTERIOR, frame_of(tool), FREE)
    assert the_clicked(tool).seen_in == "anterior"
    if away == "undo":
        undo(host, tool)
    else:
        click(host, ANTERIOR, frame_of(tool), FREE)
    assert len(tool.live.reading.lesions) == COUNT
    click(host, POSTERIOR, frame_of(tool), FREE)
    assert the_clicked(tool).seen_in == "posterior"
    if away == "click":
        # What is brought back lies where it was pointed at.
        undo(host, tool)
        undo(host, tool)
        assert the_clicked(tool).seen_in == "anterior"


def test_each_decision_in_the_table_is_a_step_of_its_own(host, tool):
    click(host, ANTERIOR, frame_of(tool), FREE)
    first, second = [one.id for one in tool.live.reading.lesions if one.id != the_clicked(tool).id][:2]
    decide(tool, first, "accepted")
    decide(tool, second, "rejected")
    undo(host, tool)
    assert (tool.live.review(first).decision, tool.live.review(second).decision) == ("accepted", "open")
    undo(host, tool)
    assert tool.live.review(first).decision == "open"
    assert len(tool.live.reading.lesions) == COUNT + 1
    undo(host, tool)
    assert len(tool.live.reading.lesions) == COUNT
    assert_all_agree(tool)


def test_the_pieces_of_a_rejected_area_are_rejected(host, tool):
    row, _column = middle_of(tool, 6)
    rows, columns = np.nonzero(pixels_of(tool.live, 6))
    decide(tool, 6, "rejected")
    left, right = (row, float(columns.min() - 6)), (row, float(columns.max() + 6))
    drag(host, ANTERIOR, frame_of(tool), left, right)
    assert len(tool.live.reading.lesions) == COUNT + 1, tool.ui.statusLabel.text
    assert decisions(tool).count("rejected") == 2
    final = tool.live.final()
    assert not final.mask[rows, columns].any()
    assert_all_agree(tool)


@pytest.mark.parametrize("start", [0, 1])
def test_an_area_that_is_not_rejected_stays_so_when_it_is_joined(host, tool, start):
    ends = [middle_of(tool, lesion) for lesion in (2, 3)]
    decide(tool, 2, "rejected")
    decide(tool, 3, "accepted")
    drag(host, ANTERIOR, frame_of(tool), ends[start], ends[1 - start])
    assert len(tool.live.reading.lesions) < COUNT, tool.ui.statusLabel.text
    assert "rejected" not in decisions(tool)
    assert decisions(tool).count("accepted") == 1
    undo(host, tool)
    assert decisions(tool)[1:3] == ["rejected", "accepted"]


def test_what_the_model_proposes_with_its_own_limits_is_rejected_and_never_deleted(host, tool):
    """Edited manually it stays while the sliders remove what the model proposed there."""
    _rows, columns = np.nonzero(pixels_of(tool.live, 6))
    row, column = middle_of(tool, 6)
    drag(host, ANTERIOR, frame_of(tool), (row, column), (row, float(columns.max() + 3)))
    tool.ui.thresholdSlider.value = 0.95
    [mine] = tool.live.edited_lesions()
    click(host, ANTERIOR, frame_of(tool), (row, column))
    assert tool.live.review(mine).decision == "rejected"
    assert tool.live.edited_lesions() == {mine}


def test_what_a_person_outlined_and_decided_on_is_not_deleted_by_a_click(host, tool):
    click(host, ANTERIOR, frame_of(tool), FREE)
    mine = the_clicked(tool).id
    decide(tool, mine, "accepted")
    click(host, ANTERIOR, frame_of(tool), FREE)
    assert tool.live.review(mine).decision == "rejected"
    assert len(tool.live.reading.lesions) == COUNT + 1
