"""Areas corrected by clicks and drags in the slice views.

A click on an area that the model proposes rejects it, and does not delete it: a rejected area is in no mask, and table,
`lesions.csv` and receipt still say what was proposed and who said no, which another click takes back. One that a
person outlined goes while nothing was said of it: nobody proposed it, so there is nothing to decide on.
"""

# Names follow Slicer's own: camelCase methods and arguments.
# ruff: noqa: N802, N803

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.lesions.clicks.actions import Action, Stroke, action_of, lesions_after
from SpectBoneMetSegLib.lesions.review import Review
from SpectBoneMetSegLib.mrml.slice_views import PANELS

from ..display.drawn_line import DrawnLine
from ..display.zoom_link import scaleOf
from ..problems import slot
from ..status_lines import Messages
from .lesion_selection import Selection
from .segment_changes import SegmentChanges

if TYPE_CHECKING:
    from SpectBoneMetSegLib.lesions.clicks.positions import Ids, Position
    from SpectBoneMetSegLib.lesions.results import Decision
    from SpectBoneMetSegLib.mrml.live_reading import LiveReading
    from SpectBoneMetSegLib.scan.planar import PlanarView, ViewName

    from ..slicer_types import Event, Node, SegmentationNode, Ui, VtkObject, Widget

CLICK, UNDO, REDO = "Shift+C", "Shift+Z", "Shift+Y"
#: Before whatever else listens to the mouse.
FIRST = 1.0
#: Pixels of the screen that a hand strays.
SLACK = 3.0


@dataclass
class Begun:
    """A press of the button whose release is awaited: the view's name, the reading, its areas, the stroke so far.

    Attributes:
        view: name of the view.
        live: reading that is edited.
        ids: (rows, columns) IDs of its areas.
        stroke: positions so far.
        pressed: (x, y) where the button was pressed, in screen pixels.
    """

    view: str
    live: LiveReading
    ids: Ids
    stroke: Stroke
    pressed: tuple[int, int]


class ClickTool(VTKObservationMixin):
    """A button that, while it is down, gives the left button of the mouse in our slice views a meaning."""

    def __init__(
        self,
        ui: Ui,
        selection: Selection,
        changes: SegmentChanges,
        messages: Messages,
        onDrawn: Callable[[], None],
        onUndoing: Callable[[], None],
    ) -> None:
        """Take over the buttons of a panel.

        Args:
            ui: the panel's widgets.
            selection: its Selection.
            changes: its SegmentChanges.
            messages: its Messages.
            onDrawn: called when areas were changed.
            onUndoing: called before a step is taken back or done again.
        """
        VTKObservationMixin.__init__(self)
        self.ui, self.selection, self.changes, self.messages = ui, selection, changes, messages
        self.onDrawn, self.onUndoing = onDrawn, onUndoing
        self.line = DrawnLine()
        self._observed: list[tuple[Widget, VtkObject, int]] = []
        self._begun: Begun | None = None
        self.actions: dict[str, Callable[[], None]] = {CLICK: self.onKey, UNDO: self.onUndo, REDO: self.onRedo}
        ui.clickButton.connect("toggled(bool)", self.onToggled)
        ui.undoButton.connect("clicked(bool)", self.onUndo)
        ui.redoButton.connect("clicked(bool)", self.onRedo)

    def update(self, enabled: bool) -> None:
        """Enable the tool for a reading, or disable it without one."""
        for button in (self.ui.clickButton, self.ui.undoButton, self.ui.redoButton):
            button.enabled = enabled
        if not enabled:
            self.end()

    def end(self) -> None:
        """Restore the usual function of the mouse."""
        self.ui.clickButton.checked = False

    def fail(self, sentence: str | UserError) -> None:
        """Show in the panel why an action is not possible."""
        self.messages.fail(sentence)

    def recover(self) -> None:
        """After an error: no stroke is under way."""
        self._drop()

    @slot
    def onKey(self) -> None:
        """The shortcut presses the button."""
        if self.ui.clickButton.enabled:
            self.ui.clickButton.toggle()

    @slot
    def onUndo(self, checked: bool = False) -> None:
        """Undo the last step."""
        if self.ui.undoButton.enabled:
            self.onUndoing()
            self.ui.segmentEditor.undo()

    @slot
    def onRedo(self, checked: bool = False) -> None:
        """Redo the step undone last."""
        if self.ui.redoButton.enabled:
            self.onUndoing()
            self.ui.segmentEditor.redo()

    @slot
    def onToggled(self, checked: bool) -> None:
        """Begin, or end."""
        self._drop()
        self.removeObservers()
        if checked:
            # Two tools would answer one click.
            self.ui.segmentEditor.setActiveEffect(None)
            mode = interactionNode()
            if mode is not None:
                mode.SetCurrentInteractionMode(mode.ViewTransform)
            for editor in slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode"):
                self.addObserver(editor, "ModifiedEvent", self.onEditor)
            self.messages.say(_("Click a missed area to outline it, an outlined one to reject it."))
        self.follow()

    @slot
    def onEditor(self, caller: VtkObject, event: Event) -> None:
        """A tool of the Segment Editor was taken up."""
        if caller.GetActiveEffectName():
            self.end()

    def follow(self) -> None:
        """Listen to the mouse in those of our views that there are now; to none while the button is up."""
        for view, interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
            view.unsetViewCursor()
        self._observed = []
        manager = slicer.app.layoutManager()
        if not self.ui.clickButton.checked or manager is None:
            return
        actions = {
            "LeftButtonPressEvent": self.onPressed,
            "MouseMoveEvent": self.onMoved,
            "LeftButtonReleaseEvent": self.onReleased,
            # The second half of a double click is no click of its own, and makes no view larger.
            "LeftButtonDoubleClickEvent": lambda name, interactor: True,
        }
        for name in PANELS.values():
            if manager.sliceWidget(name) is None:
                continue
            view = manager.sliceWidget(name).sliceView()
            view.setViewCursor(qt.QCursor(qt.Qt.CrossCursor))
            for event, action in actions.items():
                self._observe(name, view, event, action)

    def _observe(self, name: str, view: Widget, event: Event, action: Callable[[str, VtkObject], bool | None]) -> None:
        interactor = view.interactor()

        def called(caller: VtkObject, _event: Event) -> None:
            if action(name, interactor):
                # Nobody else hears of it.
                interactor.GetCommand(tag).SetAbortFlag(1)

        tag = interactor.AddObserver(event, called, FIRST)
        self._observed.append((view, interactor, tag))

    @slot
    def onPressed(self, name: str, interactor: VtkObject) -> bool:
        """The left button goes down; True where it is ours."""
        self._drop()
        live = self.selection.live
        if live is None or not isFree(interactor):
            return False
        shown = shownViews(live.node)
        volume = sliceWidget(name).mrmlSliceCompositeNode().GetBackgroundVolumeID()
        if volume not in shown:
            return False
        if interactor.GetRepeatCount():
            return True
        self.changes.flush()
        place, slack = placeOf(name, interactor, live.result.scan.frame)
        stroke = Stroke(place, place, slack, shown[volume])
        pressed = interactor.GetEventPosition()
        self._begun = Begun(name, live, live.reading.lesion_ids, stroke, pressed)
        return True

    @slot
    def onMoved(self, name: str, interactor: VtkObject) -> bool:
        """The mouse moves; True while a stroke is under way."""
        begun = self._begun
        if begun is None or begun.view != name:
            return False
        place, _slack = placeOf(name, interactor, begun.live.result.scan.frame)
        stroke = replace(begun.stroke, end=place)
        if stroke.is_click:
            self.line.hide()
        else:
            self.line.show(sliceWidget(name).sliceView(), begun.pressed, interactor.GetEventPosition())
            self.messages.say(announced(action_of(begun.ids, stroke)))
        return True

    @slot
    def onReleased(self, name: str, interactor: VtkObject) -> bool:
        """The left button comes up: the stroke is done; True where it was ours."""
        begun = self._begun
        self._drop()
        if begun is None or begun.view != name:
            return False
        if begun.live is not self.selection.live:
            return True
        place, _slack = placeOf(name, interactor, begun.live.result.scan.frame)
        with slicer.util.RenderBlocker():
            self._carryOut(begun.live, begun.ids, replace(begun.stroke, end=place))
        return True

    def _carryOut(self, live: LiveReading, ids: Ids, stroke: Stroke) -> None:
        """Apply a stroke and report the result."""
        action = action_of(ids, stroke)
        if action is None:
            self.messages.say(announced(None))
            return
        if action.kind == "decide":
            self._decide(live, ids, action.lesions[0])
            return
        try:
            after = lesions_after(ids, stroke, action, live.result.scan, live.result.probabilities)
        except UserError:
            self.messages.say(refused(action.kind), "warning")
            return
        segments = [live.segment_of(lesion) for lesion in action.lesions]
        self.ui.segmentEditor.saveStateForUndo()
        made = live.replace_lesions(after, stroke.view if action.kind == "outline" else None)
        self.onDrawn()
        lesion = live.lesion_of((made if action.kind == "outline" else segments)[0])
        if lesion is not None:
            self.selection.take(lesion.id)
            self.messages.say(done(action.kind, live.name_of(lesion.id), lesion.area_mm2 / 100))

    def _decide(self, live: LiveReading, ids: Ids, lesion: int) -> None:
        """An area was clicked."""
        name, review = live.name_of(lesion), live.review(lesion)
        self.ui.segmentEditor.saveStateForUndo()
        if review == Review() and not live.is_proposed(lesion):
            live.replace_lesions(np.where(ids == lesion, 0, ids).astype(ids.dtype))
            self.onDrawn()
            self.messages.say(done("remove", name))
            return
        decision: Decision = "open" if review.decision == "rejected" else "rejected"
        live.set_review(lesion, Review(decision, review.classification))
        self.onDrawn()
        if decision == "rejected":
            self.selection.letGo()
        else:
            self.selection.take(lesion)
        self.messages.say(done(decision, name))

    def _drop(self) -> None:
        """No stroke is under way."""
        self._begun = None
        self.line.hide()


def sliceWidget(name: str) -> Widget:
    """The widget of a slice view by its layout name."""
    return slicer.app.layoutManager().sliceWidget(name)


def shownViews(node: SegmentationNode) -> dict[str, ViewName | None]:
    """{ID of a volume of a reading: name of the view it shows, None for the sum of both}."""
    roles: dict[ViewName | None, str] = {
        "anterior": "anteriorCounts",
        "posterior": "posteriorCounts",
        None: "aggregateCounts",
    }
    found = {name: node.GetNodeReference(role) for name, role in roles.items()}
    return {volume.GetID(): name for name, volume in found.items() if volume is not None}


def interactionNode() -> Node | None:
    """The node that holds whether the mouse turns views, places points or sets the window."""
    return slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLInteractionNode")


def isFree(interactor: VtkObject) -> bool:
    """Whether a press of the left button has no other meaning: no key is held, no other tool is in use."""
    mode = interactionNode()
    if mode is not None and mode.GetCurrentInteractionMode() != mode.ViewTransform:
        return False
    if interactor.GetShiftKey() or interactor.GetControlKey() or interactor.GetAltKey():
        return False
    return not any(node.GetActiveEffectName() for node in slicer.util.getNodesByClass("vtkMRMLSegmentEditorNode"))


def placeOf(name: str, interactor: VtkObject, frame: PlanarView) -> tuple[Position, float]:
    """(row, column) on a frame of where the mouse is in a slice view, and the pixels of it that a hand strays."""
    node = sliceWidget(name).mrmlSliceNode()
    across, up = interactor.GetEventPosition()
    position = node.GetXYToRAS().MultiplyPoint((float(across), float(up), 0.0, 1.0))
    column, row = (np.linalg.inv(frame.ijk_to_ras) @ position)[:2]
    return (float(row), float(column)), SLACK * scaleOf(node) / min(frame.spacing)


def announced(action: Action | None) -> str:
    """What releasing the button now would do."""
    words = {
        "outline": _("Outline an area here."),
        "decide": _("Reject this area, or restore it."),
        "join": _("Release to join both areas."),
        "grow": _("Release to make the area larger, up to here."),
        "shrink": _("Release to make the area smaller, down to here."),
        "cut": _("Release to cut the area along the line."),
        None: _("Drag from an area outwards, from outside into one, from one to another, or across one."),
    }
    return words[action.kind if action is not None else None]


def refused(kind: str) -> str:
    """Return why nothing was done."""
    words = {
        "outline": _("There is no room for a separate area here: enlarge the neighbouring one by dragging."),
        "shrink": _("Nothing would be left of the area: click it to reject it."),
        "cut": _("The line divides no area: draw it across one."),
        "join": _("Another area leaves no room to join these two: join one of them with it first."),
    }
    return words.get(kind, _("That changes no area."))


def done(what: str, name: str, area: float = 0.0) -> str:
    """Return what was done to an area."""
    words = {
        "outline": _("Outlined {name}, {area:.1f} cm²."),
        "join": _("Joined to {name}, {area:.1f} cm²."),
        "grow": _("Made {name} larger: {area:.1f} cm²."),
        "shrink": _("Made {name} smaller: {area:.1f} cm²."),
        "cut": _("Cut {name}; it keeps {area:.1f} cm²."),
        "remove": _("Removed {name}, which was outlined manually."),
        "rejected": _("Rejected {name}; click it again to restore it."),
        "open": _("Restored {name}."),
    }
    return words[what].format(name=name, area=area)
