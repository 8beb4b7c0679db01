"""Calls in processes of their own: reported, interrupted, failed; and labelled scans that are passed to them."""

import io
import json
import os
import time

import numpy as np
import pytest
from SpectBoneMetSegLib.common.channel import Channel
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.planar import PlanarView, WholeBodyScan, mirror
from SpectBoneMetSegTrainingLib.gathering.labels.marks import LabelledScan, Labels, Mark
from SpectBoneMetSegTrainingLib.gathering.staging import load_staged, stage
from SpectBoneMetSegTrainingLib.tasks.actions import TASKS
from SpectBoneMetSegTrainingLib.tasks.child import do
from SpectBoneMetSegTrainingLib.tasks.client import Task, TaskEvent


def answers(request):
    out = io.BytesIO()
    do(request, Channel(out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


def finished(task, seconds=60.0):
    """All events of a task up to its end."""
    events, end = [], time.monotonic() + seconds
    while not task.over:
        assert time.monotonic() < end, "waited too long"
        events += task.poll()
        time.sleep(0.01)
    return events


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_call_reports_its_progress_and_its_result(monkeypatch):
    def count(arguments, progress):
        progress(1, 2, "half")
        return {"sum": sum(arguments["numbers"])}

    monkeypatch.setitem(TASKS, "count", count)
    assert answers({"do": "count", "arguments": {"numbers": [1, 2]}}) == [
        {"event": "progress", "done": 1, "total": 2, "message": "half"},
        {"event": "done", "result": {"sum": 3}},
    ]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(UserError("Choose a folder."), "Choose a folder."), (KeyError("data"), "This went wrong (KeyError: 'data')")],
)
def test_what_goes_wrong_becomes_a_sentence(monkeypatch, error, sentence):
    def fail(arguments, progress):
        raise error

    monkeypatch.setitem(TASKS, "fail", fail)
    [event] = answers({"do": "fail", "arguments": {}})
    assert event["event"] == "failed"
    assert event["message"].startswith(sentence)


def test_the_result_is_from_a_process_that_ends_with_it(tmp_path):
    task = Task("collect", {"data": str(tmp_path / "set"), "labelled": ["/nowhere"], "unlabelled": [], "scene": ""})
    pid = task.pid
    [event] = finished(task)
    assert event.kind == "failed"
    assert "/nowhere is no folder" in event.message
    assert gone(pid)
    assert task.poll() == []


def test_gathering_keeps_the_requested_share_for_the_test(monkeypatch, tmp_path):
    from SpectBoneMetSegTrainingLib.gathering import gather as gathering

    requested = []

    def refuse(*_: object, test_share: float | None, **__: object) -> None:
        requested.append(test_share)
        raise UserError("Enough.")

    monkeypatch.setattr(gathering, "gather", refuse)
    request = {"data": str(tmp_path / "set"), "labelled": [], "unlabelled": [], "scene": ""}
    for given in ({"test_share": 0.2}, {"test_share": None}, {}):
        answers({"do": "collect", "arguments": {**request, **given}})
    assert requested == [0.2, None, None]


def test_a_call_that_is_interrupted_leaves_no_process(tmp_path):
    task = Task("collect", {"data": str(tmp_path / "set"), "labelled": [str(tmp_path)], "unlabelled": [], "scene": ""})
    task.close()
    assert gone(task.pid)
    assert task.poll() == []


def test_a_process_that_dies_is_reported_with_its_last_output():
    task = Task("no such task", {}, python="/bin/false")
    [event] = finished(task)
    assert event == TaskEvent("crashed", message="The process ended unexpectedly (code 1); try again.")


def test_what_an_interpreter_prints_before_the_child_begins_is_passed_over(tmp_path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho Welcome\necho \'{"event": "done", "result": {"sum": 3}}\'\ncat\n')
    python.chmod(0o755)
    assert finished(Task("count", {}, python=str(python))) == [TaskEvent("done", result={"sum": 3})]


def test_an_interpreter_that_is_not_there_is_named():
    with pytest.raises(UserError, match="/no/python cannot be started"):
        Task("collect", {}, python="/no/python")


def test_staged_scans_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    front = PlanarView(rng.poisson(5, (12, 8)).astype(np.float32), (2.0, 3.0), "anterior", (1.0, 0.0, 5.0))
    back = mirror(front)
    scans = [WholeBodyScan("one", front, back), WholeBodyScan("two", front, None)]
    one = Labels(
        "anna",
        (
            Mark("lesion 1", rng.random((12, 8)) > 0.5, "posterior"),
            Mark("ignore", rng.random((12, 8)) > 0.5, None, ignore=True),
        ),
        frozenset({None, "posterior"}),
        ("node",),
        ("a note",),
    )
    nothing = Labels("bert", (), frozenset({"anterior"}))
    before = [LabelledScan(scans[0], (one, nothing), "patient", "node one"), LabelledScan(scans[1], (nothing,), "", "")]
    for scan in before:
        stage(scan, tmp_path)
    after = load_staged(tmp_path)
    assert [(scan.patient, scan.place, scan.scan.case) for scan in after] == [
        ("patient", "node one", "one"),
        ("", "", "two"),
    ]
    assert after[1].labels == (nothing,)
    [first, second] = after[0].labels
    assert second == nothing
    assert (first.reader, first.covers, first.sources, first.notes) == ("anna", one.covers, ("node",), ("a note",))
    for mark, wanted in zip(first.marks, one.marks, strict=True):
        assert (mark.name, mark.view, mark.ignore) == (wanted.name, wanted.view, wanted.ignore)
        np.testing.assert_array_equal(mark.mask, wanted.mask)
    for view in ("anterior", "posterior"):
        read, wanted = after[0].scan.views[view], scans[0].views[view]
        np.testing.assert_array_equal(read.counts, wanted.counts)
        np.testing.assert_allclose(read.ijk_to_ras, wanted.ijk_to_ras)
