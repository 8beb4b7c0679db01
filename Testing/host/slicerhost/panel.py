"""What tests check and do in the module's panel."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray


def table_of(panel: Any, *columns: int) -> list[tuple[str, ...]]:
    """The texts of some columns of the lesion table."""
    table = panel.ui.lesionTable
    return [tuple(table.item(row, column).text() for column in columns) for row in range(table.rowCount)]


def all_nodes(host: Any) -> Counter[str]:
    """How many nodes of each class the scene has."""
    scene = host.slicer.mrmlScene
    return Counter(scene.GetNthNode(index).GetClassName() for index in range(scene.GetNumberOfNodes()))


def curve_areas(live: Any) -> list[float]:
    """mm² inside the outlines, in the order of the lesions."""
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    areas = []
    for curve in outlines_of(live.node):
        points = np.array([curve.GetNthControlPointPositionWorld(i) for i in range(curve.GetNumberOfControlPoints())])
        x, z = points[:, 0], points[:, 2]
        areas.append(abs(np.dot(x, np.roll(z, -1)) - np.dot(z, np.roll(x, -1))) / 2)
    return areas


def assert_all_agree(panel: Any) -> None:
    """Segments, outlines, table and reading say the same."""
    live = panel.live
    lesions = live.reading.lesions
    assert table_of(panel, 1) == [(f"{lesion.area_mm2 / 100:.2f}",) for lesion in lesions]
    np.testing.assert_allclose(curve_areas(live), [lesion.area_mm2 for lesion in lesions], rtol=1e-6)
    labels, _ = live._labels()
    np.testing.assert_array_equal(labels > 0, live.reading.mask > 0)


def erase(live: Any, lesion: int) -> None:
    """Take a lesion away with the eraser."""
    paint(live, lesion, (slice(None), slice(None)), 0)


def paint(live: Any, lesion: int, window: tuple[slice, slice], value: int) -> None:
    """What a brush or eraser of the Segment Editor does: change the shared labelmap and notify.

    Args:
        live: the reading.
        lesion: whose segment is in the editor's hand.
        window: (rows, columns) of the anterior frame as slices.
        value: 1 paints, 0 erases.
    """
    import slicer
    from vtkmodules.util.numpy_support import vtk_to_numpy

    segmentation = live.node.GetSegmentation()
    segment = segmentation.GetSegment(live.segment_of(lesion))
    image = segment.GetRepresentation("Binary labelmap")
    left, right, top, bottom, _, _ = image.GetExtent()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(bottom - top + 1, right - left + 1)
    whole = np.zeros(live.result.scan.frame.shape, pixels.dtype)
    whole[top : bottom + 1, left : right + 1] = pixels
    part = whole[window]
    part[(part == segment.GetLabelValue()) if value == 0 else (part == 0)] = value and segment.GetLabelValue()
    pixels[:] = whole[top : bottom + 1, left : right + 1]
    image.Modified()
    segmentation.InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
    # Modules take changes over when the application has a moment for it.
    slicer.app.processEvents()


def pixels_of(live: Any, lesion: int) -> NDArray[np.bool_]:
    """(rows, columns) where a lesion lies."""
    from SpectBoneMetSegLib.lesions.components import number_lesions

    return number_lesions(live.reading.mask) == lesion


def stands_out(live: Any) -> int:
    """The lesion whose outline is thicker than the others."""
    from SpectBoneMetSegLib.mrml.stored_result import outlines_of

    widths = [curve.GetDisplayNode().GetGlyphScale() for curve in outlines_of(live.node)]
    assert widths.count(max(widths)) == 1
    return widths.index(max(widths)) + 1
