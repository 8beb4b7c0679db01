"""Fixtures of the tests in this folder."""

from __future__ import annotations

import pytest
from SpectBoneMetSegTrainingLib.jobs.folder import write_request
from SpectBoneMetSegTrainingLib.jobs.process import end_process
from SpectBoneMetSegTrainingLib.jobs.queue import (
    list_jobs,
)


@pytest.fixture(scope="module")
def data(discs, tmp_path_factory):
    return discs(tmp_path_factory.mktemp("data"), ["train"] * 10)


@pytest.fixture
def jobs(tmp_path):
    store = tmp_path / "jobs"
    yield store
    for one in list_jobs(store):
        if one.spec is not None:
            # A process that is only just coming up holds nothing yet by which it could be ended.
            write_request(one.folder, "stop", one.status.attempt)
        end_process(one.folder)
