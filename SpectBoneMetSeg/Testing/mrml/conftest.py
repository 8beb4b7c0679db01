"""A scene as Slicer makes one."""

import pytest


@pytest.fixture
def a_scene():
    slicer = pytest.importorskip("slicer")
    from SpectBoneMetSegLib.mrml.nodes import prepare_scene

    scene = slicer.vtkMRMLScene()
    logics = prepare_scene(scene)
    yield scene
    scene.Clear(1)
    del logics
