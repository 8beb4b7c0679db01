"""The panel's parameter node: what a scene remembers of the panel."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N815

from typing import Annotated

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .slicer_types import ParameterNodeBase


@parameterNodeWrapper
class SpectBoneMetSegParameterNode(ParameterNodeBase):
    """State of the panel; the reading itself is stored in the segmentation node."""

    anteriorVolume: vtkMRMLScalarVolumeNode
    posteriorVolume: vtkMRMLScalarVolumeNode
    earlierVolume: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    box: vtkMRMLMarkupsROINode
    region: str = "thorax"
    useBox: bool = False
    readAnyway: bool = False
    posteriorFromFront: bool = False
    threshold: Annotated[float, WithinRange(0.01, 0.99)] = 0.5
    minimumArea: Annotated[float, WithinRange(0.0, 5.0)] = 0.0
    model: str = ""
    engine: str = "auto"
    device: str = "auto"
    window: str = "automatic"
    upperLevel: Annotated[float, WithinRange(1.0, 2000.0)] = 100.0
    gamma: Annotated[float, WithinRange(0.2, 3.0)] = 1.0
    inverse: bool = True
