"""Deleting models from the user's own store."""

from __future__ import annotations

import pytest
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.model.store import CARD_FILE, remove_model


def test_only_a_model_of_the_users_own_is_deleted(tmp_path, monkeypatch):
    store, outside = tmp_path / "models", tmp_path / "beside"
    monkeypatch.setenv("SPECTBONEMETSEG_MODELS", str(store))
    for folder in (store / "mine", store / "no-model", outside):
        folder.mkdir(parents=True)
    for folder in (store / "mine", outside):
        (folder / CARD_FILE).write_text("{}")
    assert remove_model("mine") == store / "mine"
    assert not (store / "mine").exists()
    for name in ("mine", "no-model", "../beside", str(outside), "", "."):
        with pytest.raises(UserError, match="not one of your own models"):
            remove_model(name)
    assert outside.exists()
    assert (store / "no-model").exists()
