"""Every widget of a panel that shows nodes gets its scene from the panel: in Slicer only a connection passes it on."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(ROOT.glob("SpectBoneMetSeg*/Resources/UI/*.ui"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_widget_with_a_scene_is_connected_to_that_of_the_panel(path):
    tree = ElementTree.parse(path)
    (top,) = [widget for widget in tree.getroot() if widget.tag == "widget"]
    shown = [widget.get("name") for widget in top.iter("widget") if widget.get("class").startswith("qMRML")]
    connected = [
        connection.findtext("receiver")
        for connection in tree.iter("connection")
        if connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    ]
    assert sorted(set(shown) - {top.get("name")}) == sorted(connected)
