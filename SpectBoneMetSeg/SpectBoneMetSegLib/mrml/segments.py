"""The segments of a reading: drawn anew they keep what a person gave them, and the ID by which others know them."""

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
#: The views in which it was outlined by a click, with spaces between.
CLICKED_TAG = "SpectBoneMetSeg.clicked"
#: The number by which we called and coloured a segment.
NUMBER_TAG = "SpectBoneMetSeg.number"
#: Colours differ when a part differs by more; they are kept as floats of eight bits each.
SAME_COLOR = 1e-3
LABELMAP, SURFACE = "Binary labelmap", "Closed surface"


@dataclass(frozen=True)
class SegmentState:
    """What is known of a segment.

    Attributes:
        segment: its ID.
        review: what the physician said.
        name: given by a person; empty or None while they are ours.
        color: given by a person; empty or None while they are ours.
        terminology: given by a person; empty or None while they are ours.
        visible: in the views.
    """

    segment: str = ""
    review: Review = field(default_factory=Review)
    name: str = ""
    color: tuple[float, float, float] | None = None
    terminology: str = ""
    visible: bool = True


def segment_state(node: Any, segment: str) -> SegmentState:
    """What is known of a segment of a segmentation node; what we gave it ourselves does not count."""
    entry, number = _entry(node, segment), _number(node, segment)
    name, color, terminology = str(entry.GetName()), entry.GetColor(), _tag(entry, _terminology_tag())
    own_color = _alike(color, lesion_color(number))
    return SegmentState(
        segment,
        review_of(node, segment),
        "" if name == lesion_name(number) else name,
        None if own_color else (color[0], color[1], color[2]),
        "" if terminology == TERMINOLOGY else terminology,
        bool(node.GetDisplayNode().GetSegmentVisibility(segment)),
    )


def show_segments(
    node: Any, ids: NDArray[np.uint16], frame: PlanarView, known: Mapping[int, SegmentState]
) -> dict[int, str]:
    """Let a segmentation node hold one segment per lesion, all in one layer.

    Args:
        node: the vtkMRMLSegmentationNode.
        ids: (rows, columns) lesion IDs 1..n on the grid of `frame`.
        frame: the anterior whole-body frame.
        known: {lesion ID: what was known of it}; of several that name one segment the largest lesion keeps it.

    Returns:
        {lesion ID: ID of its segment}
    """
    import slicer

    segmentation = node.GetSegmentation()
    count = int(ids.max(initial=0))
    chosen = _owners(np.bincount(ids[ids > 0], minlength=count + 1), known)
    extra = _remove_others(node, set(chosen.values()))
    # What surfaces there are show the lesions before; they are made again when the sliders rest.
    segmentation.RemoveRepresentation(SURFACE)
    image = _filled(segmentation, ids.astype(np.int16), frame)
    segments = {}
    for number in range(1, count + 1):
        look = known.get(number, SegmentState())
        segment = chosen.get(number, "")
        entry = segmentation.GetSegment(segment) if segment else None
        if entry is None:
            entry = slicer.vtkSegment()
            _dress(entry, number, look)
            entry.AddRepresentation(LABELMAP, image)
            entry.SetLabelValue(number)
            segment = segment or segmentation.GenerateUniqueSegmentID("")
            segmentation.AddSegment(entry, segment)
            set_review(node, segment, look.review)
            node.GetDisplayNode().SetSegmentVisibility(segment, look.visible)
            node.GetDisplayNode().SetSegmentVisibility2DFill(segment, False)
        else:
            _dress(entry, number, look)
            _hold(entry, image, number)
        segments[number] = segment
    for place, segment in enumerate(extra, start=count + 1):
        _hold(segmentation.GetSegment(segment), image, place)
    # Once for all segments, when each has its value: every one that is told of costs time.
    image.Modified()
    order = [*segments.values(), *extra]
    if [segmentation.GetNthSegmentID(place) for place in range(len(order))] != order:
        segmentation.ReorderSegments(order)
    return segments


def change_segments(
    node: Any,
    frame: PlanarView,
    held: Mapping[str, NDArray[np.bool_]],
    added: Iterable[NDArray[np.bool_]],
) -> list[str]:
    """Change what some segments hold and add new ones as the Segment Editor does; no other segment is touched.

    Args:
        node: the vtkMRMLSegmentationNode.
        frame: the anterior whole-body frame.
        held: {segment ID: (rows, columns) what it is to hold}; one that is to hold nothing goes.
        added: (rows, columns) of the new ones.

    Returns:
        IDs of the new segments.
    """
    segmentation = node.GetSegmentation()
    image = _shared(segmentation)
    if image is None or not (lies_on(image, frame) and image.GetDimensions() == (*frame.shape[::-1], 1)):
        # Painted beyond the frame, or in layers of their own.
        image = None
    ids = [str(segmentation.GetNthSegmentID(place)) for place in range(segmentation.GetNumberOfSegments())]
    numbers = [_number(node, segment) for segment in ids]
    if image is not None:
        # A labelmap that was changed loses them, for all that share it.
        segmentation.RemoveRepresentation(SURFACE)
        _clear(segmentation, held, image)
    for segment, mask in held.items():
        if mask.any():
            _draw(node, segment, mask, frame, image)
        else:
            segmentation.RemoveSegment(segment)
    made = [_add(node, mask, frame, image, max(numbers, default=0) + 1 + place) for place, mask in enumerate(added)]
    if image is not None:
        image.GetPointData().GetScalars().Modified()
        image.Modified()
    return made


def review_of(node: Any, segment: str) -> Review:
    """What the physician said of a segment."""
    entry = _entry(node, segment)
    decision, classification = _tag(entry, DECISION_TAG), _tag(entry, CLASSIFICATION_TAG)
    # Only the words of the table count; a scene may hold others.
    return Review(
        next((word for word in DECISIONS if word == decision), "open"),
        next((word for word in CLASSIFICATIONS if word == classification), ""),
    )


def set_review(node: Any, segment: str, review: Review) -> None:
    """Keep what the physician says of a segment, also as Slicer's own segment status."""
    status = {"open": "inprogress", "accepted": "completed", "rejected": "flagged"}[review.decision]
    words = {DECISION_TAG: review.decision, CLASSIFICATION_TAG: review.classification, STATUS_TAG: status}
    for tag, word in words.items():
        _set_tag(_entry(node, segment), tag, word)


def clicked_of(node: Any, segment: str) -> set[ViewName]:
    """The views in which a segment was outlined by a click."""
    words = _tag(_entry(node, segment), CLICKED_TAG).split()
    return {name for name in VIEW_NAMES if name in words}


def set_clicked(node: Any, segment: str, views: Iterable[ViewName]) -> None:
    """Keep in which views a segment was outlined by a click."""
    if words := " ".join(sorted(views)):
        _set_tag(_entry(node, segment), CLICKED_TAG, words)


def review_and_clicks(node: Any, segment: str) -> tuple[Review, set[ViewName]]:
    """What was said of a segment, and the views in which it was outlined by a click."""
    return review_of(node, segment), clicked_of(node, segment)


def set_merged_review(node: Any, segment: str, parts: Sequence[tuple[Review, set[ViewName]]]) -> None:
    """Let a segment have what is told of those it was made of; nothing is rejected with another.

    Args:
        node: the vtkMRMLSegmentationNode.
        segment: its ID.
        parts: `review_and_clicks` of each, the one that counts first.
    """
    reviews = [review for review, _views in parts]
    set_review(node, segment, next((one for one in reviews if one.decision != "rejected"), reviews[0]))
    set_clicked(node, segment, set().union(*(views for _review, views in parts)))


def _add(node: Any, mask: NDArray[np.bool_], frame: PlanarView, image: Any, number: int) -> str:
    """A new segment that holds a mask, in a labelmap that others share or, for None, in one of its own."""
    import slicer

    segmentation, entry = node.GetSegmentation(), slicer.vtkSegment()
    _dress(entry, number, SegmentState())
    if image is not None:
        values = [
            segmentation.GetNthSegment(place).GetLabelValue() for place in range(segmentation.GetNumberOfSegments())
        ]
        _hold(entry, image, max(values) + 1)
    segment = str(segmentation.GenerateUniqueSegmentID(""))
    segmentation.AddSegment(entry, segment)
    set_review(node, segment, Review())
    node.GetDisplayNode().SetSegmentVisibility2DFill(segment, False)
    _draw(node, segment, mask, frame, image)
    return segment


def _draw(node: Any, segment: str, mask: NDArray[np.bool_], frame: PlanarView, image: Any) -> None:
    """Let a segment hold a mask; in a shared labelmap where no other lies."""
    import slicer

    if image is not None:
        _pixels(image, frame)[mask] = _entry(node, segment).GetLabelValue()
        return
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    drawn = labelmap_of(mask.astype(np.int16), frame)
    if not logic.SetBinaryLabelmapToSegment(drawn, node, segment, logic.MODE_REPLACE):
        raise RuntimeError("Slicer did not draw the segment")


def _clear(segmentation: Any, segments: Iterable[str], image: Any) -> None:
    """Take some segments out of the labelmap that all share."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    scalars = vtk_to_numpy(image.GetPointData().GetScalars())
    scalars[np.isin(scalars, [segmentation.GetSegment(segment).GetLabelValue() for segment in segments])] = 0


def _pixels(image: Any, frame: PlanarView) -> NDArray[Any]:
    """(rows, columns) the pixels of a labelmap on the frame's grid themselves."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    return np.asarray(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(frame.shape))


def _owners(sizes: NDArray[np.int64], known: Mapping[int, SegmentState]) -> dict[int, str]:
    """{lesion ID: segment ID} for the lesions that keep a segment: the largest of those that lie on one."""
    owners: dict[int, str] = {}
    for number in sorted(known, key=lambda lesion: -int(sizes[lesion])):
        segment = known[number].segment
        if segment and segment not in owners.values():
            owners[number] = segment
    return owners


def _remove_others(node: Any, wanted: set[str]) -> list[str]:
    """Remove the segments that hold no lesion any more; returns a person's empty ones, which may yet be drawn in."""
    segmentation = node.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(place) for place in range(segmentation.GetNumberOfSegments())]
    extra = []
    for segment in ids:
        if segment in wanted:
            continue
        look = segment_state(node, segment)
        if look.name and _is_empty(segmentation.GetSegment(segment)):
            extra.append(segment)
        else:
            segmentation.RemoveSegment(segment)
    return extra


def _filled(segmentation: Any, pixels: NDArray[np.int16], frame: PlanarView) -> Any:
    """The labelmap that all segments share, with new pixels in it; a new one where they do not share one yet."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image, new = _shared(segmentation), labelmap_of(pixels, frame)
    # A hand that paints may have enlarged it, or given it another type.
    if image is None or image.GetScalarType() != new.GetScalarType() or not _same_grid(image, new):
        return new
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = pixels.ravel()
    image.GetPointData().GetScalars().Modified()
    return image


def _shared(segmentation: Any) -> Any:
    """The labelmap of all segments; None without any, or when they have several."""
    count = segmentation.GetNumberOfSegments()
    images = [segmentation.GetNthSegment(place).GetRepresentation(LABELMAP) for place in range(count)]
    return images[0] if images and all(image is images[0] for image in images) else None


def _same_grid(image: Any, other: Any) -> bool:
    return image.GetExtent() == other.GetExtent() and bool(np.allclose(_place_of(image), _place_of(other)))


def lies_on(image: Any, frame: PlanarView) -> bool:
    """Whether the pixels of a one-slice labelmap are pixels of a view's grid, or would be beyond its edges."""
    return image.GetExtent()[4:] == (0, 0) and bool(np.allclose(_place_of(image), frame.ijk_to_ras))


def _place_of(image: Any) -> NDArray[np.float64]:
    """(4, 4) from pixels to RAS."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _hold(entry: Any, image: Any, value: int) -> None:
    """Let a segment be the pixels of one value in a labelmap."""
    if entry.GetRepresentation(LABELMAP) is not image:
        entry.AddRepresentation(LABELMAP, image)
    if entry.GetLabelValue() != value:
        entry.SetLabelValue(value)


def _is_empty(entry: Any) -> bool:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    image = entry.GetRepresentation(LABELMAP)
    scalars = image.GetPointData().GetScalars() if image is not None else None
    return scalars is None or not bool((vtk_to_numpy(scalars) == entry.GetLabelValue()).any())


def _dress(entry: Any, number: int, look: SegmentState) -> None:
    """Name, colour and terminology of a segment: a person's, or ours by its number; what is right is left alone."""
    name, color = look.name or lesion_name(number), look.color or lesion_color(number)
    if entry.GetName() != name:
        entry.SetName(name)
    if not _alike(entry.GetColor(), color):
        entry.SetColor(*color)
    if entry.GetNameAutoGenerated() or entry.GetColorAutoGenerated():
        entry.SetNameAutoGenerated(False)
        entry.SetColorAutoGenerated(False)
    _set_tag(entry, _terminology_tag(), look.terminology or TERMINOLOGY)
    _set_tag(entry, NUMBER_TAG, str(number))


def _alike(color: Iterable[float], other: Iterable[float]) -> bool:
    return all(abs(part - wanted) <= SAME_COLOR for part, wanted in zip(color, other, strict=True))


def _terminology_tag() -> str:
    import slicer

    return str(slicer.vtkSegment.GetTerminologyEntryTagName())


def _entry(node: Any, segment: str) -> Any:
    return node.GetSegmentation().GetSegment(segment)


def _number(node: Any, segment: str) -> int:
    """The number by which we called and coloured a segment; by its label value in scenes that do not say."""
    entry = _entry(node, segment)
    told = _tag(entry, NUMBER_TAG)
    return int(told) if told.isdigit() and int(told) else max(1, int(entry.GetLabelValue()))


def _tag(entry: Any, name: str) -> str:
    import vtk

    value = vtk.reference("")
    entry.GetTag(name, value)
    return str(value)


def _set_tag(entry: Any, name: str, value: str) -> None:
    if _tag(entry, name) != value or not entry.HasTag(name):
        entry.SetTag(name, value)
