"""The parameter node: the choices of the panel that are saved with the scene."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N815

from slicer.parameterNodeWrapper import parameterNodeWrapper
from SpectBoneMetSegModule.slicer_types import ParameterNodeBase

#: Values of `approach` in scenes of earlier versions.
RENAMED_APPROACHES = {"faithful": "semi"}


@parameterNodeWrapper
class SpectBoneMetSegTrainingParameterNode(ParameterNodeBase):
    """State of the panel. Folders are listed one a line; labels to train on are marked on their nodes.

    The share of the patients kept for the test is in percent; 0 keeps the share of the last gathering.
    """

    dataset: str = ""
    labelledFolders: str = ""
    unlabelledFolders: str = ""
    testShare: int = 0
    pace: str = "standard"
    approach: str = "strong"
    start: str = ""
    name: str = ""
    adaptName: str = ""
    seed: int = 0
    steps: int = 0
    job: str = ""
    ranker: str = ""
