"""Simulated readers differ, miss what is faint, and draw where the lesion is."""

import numpy as np
import pytest
from SpectBoneMetSegLib.planar import VIEW_NAMES
from SpectBoneMetSegTrainingLib.phantom.readers import READERS, Reader, annotate, consensus


def test_every_reader_marks_both_views_and_no_two_alike(patient):
    marks, agreed = consensus(patient, (1, 2))
    assert len(marks) == READERS
    assert set(marks[0]) == set(agreed) == set(VIEW_NAMES)
    assert not (marks[0]["posterior"] == marks[1]["posterior"]).all()


def test_the_same_seed_gives_the_same_readings(patient):
    one, two = consensus(patient, (1, 2))[0], consensus(patient, (1, 2))[0]
    assert all((a[view] == b[view]).all() for a, b in zip(one, two, strict=True) for view in VIEW_NAMES)


def test_marks_lie_inside_the_lesions_projections(patient):
    marks = annotate(patient, Reader(0.3, -5.0), np.random.default_rng(0))
    for view in VIEW_NAMES:
        reach = np.zeros(marks[view].shape, bool)
        for lesion in patient.lesions:
            reach[lesion.views[view].box] = True
        assert marks[view].any()
        assert not (marks[view] & ~reach).any()


@pytest.mark.parametrize("view", VIEW_NAMES)
def test_a_lower_level_gives_a_larger_outline(patient, view):
    wide = annotate(patient, Reader(0.3, -5.0), np.random.default_rng(0))[view].sum()
    narrow = annotate(patient, Reader(0.5, -5.0), np.random.default_rng(0))[view].sum()
    assert narrow < wide


def test_a_very_cautious_reader_marks_nothing(patient):
    marks = annotate(patient, Reader(0.4, 1e3), np.random.default_rng(0))
    assert not any(mark.any() for mark in marks.values())
