"""Slice views drawn off screen by Slicer's own displayable managers, in a process of their own.

Mesa's software OpenGL and TensorFlow do not survive each other in one process; a test run has both.
`python -m slicerhost.render SCENE.mrb VIEW WIDTH HEIGHT PICTURE.png` draws one view of a saved scene.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MANAGERS = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
)


class Renderer:
    """The process that draws; started when first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def render(
        self, scene: Path, view: str, size: tuple[int, int], background: tuple[float, float, float]
    ) -> NDArray[np.uint8]:
        """A slice view of a saved scene as (height, width, 3).

        Raises:
            RuntimeError: the process ended; its output went to stderr.
        """
        if self._process is None or self._process.poll() is not None:
            folders = [str(Path(__file__).parents[1]), *sys.path]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folder for folder in folders if folder)}
            command = [sys.executable, "-m", f"{__package__}.render"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        picture = scene.with_suffix(".npy")
        self._process.stdin.write(json.dumps([str(scene), view, *size, str(picture), *background]) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "drawn\n":
            raise RuntimeError(f"{view} could not be drawn")
        return np.load(picture)

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def fit(node: Any, size: tuple[int, int]) -> None:
    """Give a slice node the size of a picture; the field of view keeps its height."""
    width, height = size
    field = node.GetFieldOfView()[1]
    node.SetDimensions(width, height, 1)
    node.SetFieldOfView(field * width / height, field, 1.0)
    node.UpdateMatrices()


def render_slice(
    application_logic: Any, scene: Any, logic: Any, size: tuple[int, int], background: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """One slice view as (height, width, 3) in this process; `size` is (width, height) pixels."""
    import slicer
    import vtk
    from vtkmodules.util.numpy_support import vtk_to_numpy

    node = logic.GetSliceNode()
    width, height = size
    fit(node, size)
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(width, height)
    window.SetNumberOfLayers(2)
    picture, overlay = vtk.vtkRenderer(), vtk.vtkRenderer()
    picture.SetBackground(*background)
    overlay.SetLayer(1)
    overlay.GetActiveCamera().ParallelProjectionOn()
    window.AddRenderer(picture)
    window.AddRenderer(overlay)
    interactor = vtk.vtkGenericRenderWindowInteractor()
    interactor.SetRenderWindow(window)
    interactor.Initialize()
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(application_logic)
    for manager in MANAGERS:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.Initialize(factory, overlay)
    group.SetMRMLDisplayableNode(node)
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    logic.UpdatePipeline()
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    picture.AddActor(actor)
    # The first frame lets the managers lay out what they show.
    window.Render()
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.Update()
    pixels = vtk_to_numpy(grabber.GetOutput().GetPointData().GetScalars()).reshape(height, width, -1)
    result = np.ascontiguousarray(pixels[::-1, :, :3])
    group.SetMRMLDisplayableNode(None)
    return result


def _draw(
    scene: str, view: str, width: int, height: int, background: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> NDArray[np.uint8]:
    from . import start

    host = start()
    host.load_scene(scene)
    logics = host.slice_logics
    if view not in logics:
        # The scene has the view's nodes; its logic comes with a layout that shows it.
        logic = host.slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(host.application_logic)
        logic.SetMRMLScene(host.slicer.mrmlScene)
        logic.SetSliceNode(host.slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{view}"))
        logics = {view: logic}
    scene_now = host.slicer.mrmlScene
    return render_slice(host.application_logic, scene_now, logics[view], (width, height), background)


def main() -> None:
    """Draw one picture named on the command line, or all that are requested on stdin."""
    if len(sys.argv) == 6:
        from PIL import Image

        scene, view, width, height, picture = sys.argv[1:]
        Image.fromarray(_draw(scene, view, int(width), int(height))).save(picture)
        return
    # Libraries write to descriptor 1, too.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        scene, view, width, height, picture, *background = json.loads(line)
        np.save(picture, _draw(scene, view, width, height, (background[0], background[1], background[2])))
        answers.write("drawn\n")


if __name__ == "__main__":
    main()
