"""What one of several readers excludes ("ignore") is excluded, unless most of them outlined a lesion there."""

import numpy as np
import pytest
from SpectBoneMetSegTrainingLib.dataset.cases import label_map
from SpectBoneMetSegTrainingLib.gathering.labels.consensus import settle
from SpectBoneMetSegTrainingLib.gathering.labels.marks import Labels, Mark, instances_of
from support.labels import blob_scan

AROUND = ((4, 24), (2, 20))


def box(rows, columns):
    mask = np.zeros((40, 24), bool)
    mask[slice(*rows), slice(*columns)] = True
    return mask


def reader(name, view, lesion=None, ignore=None):
    marks = [Mark("x", lesion, view)] if lesion is not None else []
    marks += [Mark("ignore", ignore, view, ignore=True)] if ignore is not None else []
    return Labels(name, tuple(marks), frozenset({view}))


def posterior(*readers, seed=0):
    scan = blob_scan()
    truth = settle(readers, scan, np.random.default_rng(seed))
    return truth, label_map(instances_of(truth.labels, scan), "posterior", scan.frame.shape)


@pytest.mark.parametrize("view", [None, "posterior"])
def test_an_excluded_area_around_a_lesion_stays_excluded_where_the_majority_decides(view):
    small, large, around = box((10, 14), (6, 10)), box((10, 15), (6, 11)), box(*AROUND)
    truth, found = posterior(reader("anna", view, small, around & ~small), reader("ben", view, large, around & ~large))
    assert truth.decided_by == "majority"
    np.testing.assert_array_equal(found, np.where(small, 1, around * 2))


@pytest.mark.parametrize("view", [None, "posterior"])
def test_an_area_that_one_of_two_readers_excludes_is_excluded_whoever_is_chosen(view):
    lesion, around = box((10, 14), (6, 10)), box(*AROUND)
    for seed in range(6):
        readers = [reader("anna", view, lesion, around & ~lesion), reader("ben", view, lesion)]
        truth, found = posterior(*readers, seed=seed)
        assert truth.decided_by == "agreement"
        np.testing.assert_array_equal(found, np.where(lesion, 1, around * 2))


def test_a_lesion_of_one_reader_that_the_other_excludes_is_excluded():
    lesion = box((10, 14), (6, 10))
    truth, found = posterior(reader("anna", "posterior", lesion), reader("ben", "posterior", None, lesion))
    assert truth.again == ("posterior",)
    np.testing.assert_array_equal(found, lesion * 2)


def test_a_lesion_of_the_majority_stays_one_where_a_minority_excludes_it():
    lesion, around = box((10, 14), (6, 10)), box(*AROUND)
    readers = [reader(name, "posterior", lesion) for name in ("anna", "ben")]
    truth, found = posterior(*readers, reader("cleo", "posterior", None, around))
    assert truth.decided_by == "majority"
    np.testing.assert_array_equal(found, np.where(lesion, 1, around * 2))


def test_the_same_excluded_area_of_agreeing_readers_is_one_instance():
    lesion, around = box((10, 14), (6, 10)), box(*AROUND)
    readers = [reader(name, None, lesion, around & ~lesion) for name in ("anna", "ben")]
    truth, _ = posterior(*readers)
    assert len(instances_of(truth.labels, blob_scan())) == 2
