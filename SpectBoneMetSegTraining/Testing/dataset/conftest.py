"""Fixtures of the tests in this folder."""

from __future__ import annotations

import pytest
from SpectBoneMetSegTrainingLib.dataset.cases import (
    finish_dataset,
)
from support.datasets import make_scan, write


@pytest.fixture
def folder(tmp_path):
    for case, split in (("a", "train"), ("b", "train"), ("c", "test"), ("d", "unlabelled")):
        write(tmp_path, make_scan(case), split)
    finish_dataset(tmp_path, "Tiny", 5, "tiny")
    return tmp_path
