"""Fragments of a region far from its bone are removed."""

import numpy as np
from SpectBoneMetSegLib.scan.region_fragments import remove_fragments


def regions():
    found = np.zeros((201, 99), np.uint8)
    found[20:60, 30:60] = 7
    found[150:170, 40:45] = 10
    return found


def test_a_small_piece_far_away_goes():
    found = regions()
    found[160:163, 42:44] = 7
    cleaned = remove_fragments(found, 2.26)
    assert (cleaned[160:163, 42:44] == 0).all()
    assert (cleaned == 7).sum() == 40 * 30


def test_pieces_near_each_other_stay():
    found = regions()
    found[63:65, 30:33] = 7
    assert (remove_fragments(found, 2.26) == found).all()


def test_large_parts_that_lie_apart_stay():
    found = regions()
    found[100:130, 30:60] = 7
    assert (remove_fragments(found, 2.26) == found).all()


def test_no_regions_stay_none():
    assert not remove_fragments(np.zeros((10, 7), np.uint8), 2.0).any()
