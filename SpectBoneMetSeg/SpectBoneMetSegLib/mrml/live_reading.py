"""A reading in a scene that follows the sliders, manual edits and the physician's review."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.errors import UserError
from ..export.outputs import Outputs
from ..export.receipt import input_digests, stored_input_digests
from ..export.result_folder import save_reading
from ..lesions.delineation import lesion_masks
from ..lesions.edits import Edits, EditSteps, clicked_from, clicked_text, edits_from, edits_text, update_edits
from ..lesions.measurement import MeasurementCache
from ..lesions.model_result import ModelResult
from ..lesions.redraw import reading_at
from ..lesions.results import Lesion, Reading
from ..lesions.review import Ids, LesionMemory, Review, reviewed
from ..quantification.bones import bones_of, nearest_regions_of
from ..quantification.results import BoneShare
from ..scan.planar import ViewName
from . import stored_result as live
from .nodes import prepare_segmentation
from .segments import (
    SegmentState,
    change_segments,
    clicked_of,
    review_and_clicks,
    review_of,
    segment_state,
    set_clicked,
    set_merged_review,
    set_review,
    show_segments,
)

__all__ = ["LiveReading"]

STATE = "SpectBoneMetSeg.state"

#: IDs of segmentation nodes that a reading is writing to; global, because a node can get another reading.
_written: set[str] = set()


class LiveReading:
    """The reading that is stored with one segmentation node.

    Attributes:
        node: the vtkMRMLSegmentationNode.
        scene: its vtkMRMLScene.
        result: the model's prediction.
        reading: the current lesions.
        threshold: the current one.
        minimum_area_mm2: the current one.
        edits: manual edits, which persist when the sliders move; None without any.
        not_saved: one sentence for each output that the last `save` could not write.
    """

    def __init__(self, node: Any, scene: Any, result: ModelResult) -> None:
        """Create the reading of a result; use `start` or `find` instead."""
        self.node, self.scene, self.result = node, scene, result
        self.threshold, self.minimum_area_mm2 = result.limits.threshold, result.limits.minimum_area_mm2
        self.edits: Edits | None = None
        self._steps = EditSteps()
        self._measured = MeasurementCache()
        self._proposed: tuple[tuple[float, float], Ids] = ((-1.0, -1.0), np.zeros(result.scan.frame.shape, np.uint16))
        self.reading: Reading = self._drawn()
        self._segments: dict[int, str] = {}
        self._memory: LesionMemory[SegmentState] = LesionMemory(result.scan.frame.shape)
        self._clicked: dict[ViewName, NDArray[np.bool_]] = {}
        self._edits_text: tuple[Edits | None, str] = (None, "")
        self._bones: tuple[Reading | None, dict[int, tuple[BoneShare, ...]]] = (None, {})
        self.not_saved: list[str] = []

    @classmethod
    def start(cls, result: ModelResult, node: Any, volumes: dict[ViewName, Any], scene: Any) -> LiveReading:
        """Store a new result in a segmentation node, replacing its content.

        Args:
            result: the model's prediction.
            node: a vtkMRMLSegmentationNode.
            volumes: the volume node of each view of the scan.
            scene: their vtkMRMLScene.
        """
        live.store_result(result, node, volumes, scene)
        made = cls(node, scene, result)
        made.reset()
        return made

    @classmethod
    def find(cls, node: Any, scene: Any) -> LiveReading | None:
        """Return the reading that is stored in a segmentation node, in its last state; None if there is none."""
        result = live.stored_result(node)
        if result is None:
            return None
        made = cls(node, scene, result)
        # A state that cannot be decoded is ignored: the segments themselves are then taken over as edits.
        with contextlib.suppress(ValueError, TypeError):
            state = dict(json.loads(node.GetAttribute(STATE) or "{}"))
            made.threshold = float(state.get("threshold", made.threshold))
            made.minimum_area_mm2 = float(state.get("minimum_area_mm2", made.minimum_area_mm2))
            if state.get("edits"):
                made.edits = edits_from(str(state["edits"]), tuple(result.probabilities), result.scan.frame.shape)
            made._clicked = clicked_from(state.get("clicked", {}), result.probabilities, result.scan.frame.shape)
        made.reading = made._drawn()
        made._steps.restart(made.reading.mask, made.edits)
        # The segments may have been changed while no LiveReading followed them.
        if not made.follow_edit():
            made._outline()
            made._keep_state()
        return made

    @property
    def updating(self) -> bool:
        """Whether a reading, not the user, is changing the node; observers check this."""
        return self.node.GetID() in _written

    def set_threshold(self, threshold: float, minimum_area_mm2: float) -> None:
        """Redraw the lesions with other limits; edits, reviews, names and colours are kept, also of hidden lesions.

        The closed surfaces of the segments are removed; `make_surfaces` creates them again.

        Args:
            threshold: probability from which a pixel belongs to a lesion.
            minimum_area_mm2: smaller lesions are dropped.
        """
        self._memory.keep(
            self.reading, {lesion: segment_state(self.node, one) for lesion, one in self._segments.items()}
        )
        self.threshold, self.minimum_area_mm2 = threshold, minimum_area_mm2
        self.reading = self._drawn()
        self._show(self._memory.of(self.reading))

    def make_surfaces(self) -> None:
        """Create the closed surfaces of the segments, which other modules show and export; slow."""
        with self._writing():
            self.node.CreateClosedSurfaceRepresentation()

    def reset(self) -> None:
        """Return to the model's own result, without edits and reviews."""
        limits = self.result.limits
        self.threshold, self.minimum_area_mm2 = limits.threshold, limits.minimum_area_mm2
        self.edits, self._clicked = None, {}
        self.reading = self._drawn()
        self._memory = LesionMemory(self.result.scan.frame.shape)
        with self._writing():
            prepare_segmentation(self.node, self.result.scan.frame)
        self._show({})
        self.make_surfaces()

    def follow_edit(self) -> bool:
        """Take over changes of the segments; return whether any lesion changed."""
        labels, ids = self._labels()
        self._clicked = self._clicked_masks(labels, ids)
        if self._steps.known(labels):
            edits = self._steps.at(labels)
        else:
            before = self.threshold, self.edits, self._clicked
            edits = update_edits(self.result.probabilities, self.result.scan.frame, self.reading.mask, labels, *before)
            self._steps.keep(labels, edits)
        changed = edits is not self.edits
        if changed:
            self.edits = edits
            self.reading = self._drawn()
        self._segments = live.segment_of_lesions(self.reading, labels, ids)
        if not changed:
            return False
        self._outline()
        self._keep_state()
        return True

    def replace_lesions(self, ids: Ids, clicked: ViewName | None = None) -> list[str]:
        """Replace the lesions, like a manual edit; segments of unchanged lesions are not touched.

        The closed surfaces of the segments are removed; `make_surfaces` creates them again.

        Args:
            ids: (rows, columns) lesion IDs on the anterior frame; new lesions have higher IDs than existing ones.
            clicked: the view in which new lesions were clicked; None for all views that show them.

        Returns:
            IDs of the new segments.
        """
        before, frame = self.reading.lesion_ids, self.result.scan.frame
        new = np.setdiff1d(ids, before)
        labels, segments = self._labels()
        held, changed = {}, before != ids
        touched = np.setdiff1d(np.union1d(before[changed], ids[changed]), [0, *new])
        for segment in dict.fromkeys(self._segments[number] for number in touched.tolist()):
            own = [number for number, holder in self._segments.items() if holder == segment]
            removed = np.isin(before, own) & ~np.isin(ids, own)
            held[segment] = ((labels == segments.index(segment) + 1) & ~removed) | np.isin(ids, own)
        sources = [self._segments_at(before, ids == number) for number in new.tolist()]
        joined = {segment: self._segments_at(before, mask) for segment, mask in held.items() if mask.any()}
        known = {segment: review_and_clicks(self.node, segment) for segment in self._segments.values()}
        with self._writing():
            made = change_segments(self.node, frame, held, [ids == number for number in new.tolist()])
            for segment, parts in (*joined.items(), *zip(made, sources, strict=True)):
                if parts:
                    set_merged_review(
                        self.node, segment, [known[part] for part in dict.fromkeys([segment, *parts]) if part in known]
                    )
                elif clicked is not None:
                    set_clicked(self.node, segment, {clicked})
        self.follow_edit()
        return made

    def _segments_at(self, before: Ids, mask: NDArray[np.bool_]) -> list[str]:
        """Return the IDs of the segments of lesions inside a mask, by descending number of pixels."""
        sizes = np.bincount(before[mask], minlength=1)
        order = [number for number in np.argsort(-sizes, kind="stable").tolist() if number and sizes[number]]
        return list(dict.fromkeys(self._segments[number] for number in order))

    def _clicked_masks(self, labels: NDArray[np.int32], segments: list[str]) -> dict[ViewName, NDArray[np.bool_]]:
        """Return per view the mask of what was outlined by a click.

        The segments' tags store the views, so that undo restores them; masks inside segments without tags are kept.
        """
        views = [clicked_of(self.node, segment) for segment in segments]
        untagged = np.isin(labels, [label for label, names in enumerate(views, 1) if not names])
        clicked = {name: mask & untagged for name, mask in self._clicked.items()}
        for label, names in enumerate(views, 1):
            for name in names:
                clicked[name] = clicked.get(name, np.zeros(labels.shape, bool)) | (labels == label)
        return clicked

    def is_proposed(self, lesion: int) -> bool:
        """Return whether the model itself finds a lesion there, with the current limits or its own."""
        limits = self.threshold, self.minimum_area_mm2
        if self._proposed[0] != limits:
            self._proposed = limits, self._found(*limits)
        there = self.reading.lesion_ids == lesion
        return bool(self._proposed[1][there].any() or self._own[there].any())

    @cached_property
    def _own(self) -> Ids:
        """(rows, columns) lesion IDs that the model finds with its own limits."""
        return self._found(self.result.limits.threshold, self.result.limits.minimum_area_mm2)

    def _found(self, threshold: float, minimum_area_mm2: float) -> Ids:
        """Return (rows, columns) lesion IDs that the model finds with some limits, without edits."""
        seed = max(threshold, self.result.limits.seed_threshold)
        maps = dict(self.result.probabilities)
        return lesion_masks(maps, threshold, minimum_area_mm2, self.result.scan.frame, seed).union

    @property
    def edited(self) -> bool:
        """Whether there are manual edits."""
        return self.edits is not None

    def edited_lesions(self) -> set[int]:
        """Return the IDs of lesions that were drawn or changed manually."""
        if self.edits is None:
            return set()
        return set(np.unique(self.reading.lesion_ids[self.edits.mask]).tolist()) - {0}

    def segment_of(self, lesion: int) -> str:
        """Return the ID of a lesion's segment."""
        return self._segments[lesion]

    @cached_property
    def _near_bone(self) -> dict[ViewName, NDArray[np.uint8]]:
        """The nearest region of every pixel per view; it does not depend on edits."""
        return nearest_regions_of(self.result.scan, self.result.regions)

    def bones_of(self, lesion: int) -> tuple[BoneShare, ...]:
        """Return the bones of a lesion, largest share first; empty if the model segmented no regions."""
        if self._bones[0] is not self.reading:
            self._bones = self.reading, bones_of(self.reading, self._near_bone).together
        return self._bones[1].get(lesion, ())

    def lesion_of(self, segment: str) -> Lesion | None:
        """Return the first lesion of a segment; None if it contains none."""
        return next((lesion for lesion in self.reading.lesions if self._segments.get(lesion.id) == segment), None)

    def lesion_at(self, position: Sequence[float]) -> Lesion | None:
        """Return the lesion at a position (RAS mm); None if there is none."""
        column, row = (np.linalg.inv(self.result.scan.frame.ijk_to_ras) @ [*position, 1.0])[:2]
        row, column = round(float(row)), round(float(column))
        rows, columns = self.reading.mask.shape
        if not (0 <= row < rows and 0 <= column < columns):
            return None
        number = int(self.reading.lesion_ids[row, column])
        return self.reading.lesions[number - 1] if number else None

    def name_of(self, lesion: int) -> str:
        """Return the name of a lesion's segment."""
        return str(self.node.GetSegmentation().GetSegment(self._segments[lesion]).GetName())

    def color_of(self, lesion: int) -> tuple[float, float, float]:
        """Return RGB 0..1 of a lesion's segment."""
        red, green, blue = self.node.GetSegmentation().GetSegment(self._segments[lesion]).GetColor()
        return red, green, blue

    def review(self, lesion: int) -> Review:
        """Return the review of a lesion."""
        return review_of(self.node, self._segments[lesion])

    def set_review(self, lesion: int, review: Review) -> None:
        """Store the review of a lesion."""
        set_review(self.node, self._segments[lesion], review)
        self.update_outline_display()

    def update_outline_display(self) -> None:
        """Update the outlines to the names, colours and visibility of their segments."""
        with self._writing():
            live.style_outlines(self.node, self._segments)

    def highlight(self, lesion: int | None) -> None:
        """Emphasise one lesion in the views; None shows all alike."""
        live.highlight(self.node, None if lesion is None else lesion - 1)

    def reviews(self) -> dict[int, Review]:
        """Return {lesion ID: its review}."""
        return {lesion: self.review(lesion) for lesion in self._segments}

    def final(self) -> Reading:
        """Return the reading to be saved, after the review: without rejected lesions, decisions in the receipt."""
        return reviewed(self.result, self.reading, self.reviews(), self.edits)

    def touched(self) -> bool:
        """Return whether there are edits or reviews, which would be lost with this reading."""
        return self.edited or any(review != Review() for review in self.reviews().values())

    def remove_parts(self) -> None:
        """Remove the nodes that belong to the segmentation node, before it is removed itself."""
        live.remove_parts(self.node, self.scene)

    def save(self, folder: str | Path, outputs: Outputs | None = None) -> Path:
        """Write all output files into a folder with the name of the case inside `folder`; return that folder.

        Args:
            folder: parent of the result folder.
            outputs: DICOM objects and report in addition; `not_saved` lists those that could not be written.

        Raises:
            UserError: the folder cannot be written, or holds the results of another scan of that name.
        """
        # Segments may have changed without an event: save their current content.
        self.follow_edit()
        target, final = Path(folder) / self.result.scan.case, self.final()
        earlier = stored_input_digests(target / "receipt.json")
        if earlier is not None and earlier != input_digests(final.receipt):
            raise UserError(f"{target} holds the results of another scan of that name: choose another folder.")
        self.not_saved = save_reading(final, str(target), outputs)
        return target

    def _drawn(self) -> Reading:
        """Return the reading with the current limits and edits."""
        return reading_at(self.result, self.threshold, self.minimum_area_mm2, self.edits, self._measured)

    def _labels(self) -> tuple[NDArray[np.int32], list[str]]:
        return live.labels_of(self.node, self.result.scan.frame)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Mark the node as being changed by a reading, for observers."""
        outer = self.updating
        _written.add(self.node.GetID())
        try:
            yield
        finally:
            if not outer:
                _written.discard(self.node.GetID())

    def _show(self, known: Mapping[int, SegmentState]) -> None:
        frame = self.result.scan.frame
        with self._writing():
            self._segments = show_segments(self.node, self.reading.lesion_ids, frame, known)
        self._steps.restart(self.reading.mask, self.edits)
        self._outline()
        self._keep_state()

    def _outline(self) -> None:
        live.show_outlines(self.reading, self.node, self.scene)
        self.update_outline_display()

    def _keep_state(self) -> None:
        state: dict[str, Any] = {"threshold": self.threshold, "minimum_area_mm2": self.minimum_area_mm2}
        if self.edits is not None:
            if self._edits_text[0] is not self.edits:
                self._edits_text = self.edits, edits_text(self.edits)
            state["edits"] = self._edits_text[1]
            state["clicked"] = clicked_text(self._clicked)
        self.node.SetAttribute(STATE, json.dumps(state))
