"""Whether a package is installed: one answer for all callers."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from SpectBoneMetSegLib.common.packages import is_installed
from SpectBoneMetSegLib.model import backend


def test_a_package_is_there_when_it_is_installed_and_is_not_imported_for_that(monkeypatch):
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    assert is_installed("wave")
    assert "wave" not in sys.modules
    assert not is_installed("no_such_package")


@pytest.mark.parametrize(("module", "there"), [(ModuleType("made_up"), True), (None, False)])
def test_what_a_test_or_program_put_among_the_modules_counts(monkeypatch, module, there):
    monkeypatch.setitem(sys.modules, "made_up", module)
    assert is_installed("made_up") == there


def test_a_backend_whose_import_is_forbidden_is_not_usable(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", ModuleType("keras"))
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setitem(sys.modules, "torch", ModuleType("torch"))
    assert not backend.usable("jax")
    assert backend.usable("torch")
