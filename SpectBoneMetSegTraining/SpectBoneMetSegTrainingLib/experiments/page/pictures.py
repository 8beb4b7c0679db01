"""Figure 10: truth and what the methods mark, on the cases that the output folder has fixed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..plan import Row, key_of
from .results import Output

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: (experiment, row) and title of the methods that are shown.
METHODS = (
    (("fig7", 0), "no label\n(Eq. 7)"),
    (("fig7", 5), "paper's method\n(Eq. 6, 37 %)"),
    (("fig9", 1), "Eq. 6 on the\naggregate"),
    (("fig7", 10), "ours, mean\nteacher (37 %)"),
    (("table6", 10), "U-Net, converged\n(37 %)"),
    (("table6", 11), "nnU-Net, longest\n(37 %)"),
)
PLACES = (("anterior", "anterior"), ("posterior", "posterior, from the front"), ("union", "sum of the views"))
TRUTH, IGNORED, MARK = "#0072B2", "#56B4E9", "#D55E00"


def draw_pictures(output: Output, folder: Path) -> list[tuple[str, str]]:
    """Write fig10-CASE.png for every case; returns (file name, caption) of each, none while no method has a result."""
    methods = [(title, _marks(output, output.plan.experiments[place[0]].rows[place[1]])) for place, title in METHODS]
    methods = [(title, marks) for title, marks in methods if marks]
    if not methods:
        return []
    with np.load(output.folder / "results" / "pictures.npz") as saved:
        arrays = dict(saved)
    written = []
    for case, kind in output.about["pictures"].items():
        name = f"fig10-{case}.png"
        _draw(case, arrays, methods, folder / name)
        written.append((name, f"Simulated patient {case}: {kind}."))
    return written


def _marks(output: Output, row: Row) -> dict[str, NDArray[np.uint8]]:
    """Packed marks of a row's first seed; empty without them."""
    for seed in output.seeds:
        path = output.folder / "results" / f"{key_of(row.make(seed))}.npz"
        if path.exists():
            with np.load(path) as saved:
                return dict(saved)
    return {}


def _draw(
    case: str,
    arrays: dict[str, NDArray[np.uint8]],
    methods: list[tuple[str, dict[str, NDArray[np.uint8]]]],
    path: Path,
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = 1 + len(methods)
    figure = Figure(figsize=(1.75 * columns, 1.75 * len(PLACES) + 0.55), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(PLACES), columns, squeeze=False)
    for line, (view, title) in enumerate(PLACES):
        counts, truth = arrays[f"{case}|{view}|counts"], arrays[f"{case}|{view}|truth"]
        for column in range(columns):
            axes = grid[line, column]
            mark = None if column == 0 else _unpacked(methods[column - 1][1], f"{case}|{view}", counts.shape)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color("0.8")
            if column and mark is None:
                axes.text(0.5, 0.5, "marks the\nsum only", ha="center", va="center", color="0.55", fontsize=8)
                axes.set_box_aspect(counts.shape[0] / counts.shape[1])
            else:
                axes.imshow(255 - counts, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                _outline(axes, truth == 2, IGNORED, ":")
                _outline(axes, truth == 1, TRUTH, "-")
                if mark is not None:
                    _outline(axes, mark, MARK, "-")
            if line == 0:
                axes.set_title("truth" if column == 0 else methods[column - 1][0], fontsize=8)
        grid[line, 0].set_ylabel(title, fontsize=8)
    part = path.with_name(f".{path.name}")
    figure.savefig(part, dpi=110, format="png")
    _with_few_colours(part)
    part.replace(path)


def _with_few_colours(path: Path) -> None:
    """Counting noise makes such pictures large: greys, and each outline's colour over some of them, are enough."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    colours = [np.full(3, grey) for grey in np.linspace(0, 1, 33)]
    for name in (TRUTH, IGNORED, MARK):
        for share, grey in np.ndindex(3, 5):
            colours.append((share + 1) / 3 * np.array(to_rgb(name)) + (2 - share) / 3 * grey / 4)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * np.concatenate(colours)).astype(np.uint8).tobytes())
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True)


def _unpacked(marks: dict[str, NDArray[np.uint8]], name: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if name not in marks:
        return None
    count = int(np.prod(shape))
    return np.unpackbits(marks[name], count=count).reshape(shape).astype(bool)


def _outline(axes: Axes, mask: NDArray[np.bool_], colour: str, style: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=0.9, linestyles=[style])
