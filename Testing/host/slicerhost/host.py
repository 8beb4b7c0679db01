"""Substitute of the application: one scene with its logics, the modules `slicer`, `qt`, `ctk`, and scripted modules."""

# Names are those of Slicer's application object.
# ruff: noqa: N802, N803, N815
from __future__ import annotations

import importlib.util
import logging
import os
import sys
import tempfile
import traceback
import types
from pathlib import Path
from typing import Any

#: The slice views of the extension.
VIEWS = ("SpectAnterior", "SpectPosterior", "SpectSum")
_running: Host | None = None


class Application:
    """`slicer.app`."""

    applicationName = "Slicer test host"
    majorVersion, minorVersion = 5, 12

    def __init__(self, qt_application: Any, logic: Any, folder: str, layout: Any) -> None:
        self._qt, self._logic, self.temporaryPath, self._layout = qt_application, logic, folder, layout
        self._slots: dict[str, list[Any]] = {}
        self.paused = 0

    def testingEnabled(self) -> bool:
        """Message boxes are logged, packages are not installed."""
        return True

    def applicationLogic(self) -> Any:
        """vtkMRMLApplicationLogic."""
        return self._logic

    def layoutManager(self) -> Any:
        """The slice views."""
        return self._layout

    def pauseRender(self) -> None:
        """The host draws only on request."""
        self.paused += 1

    def resumeRender(self) -> None:
        """See `pauseRender`."""
        self.paused -= 1
        assert self.paused >= 0, "resumeRender without pauseRender"

    def processEvents(self) -> None:
        """Let Qt work."""
        self._qt.processEvents()

    def connect(self, signature: str, slot: Any) -> None:
        """Keep a slot; `emit` calls it."""
        self._slots.setdefault(signature, []).append(slot)

    def emit(self, signature: str) -> None:
        """Call the slots of a signal of the application."""
        for slot in self._slots.get(signature, []):
            slot()

    def topLevelWidgets(self) -> list[Any]:
        """No main window."""
        return []


class LogicModule:
    """A loadable module of which only the logic exists."""

    def __init__(self, logic: Any) -> None:
        self._logic = logic

    def logic(self) -> Any:
        """The vtk logic."""
        return self._logic


class Host:
    """The running host."""

    def __init__(self) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        from PySide6 import QtWidgets

        from . import pythonqt

        self.qt = pythonqt.install()
        self._settings_class = self.qt.QSettings
        self.ctk = types.ModuleType("ctk")
        self._qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["host"])
        sys.modules["qt"], sys.modules["ctk"] = self.qt, self.ctk
        import slicer

        self.slicer = slicer
        self.errors: list[str] = []
        #: What was shown in error windows: (text, details).
        self.dialogs: list[tuple[str, str]] = []
        self.selected = ""
        self._panels: dict[str, Any] = {}
        self._renderer: Any = None
        self._folder = tempfile.TemporaryDirectory(prefix="slicerhost-")
        # Settings of the host are no one's: they go with it.
        settings = str(Path(self._folder.name) / "settings.ini")
        self.qt.QSettings = lambda: self._settings_class(settings, self._settings_class.IniFormat)
        self._make_scene()
        self._make_modules()
        from .widgets import add_widgets

        add_widgets(self.qt, self.ctk, slicer)
        sys.excepthook = self._note_error

    def load_module(self, path: str | Path) -> Any:
        """Import a scripted module and construct it as the application does at its start; returns the Python module."""
        path = Path(path)
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        entry = types.SimpleNamespace(path=str(path), name=path.stem)
        entry.python = getattr(module, path.stem)(entry)
        setattr(self.slicer.modules, path.stem.lower(), entry)
        return module

    def make_widget(self, module: Any) -> Any:
        """Construct and set up a module's panel."""
        from PySide6 import QtWidgets

        from .widgets import qMRMLNodeComboBox

        if module.__name__ in self._panels:
            # The application destroys it: it follows the scene no more.
            for chooser in self._panels[module.__name__].findChildren(qMRMLNodeComboBox):
                chooser.setMRMLScene(None)
        panel = _panel_class()(self.slicer, module.__name__)
        self._panels[module.__name__] = panel
        QtWidgets.QVBoxLayout(panel)
        getattr(self.slicer.modules, module.__name__.lower()).widgetRepresentation = lambda: panel
        return panel.reload()

    def module_widget(self, name: str) -> Any:
        """`slicer.util.getModuleWidget`: the Python widget of a module, made at its first request."""
        made = getattr(self.slicer.modules, f"{name}Widget", None)
        return made if made is not None else self.make_widget(sys.modules[name])

    def select_module(self, name: str) -> None:
        """`slicer.util.selectModule`: leave the open module and open another one."""
        if self.selected:
            self.module_widget(self.selected).exit()
        self.selected = name
        self.module_widget(name).enter()

    def clear(self) -> None:
        """Close the scene as the user does."""
        self.slicer.mrmlScene.Clear(0)
        self.process_events()

    def process_events(self) -> None:
        """Let Qt work."""
        self._qt_application.processEvents()

    def save_scene(self, path: str | Path) -> None:
        """Write the scene as a bundle (.mrb)."""
        scene = self.slicer.mrmlScene
        nodes = scene.GetNodesByClass("vtkMRMLStorableNode")
        nodes.UnRegister(None)
        for index in range(nodes.GetNumberOfItems()):
            node = nodes.GetItemAsObject(index)
            if node.GetSaveWithScene() and node.GetStorageNode() is None:
                node.AddDefaultStorageNode()
        assert scene.WriteToMRB(str(path)), "the scene was not written"

    def _save(self, path: str | Path) -> bool:
        """`slicer.util.saveScene`."""
        self.save_scene(path)
        return True

    def load_scene(self, path: str | Path) -> None:
        """Replace the scene by a bundle."""
        self.clear()
        assert self.slicer.mrmlScene.ReadFromMRB(str(path)), "the scene was not read"
        self.process_events()

    def render(self, view: str, size: tuple[int, int] = (500, 900)) -> Any:
        """A slice view as (height, width, 3) uint8, drawn off screen by Slicer's own displayable managers."""
        from .render import Renderer, fit

        if self._renderer is None:
            self._renderer = Renderer()
        fit(self.slice_logics[view].GetSliceNode(), size)
        scene = Path(self._folder.name) / "picture.mrb"
        self.save_scene(scene)
        color = self.layout.sliceWidget(view).sliceView().backgroundColor
        return self._renderer.render(scene, view, size, (color.redF(), color.greenF(), color.blueF()))

    def _make_scene(self) -> None:
        slicer = self.slicer
        from SpectBoneMetSegLib.mrml.nodes import prepare_scene

        from .data.hierarchy import follow_scene

        scene = slicer.vtkMRMLScene()
        self._logics = list(prepare_scene(scene))
        self.application_logic = self._logics[0]
        for name in ("vtkSlicerVolumesLogic", "vtkSlicerSubjectHierarchyModuleLogic", "vtkSlicerTablesLogic"):
            if hasattr(slicer, name):
                logic = getattr(slicer, name)()
                logic.SetMRMLApplicationLogic(self.application_logic)
                logic.SetMRMLScene(scene)
                self._logics.append(logic)
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(self._folder.name)
        self._io = slicer.vtkDataIOManager()
        self._io.SetCacheManager(cache)
        scene.SetDataIOManager(self._io)
        follow_scene(scene)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
        slicer.mrmlScene = scene
        from .layout import LayoutManager

        self.layout = LayoutManager(scene, self.application_logic)

    @property
    def slice_logics(self) -> dict[str, Any]:
        """The logic of each slice view that there is, those of the extension from the first scan on."""
        return {name: widget.sliceLogic() for name, widget in self.layout.widgets.items()}

    def _make_modules(self) -> None:
        slicer = self.slicer
        from . import pip, scripted
        from .data import dicom, sample_data
        from .parameters import WithinRange, parameterNodeWrapper

        slicer.app = Application(self._qt_application, self.application_logic, self._folder.name, self.layout)
        slicer.dicomDatabase = dicom.Database()
        slicer.modules = types.SimpleNamespace(dicomPlugins={})
        for logic in self._logics:
            name = logic.GetClassName().removeprefix("vtkSlicer").removesuffix("Logic").removesuffix("Module")
            if logic.GetClassName().startswith("vtkSlicer"):
                setattr(slicer.modules, name.lower(), LogicModule(logic))
                self.application_logic.SetModuleLogic(name, logic)
        tr = types.ModuleType("slicer.i18n")
        tr.tr = lambda text: text  # type: ignore[attr-defined]
        tr.translate = lambda context, text: text  # type: ignore[attr-defined]
        wrapper = types.ModuleType("slicer.parameterNodeWrapper")
        wrapper.parameterNodeWrapper = parameterNodeWrapper  # type: ignore[attr-defined]
        wrapper.WithinRange = WithinRange  # type: ignore[attr-defined]
        slicer.i18n, slicer.packaging = tr, pip
        slicer.util.getModuleWidget, slicer.util.selectModule = self.module_widget, self.select_module
        slicer.util.errorDisplay = self._show_error
        slicer.util.saveScene, slicer.util.loadScene = self._save, self.load_scene
        sys.modules.update(
            {
                "slicer.i18n": tr,
                "slicer.parameterNodeWrapper": wrapper,
                "slicer.packaging": pip,
                "slicer.ScriptedLoadableModule": scripted,
                "DICOMLib": dicom.library(slicer),
                "SampleData": sample_data,
            }
        )

    def _show_error(self, text: str, *values: Any, detailedText: str = "", **options: Any) -> None:
        """`slicer.util.errorDisplay`: a window that states the error; a fault of the program fails the test."""
        logging.error(text)
        self.dialogs.append((text, detailedText))
        if "Traceback" in detailedText:
            self.errors.append(detailedText)

    def _note_error(self, kind: Any, value: Any, trace: Any) -> None:
        """Exceptions in slots and observers are not propagated: tests check this list."""
        text = "".join(traceback.format_exception(kind, value, trace))
        self.errors.append(text)
        sys.stderr.write(text)


def _panel_class() -> Any:
    """Qt's classes are known only after PySide6 was imported."""
    from PySide6 import QtWidgets

    class Panel(QtWidgets.QWidget):
        """qSlicerScriptedLoadableModuleWidget: makes a module's Python widget, again after a reload."""

        def __init__(self, slicer: Any, name: str) -> None:
            super().__init__()
            self._slicer, self._name = slicer, name

        def reload(self) -> Any:
            """Construct and set up the Python widget of the code that is loaded now."""
            widget = getattr(sys.modules[self._name], f"{self._name}Widget")(self)
            setattr(self._slicer.modules, f"{self._name}Widget", widget)
            widget.setup()
            return widget

    return Panel


def start() -> Host:
    """The host; the first call starts it, further calls return the same one.

    Raises:
        ImportError: PySide6 or slicer-core is not installed, or Qt's system libraries are missing.
    """
    global _running
    if _running is None:
        _running = Host()
    return _running
