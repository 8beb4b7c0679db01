"""The panel's section Display: window presets of nuclear medicine, and the arrangement of views."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.mrml.display_levels import draw

from ..problems import slot
from .views import matchGround, restoreLayout

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.display_levels import Reference

    from ..parameter_node import SpectBoneMetSegParameterNode
    from ..slicer_types import Ui, VolumeNode

#: What a parameter node remembers of the section, and how a scan is drawn that was just loaded.
NAMES, USUAL = ("window", "upperLevel", "gamma", "inverse"), ("automatic", 100.0, 1.0, True)


class Display:
    """Applies the section's window settings to the volumes of a scan."""

    def __init__(self, ui: Ui, volumes: Callable[[], list[VolumeNode]], showViews: Callable[[], None]) -> None:
        """Take over the fields of a panel.

        Args:
            ui: the panel's widgets.
            volumes: called for the volume nodes that are shown.
            showViews: shows the scan.
        """
        self.ui, self.volumes, self.showViews = ui, volumes, showViews
        self._parameters: SpectBoneMetSegParameterNode | None = None
        self._showing = False
        for value, text in (
            ("automatic", _("the automatic window")),
            ("maximum", _("the maximum counts")),
            ("body", _("the body's median")),
        ):
            ui.windowSelector.addItem(text, value)
        ui.windowSelector.connect("currentIndexChanged(int)", self.onReference)
        ui.upperLevelSlider.connect("valueChanged(double)", self.onChanged)
        ui.gammaSlider.connect("valueChanged(double)", self.onChanged)
        ui.inverseCheckBox.connect("toggled(bool)", self.onChanged)
        ui.layoutButton.connect("clicked(bool)", self.onLayout)
        ui.showViewsButton.connect("clicked(bool)", self.onShow)

    def show(self, parameters: SpectBoneMetSegParameterNode | None) -> None:
        """Show what a parameter node remembers, and remember there what is chosen from now on; None remembers nowhere.

        The volumes of a scene were saved as they were drawn.
        """
        self._parameters = parameters
        if parameters is None:
            return
        ui = self.ui
        self._showing = True
        ui.windowSelector.setCurrentIndex(max(0, ui.windowSelector.findData(parameters.window)))
        ui.upperLevelSlider.value = parameters.upperLevel
        ui.gammaSlider.value = parameters.gamma
        ui.inverseCheckBox.checked = parameters.inverse
        self._showing = False

    def apply(self, always: bool = False) -> None:
        """Apply the settings to new volumes of the scene; the default ones apply already."""
        if always or self._chosen() != USUAL:
            self._draw()

    @slot
    def onReference(self, index: int) -> None:
        """Another reference starts where most of it is seen."""
        if self._showing:
            return
        usual = {"automatic": 100.0, "maximum": 30.0, "body": 400.0}[self.ui.windowSelector.currentData]
        if self.ui.upperLevelSlider.value == usual:
            self.onChanged()
        else:
            self.ui.upperLevelSlider.value = usual

    @slot
    def onChanged(self, value: float | None = None) -> None:
        """Draw all volumes of the scan anew, and remember how."""
        if self._showing:
            return
        if self._parameters is not None:
            for name, chosen in zip(NAMES, self._chosen(), strict=True):
                if getattr(self._parameters, name) != chosen:
                    setattr(self._parameters, name, chosen)
        self._draw()

    def _draw(self) -> None:
        with slicer.util.RenderBlocker():
            reference, percent, gamma, inverse = self._chosen()
            draw(self.volumes(), reference, percent, gamma, slicer.mrmlScene, inverse=inverse)
            matchGround()

    def _chosen(self) -> tuple[Reference, float, float, bool]:
        ui = self.ui
        return (
            ui.windowSelector.currentData,
            ui.upperLevelSlider.value,
            ui.gammaSlider.value,
            bool(ui.inverseCheckBox.checked),
        )

    @slot
    def onLayout(self, checked: bool = False) -> None:
        """Back to the arrangement of views before ours."""
        restoreLayout()

    @slot
    def onShow(self, checked: bool = False) -> None:
        """The scan side by side, whole field."""
        self.showViews()
