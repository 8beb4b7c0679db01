"""`slicer.ScriptedLoadableModule`: the base classes of scripted modules, as far as modules rely on them."""

# Names are those of Slicer's classes.
# ruff: noqa: N802
from __future__ import annotations

import os
import sys
import unittest
from typing import Any

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


class ScriptedLoadableModule:
    """What the application stores about a module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []
        parent.helpText = parent.acknowledgementText = ""
        parent.hidden = False

    def resourcePath(self, filename: str) -> str:
        """A file in the module's folder Resources."""
        return _resource(type(self), filename)

    def runTest(self, msec: int = 0, **options: Any) -> None:
        """Run the module's own test."""
        test = getattr(sys.modules[type(self).__module__], f"{self.moduleName}Test")()
        test.runTest()


class ScriptedLoadableModuleWidget:
    """A module's panel."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.layout = parent.layout() if parent is not None else None
        self.developerMode = False

    def resourcePath(self, filename: str) -> str:
        """A file in the module's folder Resources."""
        return _resource(type(self), filename)

    def setup(self) -> None:
        """Called once, when the panel is made."""

    def cleanup(self) -> None:
        """Called when the panel is closed."""

    def enter(self) -> None:
        """Called when the module is selected."""

    def exit(self) -> None:
        """Called when another module is selected."""

    def onReload(self) -> None:
        """The developer's button Reload."""
        import slicer

        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """What a module can do without its panel."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node, made when it is missing."""
        import slicer

        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found is not None:
            return found
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's own test, run inside the application."""

    def delayDisplay(self, message: str, *args: Any, **options: Any) -> None:
        """Print what is being tested."""
        print(message)

    def runTest(self) -> None:
        """Overridden by the module."""


def _resource(kind: type, filename: str) -> str:
    file = sys.modules[kind.__module__].__file__
    assert file is not None
    return os.path.join(os.path.dirname(file), "Resources", filename)
