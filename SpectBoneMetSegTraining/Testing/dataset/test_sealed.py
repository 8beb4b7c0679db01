"""Two evaluations never open a sealed test at the same time."""

from __future__ import annotations

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.locks import FileLock
from SpectBoneMetSegTrainingLib.dataset import sealed


@pytest.fixture
def closed(tmp_path):
    (tmp_path / "made" / "labelsTs").mkdir(parents=True)
    (tmp_path / "made" / "labelsTs" / "case.nii").write_bytes(b"truth")
    (tmp_path / "made" / "imagesTs").mkdir()
    (tmp_path / "made" / "dataset.json").write_text("{}")
    sealed.seal(tmp_path / "made", tmp_path / "sealed")
    return tmp_path / "sealed"


def test_an_opening_waits_for_another_one_however_long_that_takes(closed, monkeypatch):
    monkeypatch.setattr(sealed, "LOCK_SECONDS", 0.2)
    lock = FileLock(closed / ".openings.lock")
    assert lock.acquire()
    with (
        pytest.raises(UserError, match="Another evaluation is opening"),
        sealed.open_sealed(closed, "a test", "model", "0"),
    ):
        pass
    lock.release()
    with sealed.open_sealed(closed, "a test", "model", "0") as (_, opening):
        assert opening.number == 1
