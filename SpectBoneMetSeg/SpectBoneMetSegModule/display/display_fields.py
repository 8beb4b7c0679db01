"""The panel's section Display: window presets of nuclear medicine, and the arrangement of views."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

import slicer
from slicer.i18n import tr as _
from SpectBoneMetSegLib.mrml.display_levels import draw

from ..problems import slot
from .views import restoreLayout


class Display:
    """Draws the volumes of a scan as the section says."""

    def __init__(self, ui, volumes, showViews):
        """Take over the fields of a panel.

        Args:
            ui: the panel's widgets. volumes: called for the volume nodes that are shown. showViews: shows the scan.
        """
        self.ui, self.volumes, self.showViews = ui, volumes, showViews
        for value, text in (
            ("automatic", _("the automatic window")),
            ("maximum", _("the greatest counts")),
            ("body", _("the body's median")),
        ):
            ui.windowSelector.addItem(text, value)
        ui.windowSelector.connect("currentIndexChanged(int)", self.onReference)
        ui.upperLevelSlider.connect("valueChanged(double)", self.onChanged)
        ui.gammaSlider.connect("valueChanged(double)", self.onChanged)
        ui.inverseCheckBox.connect("toggled(bool)", self.onChanged)
        ui.layoutButton.connect("clicked(bool)", self.onLayout)
        ui.showViewsButton.connect("clicked(bool)", self.onShow)

    @slot
    def onReference(self, index):
        """Another reference starts where most of it is seen."""
        usual = {"automatic": 100.0, "maximum": 30.0, "body": 400.0}[self.ui.windowSelector.currentData]
        if self.ui.upperLevelSlider.value == usual:
            self.onChanged()
        else:
            self.ui.upperLevelSlider.value = usual

    @slot
    def onChanged(self, value=None):
        """Draw all volumes of the scan anew."""
        ui = self.ui
        with slicer.util.RenderBlocker():
            draw(
                self.volumes(),
                ui.windowSelector.currentData,
                ui.upperLevelSlider.value,
                ui.gammaSlider.value,
                ui.inverseCheckBox.checked,
                slicer.mrmlScene,
            )

    @slot
    def onLayout(self, checked=False):
        """Back to the arrangement of views before ours."""
        restoreLayout()

    @slot
    def onShow(self, checked=False):
        """The scan side by side, whole field."""
        self.showViews()
