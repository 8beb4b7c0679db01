"""Figure 10: ground truth and predictions, on the cases recorded in the output folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.files import whole_file

from ..definitions import TableRow, key_of
from .results import Output

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: (experiment, row) and title of the methods shown.
METHODS = (
    (("fig7", 0), "no label\n(Eq. 7)"),
    (("fig7", 5), "paper's method\n(Eq. 6, 37 %)"),
    (("fig9", 1), "Eq. 6 on the\naggregate"),
    (("fig7", 10), "ours, mean\nteacher (37 %)"),
    (("table6", 10), "U-Net, converged\n(37 %)"),
    (("table6", 11), "nnU-Net, longest\n(37 %)"),
)
VIEWS = (("anterior", "anterior"), ("posterior", "posterior, from the front"), ("union", "sum of the views"))
TRUTH, IGNORED, PREDICTED = "#0072B2", "#56B4E9", "#D55E00"


def draw_pictures(output: Output, folder: Path) -> list[tuple[str, str]]:
    """Write fig10-CASE.png for every case; return (file name, caption) of each, or [] while no method has a result."""
    methods = [(title, _masks(output, output.plan.experiments[name].rows[index])) for (name, index), title in METHODS]
    methods = [(title, masks) for title, masks in methods if masks]
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


def _masks(output: Output, row: TableRow) -> dict[str, NDArray[np.uint8]]:
    """Read the packed masks of a row's first seed; {} without any."""
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
    figure = Figure(figsize=(1.75 * columns, 1.75 * len(VIEWS) + 0.55), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(VIEWS), columns, squeeze=False)
    for line, (view, title) in enumerate(VIEWS):
        counts, truth = arrays[f"{case}|{view}|counts"], arrays[f"{case}|{view}|truth"]
        for column in range(columns):
            axes = grid[line, column]
            predicted = None if column == 0 else _unpacked(methods[column - 1][1], f"{case}|{view}", counts.shape)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_color("0.8")
            if column and predicted is None:
                axes.text(0.5, 0.5, "predicts the\nsum only", ha="center", va="center", color="0.55", fontsize=8)
                axes.set_box_aspect(counts.shape[0] / counts.shape[1])
            else:
                axes.imshow(255 - counts, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                _outline(axes, truth == 2, IGNORED, ":")
                _outline(axes, truth == 1, TRUTH, "-")
                if predicted is not None:
                    _outline(axes, predicted, PREDICTED, "-")
            if line == 0:
                axes.set_title("ground truth" if column == 0 else methods[column - 1][0], fontsize=8)
        grid[line, 0].set_ylabel(title, fontsize=8)
    with whole_file(path) as part:
        figure.savefig(part, dpi=110, format="png")
        _with_few_colours(part)


def _with_few_colours(path: Path) -> None:
    """Reduce the colours to greys and blends of the outlines' colours, because counting noise makes the files large."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    colours = [np.full(3, grey) for grey in np.linspace(0, 1, 33)]
    for name in (TRUTH, IGNORED, PREDICTED):
        for share, grey in np.ndindex(3, 5):
            colours.append((share + 1) / 3 * np.array(to_rgb(name)) + (2 - share) / 3 * grey / 4)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.rint(255 * np.concatenate(colours)).astype(np.uint8).tobytes())
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(path, format="png", optimize=True)


def _unpacked(masks: dict[str, NDArray[np.uint8]], name: str, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    if name not in masks:
        return None
    count = int(np.prod(shape))
    return np.unpackbits(masks[name], count=count).reshape(shape).astype(bool)


def _outline(axes: Axes, mask: NDArray[np.bool_], colour: str, style: str) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), levels=[0.5], colors=[colour], linewidths=0.9, linestyles=[style])
