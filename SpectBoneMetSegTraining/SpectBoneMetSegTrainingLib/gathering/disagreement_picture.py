"""Plot disagreement between readers: superimposed outlines on both views as acquired, inverted grey."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.notice import RESEARCH_USE
from SpectBoneMetSegLib.lesions.components import outlines_of, smallest_window
from SpectBoneMetSegLib.scan.aggregation import views_on_anterior_grid
from SpectBoneMetSegLib.scan.display import display_window, side_marks
from SpectBoneMetSegLib.scan.planar import PlanarView, ViewName, WholeBodyScan, mirror

from .labels.consensus import Consensus, comparable
from .labels.marks import Labels, image_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_disagreement"]

#: Colour-blind safe palette (Okabe & Ito), readable on white and on grey.
COLORS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DISPUTED = (1.0, 0.85, 0.1, 0.45)
#: Smallest height and width of the field shown, and its margin around the outlines (mm).
SMALLEST_MM, AROUND_MM = 260.0, 40.0
HEIGHT_INCHES = 6.0


def write_disagreement(path: Path, case: str, scan: WholeBodyScan, readers: Sequence[Labels], truth: Consensus) -> None:
    """Write the picture of one case as PNG.

    Args:
        path: the file.
        case: its name in the data set.
        scan: the scan.
        readers: their labels.
        truth: their consensus.

    Raises:
        OSError: it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    window = _window(scan, readers)
    ratio = (
        (window[1].stop - window[1].start)
        * scan.frame.spacing[1]
        / ((window[0].stop - window[0].start) * scan.frame.spacing[0])
    )
    width = max(8.0, len(scan.views) * HEIGHT_INCHES * ratio)
    figure = Figure(figsize=(width, HEIGHT_INCHES + 1.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(scan.views), squeeze=False)[0]
    readers, images = comparable(readers, scan)
    for axes, (name, view) in zip(panels, views_on_anterior_grid(scan).items(), strict=True):
        masks = [image_of(labels, name if name in images else None, scan.frame.shape) for labels in readers]
        _draw(axes, name, view, masks, window)
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=COLORS[i % len(COLORS)], label=labels.reader) for i, labels in enumerate(readers)
    ]
    handles.append(Patch(facecolor=DISPUTED, label="outlined by some"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), 5), frameon=False, title=_pairs(truth)
    )
    title = f"{case}: readers differ by more than 5 % ({', '.join(truth.again)})"
    figure.suptitle(f"{title}\n{RESEARCH_USE}", fontsize=11)
    with whole_file(path) as part:
        figure.savefig(part, dpi=110, format="png")


def _draw(
    axes: Axes, name: ViewName, view: PlanarView, masks: list[NDArray[np.bool_]], window: tuple[slice, slice]
) -> None:
    """Draw one view as acquired: counts, disputed pixels, outlines; all are given in the anterior frame."""
    from matplotlib.patheffects import withStroke

    shown = mirror(view) if name == "posterior" else view

    def turned(image: NDArray[np.generic]) -> NDArray[np.generic]:
        part = image[window]
        return part[:, ::-1] if name == "posterior" else part

    low, high = display_window(view.counts)
    rows, columns = view.counts[window].shape
    aspect = view.spacing[0] / view.spacing[1]
    axes.imshow(turned(view.counts), cmap="gray_r", vmin=low, vmax=high, aspect=aspect, interpolation="bicubic")
    stack = np.stack(masks)
    disputed = np.zeros((rows, columns, 4))
    disputed[np.asarray(turned(stack.any(0) & ~stack.all(0)), bool)] = DISPUTED
    axes.imshow(disputed, aspect=aspect, interpolation="nearest")
    for i, mask in enumerate(masks):
        ids = np.asarray(turned(mask)).astype(np.uint16)
        for piece in (piece for pieces in outlines_of(ids).values() for piece in pieces):
            closed = np.vstack((piece, piece[:1]))
            axes.plot(closed[:, 1], closed[:, 0], color=COLORS[i % len(COLORS)], linewidth=1.4)
    near, far = side_marks(shown)
    halo = [withStroke(linewidth=3, foreground="white")]
    for x, text, align in ((0.02, near, "left"), (0.98, far, "right")):
        axes.text(x, 0.98, text, transform=axes.transAxes, ha=align, va="top", fontsize=13, path_effects=halo)
    axes.set_title("Anterior" if name == "anterior" else "Posterior (from behind)")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))


def _window(scan: WholeBodyScan, readers: Sequence[Labels]) -> tuple[slice, slice]:
    """Return rows and columns of the anterior frame around all readers' outlines."""
    frame = scan.frame
    marks = np.any([image_of(labels, None, frame.shape) for labels in readers], axis=0)
    box = smallest_window(marks) or (slice(0, frame.shape[0]), slice(0, frame.shape[1]))
    result = []
    for edges, size, step in zip(box, frame.shape, frame.spacing, strict=True):
        middle = (edges.start + edges.stop) / 2
        half = max((edges.stop - edges.start) / 2 + AROUND_MM / step, SMALLEST_MM / 2 / step)
        first = int(np.clip(middle - half, 0, max(0, size - 2 * half)))
        result.append(slice(first, min(size, round(first + 2 * half))))
    return result[0], result[1]


def _pairs(truth: Consensus) -> str:
    """Format the area differences of all pairs, one line per image."""
    lines: dict[str, list[str]] = {}
    for pair in truth.comparisons:
        lines.setdefault(pair.image, []).append(f"{pair.first} / {pair.second} {pair.difference:.0%}")
    return "area differences (Eq. 2)\n" + "\n".join(f"{image}: {', '.join(pairs)}" for image, pairs in lines.items())
