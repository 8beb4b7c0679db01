"""Contact sheets of simulated patients, for visual comparison with real scans (`calibrate --contact-sheet`).

Each of GROUPS has a sheet with both views of PATIENTS_PER_SHEET patients in inverse grey. In the upper row black begins
at a low count (soft tissue and normal bone are visible), in the lower row at a high one. The lower row shows the
outlines that the readers agreed on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import ensure_writable
from SpectBoneMetSegLib.model.inputs import body_scale
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, mirror

from ...common.parallel import parallel_map
from ...dataset.cases import LESION, label_map
from .population import READER_STREAM, agreed_instances

if TYPE_CHECKING:
    from ..disease.patient import Patient

#: Patients of a sheet, rows and columns of their scans, pixel edge (mm), and columns that are shown.
PATIENTS_PER_SHEET, SHAPE, SPACING_MM, WIDTH = 8, (1024, 256), 2.8, 180
#: Rows shown above the head and below the feet.
MARGIN = 8
#: Counts that are black in the upper and the lower row, in units of the body's level.
BLACK = (4.0, 12.0)
#: Smallest radius of a large lesion.
LARGE_MM = 22.0

Image = NDArray[np.float32]


@dataclass(frozen=True)
class SheetView:
    """One view as acquired, with outlines.

    Attributes:
        counts: (rows, columns) counts as acquired.
        outlines: (rows, columns) pixels on an outline of the readers' consensus.
    """

    counts: Image
    outlines: NDArray[np.bool_]


def draw_contact_sheets(seed: int, output: Path, jobs: int = 1, each: int = PATIENTS_PER_SHEET) -> list[Path]:
    """Write contact_sheet_<group>.png for every group into `output`; returns the files.

    Raises:
        UserError: the folder cannot be written.
    """
    ensure_writable(output)
    written = []
    for group, belongs in GROUPS.items():
        chosen = list(islice(_of_group(seed, belongs), each))
        scanned = partial(_scan_patient, seed, healthy=group == "without")
        patients = list(parallel_map(scanned, chosen, jobs))
        path = output / f"contact_sheet_{group}.png"
        try:
            plot_sheet(patients, path)
        except OSError as error:
            raise UserError(
                f"{output} cannot be written ({reason_of(error)}); choose another output folder.", "output"
            ) from error
        written.append(path)
    return written


def plot_sheet(patients: list[list[SheetView]], path: Path) -> None:
    """Write the views of all patients in two rows, one image pixel per scan pixel."""
    from matplotlib.image import imsave

    rows = max(shown.counts.shape[0] for patient in patients for shown in patient)
    strips = []
    for row, black in enumerate(BLACK):
        panels = [_panel(shown, black, rows, outlined=row > 0) for patient in patients for shown in patient]
        strips.append(np.concatenate(panels, axis=1))
    imsave(path, np.concatenate(strips, axis=0))


def _panel(shown: SheetView, black: float, rows: int, *, outlined: bool) -> NDArray[np.float32]:
    """Return an image (rows, WIDTH, 3; 0..1) of one view: dark is hot, the rims of outlines are red."""
    from scipy import ndimage

    grey = 1 - np.clip(shown.counts / (black * body_scale(shown.counts)), 0, 1)
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    if outlined:
        picture[ndimage.binary_dilation(shown.outlines) & ~shown.outlines] = (0.85, 0.1, 0.1)
    picture = np.pad(picture, ((0, rows - len(picture)), (0, 0), (0, 0)), constant_values=1.0)
    picture[:, -1] = 0.8
    return picture


def _of_group(seed: int, belongs: Callable[[Patient], bool]) -> Iterator[int]:
    """Yield the indices of the patients who belong to a group, in order."""
    from ..disease.patient import draw_patient, random_stream
    from ..scan.simulate import PATIENT_STREAM

    positive = belongs is not _without
    return (n for n in count() if belongs(draw_patient(random_stream((seed, n), PATIENT_STREAM), positive=positive)))


def _scan_patient(seed: int, number: int, *, healthy: bool) -> list[SheetView]:
    """Simulate both views of one patient, cropped to the body, the posterior view from behind."""
    from ..scan.readers import consensus
    from ..scan.simulate import simulate_case

    case = simulate_case("sheet", (seed, number), positive=not healthy, shape=SHAPE, spacing=SPACING_MM)
    lesions = agreed_instances(case, consensus(case, (seed, number, READER_STREAM, 0)))
    first, end = (round(case.landmarks[name]) for name in ("head_top_row", "feet_row"))
    middle = (SHAPE[1] - WIDTH) // 2
    box = slice(max(first - MARGIN, 0), end + MARGIN), slice(middle, middle + WIDTH)
    shown = []
    for name in VIEW_NAMES:
        if name not in case.scan.views:
            continue
        view = case.scan.views[name]
        front = np.asarray((mirror(view) if name == "posterior" else view).counts, np.float32)
        outlines = label_map(lesions, name, front.shape) == LESION
        turn = slice(None, None, -1 if name == "posterior" else 1)
        shown.append(SheetView(front[box][:, turn], outlines[box][:, turn]))
    return shown


def _diffuse(patient: Patient) -> bool:
    return patient.pattern not in ("", "foci")


def _large(patient: Patient) -> bool:
    return not _diffuse(patient) and any(item.focus.form.radius >= LARGE_MM for item in patient.metastases)


def _without(patient: Patient) -> bool:
    return not patient.metastases


#: Groups, and whether a patient belongs to each.
GROUPS: dict[str, Callable[[Patient], bool]] = {"diffuse": _diffuse, "large": _large, "without": _without}
