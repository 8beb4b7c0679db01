"""What the parts of the reading panel know of the panel as a whole."""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N815

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading

    from .display.display_fields import Display
    from .display.views import Views
    from .engine_fields import EngineFields
    from .logic import SpectBoneMetSegLogic
    from .node_choice import Chosen
    from .parameter_node import SpectBoneMetSegParameterNode
    from .review.report_preview import ReportPreview
    from .review.segment_changes import SegmentChanges
    from .slicer_types import Ui, Widget
    from .status_lines import Messages


class Panel:
    """Base of the panel's widget, whose `setup` makes the attributes.

    Attributes:
        ui: the widgets.
        logic: reads.
        live: the reading that is shown, None without one.
        chosen: the scan and the reading that are chosen.
        choices: model, engine, device and region.
        changes: tells of edits.
        preview: shows the report.
        display: the window of the volumes.
        messages: the lines of text.
        views: what the slice views show.
    """

    ui: Ui
    logic: SpectBoneMetSegLogic
    live: LiveReading | None
    chosen: Chosen
    choices: EngineFields
    changes: SegmentChanges
    preview: ReportPreview
    display: Display
    messages: Messages
    views: Views
    _parameterNode: SpectBoneMetSegParameterNode | None
    _settling: Widget
    _updating: bool
    #: ID of the segmentation node of a reading that stays beside the one that begins.
    _kept: str | None

    def warmUp(self) -> None:
        """Load the model ahead of the first scan."""
        raise NotImplementedError

    def readsAnyway(self) -> bool:
        """Whether to read a scan that is not recognised as a whole body in counts."""
        raise NotImplementedError

    def setLive(self, live: LiveReading | None) -> None:
        """Show another reading, or none."""
        raise NotImplementedError

    def showViews(self) -> None:
        """Show the reading, or the chosen scan, alone or side by side with an earlier one."""
        raise NotImplementedError

    def updateLesions(self) -> None:
        """Update table, sliders and messages from the reading."""
        raise NotImplementedError

    def updateButtons(self) -> None:
        """Enable the buttons that can be used now."""
        raise NotImplementedError
