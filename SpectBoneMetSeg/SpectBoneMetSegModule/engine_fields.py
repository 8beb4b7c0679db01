"""The panel's fields with fixed choices: model, engine, device, region, sides."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from .panel_texts import viewChoices

if TYPE_CHECKING:
    from SpectBoneMetSegLib.loading.options import Region
    from SpectBoneMetSegLib.model.engines import DeviceName, EngineName
    from SpectBoneMetSegLib.scan.planar import ViewName

    from .parameter_node import SpectBoneMetSegParameterNode
    from .slicer_types import Ui


class EngineFields:
    """Fills the fields and reads the choices in them."""

    def __init__(self, ui: Ui, modelNames: Iterable[str]) -> None:
        """Fill the fields of a panel."""
        self.ui = ui
        engines = (("auto", _("Automatic")), ("onnx", "ONNX Runtime"), ("tensorflow", "TensorFlow"))
        devices = (("auto", _("Automatic")), ("gpu", _("GPU")), ("cpu", _("CPU")))
        self.fillModels(modelNames)
        regions = (("thorax", _("Thorax")), ("whole-body", _("Whole body")))
        fields = ((ui.engineSelector, engines), (ui.deviceSelector, devices), (ui.regionSelector, regions))
        for selector, choices in fields:
            for value, text in choices:
                selector.addItem(text, value)
        for text, _names in viewChoices():
            ui.sidesSelector.addItem(text)

    def fillModels(self, names: Iterable[str], chosen: str | None = None) -> None:
        """Offer these models; the one chosen stays, unless another is named."""
        selector = self.ui.modelSelector
        text = selector.currentText if chosen is None else chosen
        selector.blockSignals(True)
        selector.clear()
        for name in ("", *names):
            selector.addItem(name)
        selector.setCurrentText(text)
        selector.blockSignals(False)

    def current(self) -> tuple[str, EngineName, DeviceName]:
        """Model, engine and device, as the logic takes them."""
        ui = self.ui
        return ui.modelSelector.currentText, ui.engineSelector.currentData, ui.deviceSelector.currentData

    def region(self) -> Region:
        """What is to be read: "thorax" or "whole-body"."""
        region: Region = self.ui.regionSelector.currentData
        return region

    def show(self, parameters: SpectBoneMetSegParameterNode) -> None:
        """Show what a parameter node remembers."""
        self.ui.modelSelector.setCurrentText(parameters.model)
        for selector, value in (
            (self.ui.engineSelector, parameters.engine),
            (self.ui.deviceSelector, parameters.device),
            (self.ui.regionSelector, parameters.region),
        ):
            selector.setCurrentIndex(max(0, selector.findData(value)))

    def scanFacts(self) -> tuple[tuple[ViewName, ...] | None, float | None]:
        """(names of the views in stored order or None, pixel size in mm or None) for a file that omits them."""
        return viewChoices()[self.ui.sidesSelector.currentIndex][1], self.ui.pixelSizeBox.value or None
