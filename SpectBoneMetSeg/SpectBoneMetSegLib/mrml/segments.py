"""Write lesions into the segments of a segmentation node, keeping IDs and the user's names, colours and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..export.seg_nrrd import TERMINOLOGY, lesion_color, lesion_name
from ..lesions.review import CLASSIFICATIONS, DECISIONS, Review
from ..scan.planar import VIEW_NAMES, PlanarView, ViewName
from .nodes import labelmap_of

__all__ = [
    "DECISION_TAG",
    "LABELMAP",
    "SegmentState",
    "change_segments",
    "clicked_of",
    "lies_on",
    "review_and_clicks",
    "review_of",
    "segment_state",
    "set_clicked",
    "set_merged_review",
    "set_review",
    "show_segments",
]

DECISION_TAG, CLASSIFICATION_TAG = "SpectBoneMetSeg.decision", "SpectBoneMetSeg.classification"
STATUS_TAG = "Segmentation.Status"
#: Tag with the views in which a segment was outlined by a click, separated by spaces.
CLICKED_TAG = "SpectBoneMetSeg.clicked"
#: Tag with the number from which a segment got its default name and colour.
NUMBER_TAG = "SpectBoneMetSeg.number"
#: Colours differ if a component differs by more; they are stored with 8 bits per component.
SAME_COLOR = 1e-3
LABELMAP, SURFACE = "Binary labelmap", "Closed surface"


@dataclass(frozen=True)
class SegmentState:
    """Properties of a segment that are kept when its lesion is redrawn.

    Attributes:
        segment: its ID.
        review: the physician's review.
        name: set by the user; "" for the default name.
        color: set by the user; None for the default colour.
        terminology: set by the user; "" for the default terminology.
        visible: in the views.
    """

    segment: str = ""
    review: Review = field(default_factory=Review)
    name: str = ""
    color: tuple[float, float, float] | None = None
    terminology: str = ""
    visible: bool = True


def segment_state(node: Any, segment: str) -> SegmentState:
    """Return the state of a segment; default names, colours and terminology are not part of it."""
    entry, number = _entry(node, segment), _number(node, segment)
    name, color, terminology = str(entry.GetName()), entry.GetColor(), _tag(entry, _terminology_tag())
    default_color = _alike(color, lesion_color(number))
    return SegmentState(
        segment,
        review_of(node, segment),
        "" if name == lesion_name(number) else name,
        None if default_color else (color[0], color[1], color[2]),
        "" if terminology == TERMINOLOGY else terminology,
        bool(node.GetDisplayNode().GetSegmentVisibility(segment)),
    )


def show_segments(
    node: Any, ids: NDArray[np.uint16], frame: PlanarView, known: Mapping[int, SegmentState]
) -> dict[int, str]:
    """Write lesions into a segmentation node, one segment per lesion, all in one layer.

    Args:
        node: the vtkMRMLSegmentationNode.
        ids: (rows, columns) lesion IDs 1..n on the grid of `frame`.
        frame: the anterior whole-body frame.
        known: {lesion ID: state to restore}; if several name the same segment, the largest lesion keeps it.

    Returns:
        {lesion ID: ID of its segment}.
    """
    import slicer

    segmentation = node.GetSegmentation()
    count = int(ids.max(initial=0))
    chosen = _owners(np.bincount(ids[ids > 0], minlength=count + 1), known)
    extra = _remove_others(node, set(chosen.values()))
    # The closed surfaces are outdated; they are created again when the sliders come to rest.
    segmentation.RemoveRepresentation(SURFACE)
    image = _filled(segmentation, ids.astype(np.int16), frame)
    segments = {}
    for number in range(1, count + 1):
        state = known.get(number, SegmentState())
        segment = chosen.get(number, "")
        entry = segmentation.GetSegment(segment) if segment else None
        if entry is None:
            entry = slicer.vtkSegment()
            _style(entry, number, state)
            entry.AddRepresentation(LABELMAP, image)
            entry.SetLabelValue(number)
            segment = segment or segmentation.GenerateUniqueSegmentID("")
            segmentation.AddSegment(entry, segment)
            set_review(node, segment, state.review)
            node.GetDisplayNode().SetSegmentVisibility(segment, state.visible)
            node.GetDisplayNode().SetSegmentVisibility2DFill(segment, False)
        else:
            _style(entry, number, state)
            _hold(entry, image, number)
        segments[number] = segment
    for index, segment in enumerate(extra, start=count + 1):
        _hold(segmentation.GetSegment(segment), image, index)
    # One event for all segments, after each has its value: every event takes time.
    image.Modified()
    order = [*segments.values(), *extra]
    if [segmentation.GetNthSegmentID(index) for index in range(len(order))] != order:
        segmentation.ReorderSegments(order)
    return segments


def change_segments(
    node: Any,
    frame: PlanarView,
    held: Mapping[str, NDArray[np.bool_]],
    added: Iterable[NDArray[np.bool_]],
) -> list[str]:
    """Set the pixels of some segments and add new ones, as the Segment Editor does; other segments are not changed.

    Args:
        node: the vtkMRMLSegmentationNode.
        frame: the anterior whole-body frame.
        held: {segment ID: (rows, columns) new mask}; a segment with an empty mask is removed.
        added: (rows, columns) masks of the new segments.

    Returns:
        IDs of the new segments.
    """
    segmentation = node.GetSegmentation()
    image = _shared(segmentation)
    if image is None or not (lies_on(image, frame) and image.GetDimensions() == (*frame.shape[::-1], 1)):
        # Painted beyond the frame, or in separate layers.
        image = None
    ids = [str(segmentation.GetNthSegmentID(index)) for index in range(segmentation.GetNumberOfSegments())]
    numbers = [_number(node, segment) for segment in ids]
    if image is not None:
        # A changed labelmap invalidates the surfaces of all segments that share it.
        segmentation.RemoveRepresentation(SURFACE)
        _clear(segmentation, held, image)
    for segment, mask in held.items():
        if mask.any():
            _draw(node, segment, mask, frame, image)
        else:
            segmentation.RemoveSegment(segment)
    made = [_add(node, mask, frame, image, max(numbers, default=0) + 1 + index) for index, mask in enumerate(added)]
    if image is not None:
        image.GetPointData().GetScalars().Modified()
        image.Modified()
    return made


def review_of(node: Any, segment: str) -> Review:
    """Return the physician's review of a segment."""
    entry = _entry(node, segment)
    decision, classification = _tag(entry, DECISION_TAG), _tag(entry, CLASSIFICATION_TAG)
    # A scene may contain unknown values: they count as undecided.
    return Review(
        next((known for known in DECISIONS if known == decision), "open"),
        next((known for known in CLASSIFICATIONS if known == classification), ""),
    )


def set_review(node: Any, segment: str, review: Review) -> None:
    """Store the physician's review of a segment, also as Slicer's own segment status."""
    status = {"open": "inprogress", "accepted": "completed", "rejected": "flagged"}[review.decision]
    values = {DECISION_TAG: review.decision, CLASSIFICATION_TAG: review.classification, STATUS_TAG: status}
    for tag, value in values.items():
        _set_tag(_entry(node, segment), tag, value)


def clicked_of(node: Any, segment: str) -> set[ViewName]:
    """Return the views in which a segment was outlined by a click."""
    names = _tag(_entry(node, segment), CLICKED_TAG).split()
    return {name for name in VIEW_NAMES if name in names}


def set_clicked(node: Any, segment: str, views: Iterable[ViewName]) -> None:
    """Store the views in which a segment was outlined by a click."""
    if names := " ".join(sorted(views)):
        _set_tag(_entry(node, segment), CLICKED_TAG, names)


def review_and_clicks(node: Any, segment: str) -> tuple[Review, set[ViewName]]:
    """Return the review of a segment, and the views in which it was outlined by a click."""
    return review_of(node, segment), clicked_of(node, segment)


def set_merged_review(node: Any, segment: str, parts: Sequence[tuple[Review, set[ViewName]]]) -> None:
    """Store the merged review and clicks of the segments that a segment was made of.

    The first review that is not a rejection is used, so that no part is rejected together with another.

    Args:
        node: the vtkMRMLSegmentationNode.
        segment: its ID.
        parts: `review_and_clicks` of each, the most important first.
    """
    reviews = [review for review, _views in parts]
    set_review(node, segment, next((one for one in reviews if one.decision != "rejected"), reviews[0]))
    set_clicked(node, segment, set().union(*(views for _review, views in parts)))


def _add(node: Any, mask: NDArray[np.bool_], frame: PlanarView, image: Any, number: int) -> str:
    """Add a segment with a mask, in a labelmap shared with others or, for None, in its own; return its ID."""
    import slicer

    segmentation, entry = node.GetSegmentation(), slicer.vtkSegment()
    _style(entry, number, SegmentState())
    if image is not None:
        values = [
            segmentation.GetNthSegment(index).GetLabelValue() for index in range(segmentation.GetNumberOfSegments())
        ]
        _hold(entry, image, max(values) + 1)
    segment = str(segmentation.GenerateUniqueSegmentID(""))
    segmentation.AddSegment(entry, segment)
    set_review(node, segment, Review())
    node.GetDisplayNode().SetSegmentVisibility2DFill(segment, False)
    _draw(node, segment, mask, frame, image)
    return segment


def _draw(node: Any, segment: str, mask: NDArray[np.bool_], frame: PlanarView, image: Any) -> None:
    """Set the mask of a segment; in a shared labelmap no other segment may lie there."""
    import slicer

    if image is not None:
        _pixels(image, frame)[mask] = _entry(node, segment).GetLabelValue()
        return
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    drawn = labelmap_of(mask.astype(np.int16), frame)
    if not logic.SetBinaryLabelmapToSegment(drawn, node, segment, logic.MODE_REPLACE):
        raise RuntimeError("Slicer did not draw the segment")


def _clear(segmentation: Any, segments: Iterable[str], image: Any) -> None:
    """Remove the pixels of some segments from the labelmap that all share."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[np.isin(scalars, [segmentation.GetSegment(segment).GetLabelValue() for segment in segments])] = 0


def _pixels(image: Any, frame: PlanarView) -> NDArray[Any]:
    """Return the pixels of a labelmap on the frame's grid as a (rows, columns) array that shares its memory."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    return np.asarray(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(frame.shape))


def _owners(sizes: NDArray[np.int64], known: Mapping[int, SegmentState]) -> dict[int, str]:
    """Return {lesion ID: segment ID} of the lesions that keep a segment: the largest of those that share one."""
    owners: dict[int, str] = {}
    for number in sorted(known, key=lambda lesion: -int(sizes[lesion])):
        segment = known[number].segment
        if segment and segment not in owners.values():
            owners[number] = segment
    return owners


def _remove_others(node: Any, wanted: set[str]) -> list[str]:
    """Remove segments without a lesion, except empty ones that the user named; return the IDs of the latter."""
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
    extra = []
    for segment in ids:
        if segment in wanted:
            continue
        state = segment_state(node, segment)
        if state.name and _is_empty(segmentation.GetSegment(segment)):
            extra.append(segment)
        else:
            segmentation.RemoveSegment(segment)
    return extra


def _filled(segmentation: Any, pixels: NDArray[np.int16], frame: PlanarView) -> Any:
    """Return the labelmap shared by all segments, filled with new pixels; a new labelmap if they share none."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image, new = _shared(segmentation), labelmap_of(pixels, frame)
    # Manual painting may have enlarged it or changed its type.
    if image is None or image.GetScalarType() != new.GetScalarType() or not _same_grid(image, new):
        return new
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = pixels.ravel()
    image.GetPointData().GetScalars().Modified()
    return image


def _shared(segmentation: Any) -> Any:
    """Return the labelmap shared by all segments; None if there is none, or several."""
    count = segmentation.GetNumberOfSegments()
    images = [segmentation.GetNthSegment(index).GetRepresentation(LABELMAP) for index in range(count)]
    return images[0] if images and all(image is images[0] for image in images) else None


def _same_grid(image: Any, other: Any) -> bool:
    return image.GetExtent() == other.GetExtent() and bool(np.allclose(_image_to_ras(image), _image_to_ras(other)))


def lies_on(image: Any, frame: PlanarView) -> bool:
    """Return whether a one-slice labelmap has the pixel grid of a view, possibly extended beyond its edges."""
    return image.GetExtent()[4:] == (0, 0) and bool(np.allclose(_image_to_ras(image), frame.ijk_to_ras))


def _image_to_ras(image: Any) -> NDArray[np.float64]:
    """Return the 4x4 matrix from pixels to RAS mm."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _hold(entry: Any, image: Any, value: int) -> None:
    """Set labelmap and label value of a segment."""
    if entry.GetRepresentation(LABELMAP) is not image:
        entry.AddRepresentation(LABELMAP, image)
    if entry.GetLabelValue() != value:
        entry.SetLabelValue(value)


def _is_empty(entry: Any) -> bool:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image = entry.GetRepresentation(LABELMAP)
    scalars = image.GetPointData().GetScalars() if image is not None else None
    return scalars is None or not bool((vtk_to_numpy(scalars) == entry.GetLabelValue()).any())


def _style(entry: Any, number: int, state: SegmentState) -> None:
    """Set name, colour and terminology of a segment: the user's, or the defaults of its number."""
    name, color = state.name or lesion_name(number), state.color or lesion_color(number)
    if entry.GetName() != name:
        entry.SetName(name)
    if not _alike(entry.GetColor(), color):
        entry.SetColor(*color)
    if entry.GetNameAutoGenerated() or entry.GetColorAutoGenerated():
        entry.SetNameAutoGenerated(False)
        entry.SetColorAutoGenerated(False)
    _set_tag(entry, _terminology_tag(), state.terminology or TERMINOLOGY)
    _set_tag(entry, NUMBER_TAG, str(number))


def _alike(color: Iterable[float], other: Iterable[float]) -> bool:
    return all(abs(part - wanted) <= SAME_COLOR for part, wanted in zip(color, other, strict=True))


def _terminology_tag() -> str:
    import slicer

    return str(slicer.vtkSegment.GetTerminologyEntryTagName())


def _entry(node: Any, segment: str) -> Any:
    return node.GetSegmentation().GetSegment(segment)


def _number(node: Any, segment: str) -> int:
    """Return the number from which a segment got its default name; its label value in scenes without the tag."""
    entry = _entry(node, segment)
    number = _tag(entry, NUMBER_TAG)
    return int(number) if number.isdigit() and int(number) else max(1, int(entry.GetLabelValue()))


def _tag(entry: Any, name: str) -> str:
    import vtk

    value = vtk.reference("")
    entry.GetTag(name, value)
    return str(value)


def _set_tag(entry: Any, name: str, value: str) -> None:
    if _tag(entry, name) != value or not entry.HasTag(name):
        entry.SetTag(name, value)
