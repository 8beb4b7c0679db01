"""Planar views and whole-body scans: counts on a pixel grid with a position in patient space.

Both views are planes in patient space (RAS, mm) at A = 0, because a planar image has no depth. Anterior columns run
from the patient's right to left, posterior columns from left to right, rows of both from head to foot. With these
directions the mirroring of the posterior view (Lin et al. 2022, Eq. 4) is a change of coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ViewName = Literal["anterior", "posterior"]
VIEW_NAMES: tuple[ViewName, ViewName] = ("anterior", "posterior")

#: The paper's pixel size (mm) and whole-body matrix (rows, columns): Lin et al. 2022, Sec. 3.1.
REFERENCE_SPACING_MM = 2.26
REFERENCE_SHAPE = (1024, 256)

#: Relative difference of pixel size below which two grids count as equal (header values are rounded).
SPACING_TOLERANCE = 0.005


@dataclass(frozen=True)
class PlanarView:
    """One detector view.

    Attributes:
        counts: (rows, columns) float32, counts per pixel, as the detector sees the patient: the posterior view is
            stored as acquired, from behind.
        spacing: (row spacing, column spacing) in mm.
        name: "anterior" or "posterior".
        origin: RAS position in mm of the centre of pixel (0, 0). By default the field is centred on R = S = 0.
    """

    counts: NDArray[np.float32]
    spacing: tuple[float, float]
    name: ViewName
    origin: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or 0 in self.counts.shape:
            raise ValueError(f"a planar view has rows and columns, not shape {self.counts.shape}")
        if min(self.spacing) <= 0:
            raise ValueError(f"pixel spacing must be positive, not {self.spacing}")
        object.__setattr__(self, "counts", np.ascontiguousarray(self.counts, dtype=np.float32))
        if self.origin is None:
            object.__setattr__(self, "origin", centred_origin(self.shape, self.spacing, self.name))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.counts.shape
        return rows, columns

    @property
    def ijk_to_ras(self) -> NDArray[np.float64]:
        """4x4 matrix from (column i, row j, slice k) to RAS mm; right-handed, slice thickness 1 mm."""
        return ijk_to_ras(self.name, self.spacing, self.origin or (0.0, 0.0, 0.0))

    def with_counts(self, counts: NDArray[np.float32]) -> PlanarView:
        """Return a view with the same grid and other counts.

        Raises:
            ValueError: the shapes differ.
        """
        if counts.shape != self.counts.shape:
            raise ValueError(f"shape {counts.shape} does not fit the view's {self.counts.shape}")
        return replace(self, counts=counts)


@dataclass(frozen=True)
class ScanSource:
    """Source of a scan, without anything that identifies the patient.

    Attributes:
        files: absolute paths; for arrays, the name of the case.
        sha256: one hex digest per file, same order.
        sop_instance_uids: one per DICOM file, empty for other formats.
        study_instance_uid: of DICOM files, empty for other formats.
        description: manufacturer, model, study date and similar, for display.
    """

    files: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    sop_instance_uids: tuple[str, ...] = ()
    description: dict[str, str] = field(default_factory=dict)
    study_instance_uid: str = ""


@dataclass(frozen=True)
class WholeBodyScan:
    """A planar whole-body study with one or two views.

    Attributes:
        case: short name of the study (file stem or folder name).
        anterior: the anterior view, if it exists; at least one view does.
        posterior: the posterior view, if it exists.
        source: files and identifiers.
        warnings: messages for the receipt.
    """

    case: str
    anterior: PlanarView | None
    posterior: PlanarView | None
    source: ScanSource = field(default_factory=ScanSource)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.anterior is None and self.posterior is None:
            raise ValueError("a scan needs at least one view")
        for view, name in ((self.anterior, "anterior"), (self.posterior, "posterior")):
            if view is not None and view.name != name:
                raise ValueError(f"the {name} view is named {view.name}")

    @property
    def views(self) -> dict[ViewName, PlanarView]:
        """The views that exist, anterior first."""
        found: dict[ViewName, PlanarView] = {}
        if self.anterior is not None:
            found["anterior"] = self.anterior
        if self.posterior is not None:
            found["posterior"] = self.posterior
        return found

    @property
    def frame(self) -> PlanarView:
        """Grid of all masks, the anterior whole-body frame: the anterior view, or the mirrored posterior one."""
        if self.anterior is not None:
            return self.anterior
        assert self.posterior is not None
        return mirror(self.posterior)


def centred_origin(shape: tuple[int, int], spacing: tuple[float, float], name: ViewName) -> tuple[float, float, float]:
    """Return RAS mm of pixel (0, 0) if the centre of the field lies at R = S = 0."""
    right = (shape[1] - 1) / 2 * spacing[1] * (1 if name == "anterior" else -1)
    return (right, 0.0, (shape[0] - 1) / 2 * spacing[0])


def ijk_to_ras(name: ViewName, spacing: tuple[float, float], origin: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the 4x4 IJK -> RAS matrix of a grid; `spacing` is (row, column) mm, `origin` RAS mm of pixel (0, 0)."""
    sign = -1.0 if name == "anterior" else 1.0
    matrix = np.eye(4)
    matrix[:3, 0] = (sign * spacing[1], 0.0, 0.0)
    matrix[:3, 1] = (0.0, 0.0, -spacing[0])
    matrix[:3, 2] = (0.0, sign, 0.0)
    matrix[:3, 3] = origin
    return matrix


def mirror(view: PlanarView) -> PlanarView:
    """Return the view as seen from the other side: columns reversed, same positions in the patient."""
    assert view.origin is not None
    other: ViewName = "posterior" if view.name == "anterior" else "anterior"
    step = view.ijk_to_ras[0, 0]
    far = (view.origin[0] + step * (view.shape[1] - 1), view.origin[1], view.origin[2])
    return PlanarView(view.counts[:, ::-1], view.spacing, other, far)


def same_grid(one: PlanarView, two: PlanarView) -> bool:
    """Whether the pixels of two views coincide (same side, shape, spacing, and origin to 1 % of a pixel)."""
    assert one.origin is not None
    assert two.origin is not None
    return (
        one.name == two.name
        and one.shape == two.shape
        and np.allclose(one.spacing, two.spacing, rtol=SPACING_TOLERANCE)
        and np.allclose(one.origin, two.origin, atol=0.01 * min(one.spacing))
    )


def to_ras(corners: NDArray[np.float64], frame: PlanarView) -> NDArray[np.float64]:
    """Convert (n, 2) (row, column) positions on `frame`'s grid to (n, 3) RAS mm."""
    ijk = np.column_stack((corners[:, 1], corners[:, 0], np.zeros(len(corners)), np.ones(len(corners))))
    return (ijk @ frame.ijk_to_ras.T)[:, :3]
