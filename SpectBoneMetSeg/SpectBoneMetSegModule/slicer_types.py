"""Names for nodes of the scene and for widgets: MRML and Qt bring no types, so that to mypy each of these is Any."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803, N815

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from SpectBoneMetSegLib.scan.planar import ViewName

#: A vtkMRMLNode of any kind.
Node: TypeAlias = Any
#: A vtkMRMLScalarVolumeNode of one slice: one view of a scan.
VolumeNode: TypeAlias = Any
#: A vtkMRMLSegmentationNode.
SegmentationNode: TypeAlias = Any
#: A vtkMRMLMarkupsROINode.
BoxNode: TypeAlias = Any
#: A vtkMRMLSliceNode.
SliceNode: TypeAlias = Any
#: {"anterior": volume node, "posterior": volume node} of a scan, as far as they exist.
Volumes: TypeAlias = dict[ViewName, VolumeNode]
#: A vtkObject that is not a node: what an observer is called by, or the interactor of a view.
VtkObject: TypeAlias = Any
#: What VTK calls an observer with: the name of an event.
Event: TypeAlias = str

#: A QWidget, or another QObject such as a timer.
Widget: TypeAlias = Any
#: The widgets of a .ui file, each an attribute with the name it has there (`slicer.util.childWidgetVariables`).
Ui: TypeAlias = Any

if TYPE_CHECKING:

    class ParameterNodeBase:
        """What `parameterNodeWrapper` adds to a class, which mypy does not see."""

        #: The vtkMRMLScriptedModuleNode that holds the values.
        parameterNode: Node

        def __init__(self, parameterNode: Node) -> None: ...

        def connectGui(self, ui: Ui) -> Any:
            """Connect the widgets that name a parameter; returns what `disconnectGui` takes."""

        def disconnectGui(self, connection: Any) -> None:
            """End such a connection."""
else:
    # Slicer's wrapper refuses a class that has these names already.
    ParameterNodeBase = object
