"""One acquisition with a gamma camera, as data: the camera, a patient's jerk, a piece of metal."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName


@dataclass(frozen=True)
class Camera:
    """One acquisition.

    Attributes:
        shape: (rows, columns).
        spacing: pixel edge, mm.
        counts: expected counts of the anterior view.
        top: S (mm) of the upper edge of the field, patient coordinates.
        centre: R (mm) of its middle.
        gap: mm between the patient and the collimator, anterior and posterior.
        scatter: scattered / primary counts.
        scatter_width: factor on the length of the tail.
        intrinsic: extra blur of the detector, FWHM mm.
        posterior_gain: sensitivity of the posterior detector relative to the anterior one.
        posterior_shift: rows and columns by which the posterior view lies off, in the anterior frame: a single-head
            camera acquires it later.
        smoothing: sigma in pixels of a filter that the vendor applies to the counts; 0 for none.
        unevenness: relative sensitivity of the detector's columns, one standard deviation.
        views: the views that exist, anterior first.
        heads: detectors, 1 or 2.
        speed: of the table, cm/min.
        width: of the detector across the table, mm.
        swept: first row and end (half open) over which it passed, None for all.
        motion: see motion.py.
        metal: see metal.py.
        enhancement: strength of the vendor's resolution recovery after noise suppression; 0 for none.
        capture: counts that are white in an 8-bit capture; 0 for counts as they are.
        ceiling: highest count that the archive keeps; 0 for none.
    """

    shape: tuple[int, int]
    spacing: float
    counts: float
    top: float
    centre: float
    gap: tuple[float, float]
    scatter: float
    scatter_width: float
    intrinsic: float
    posterior_gain: float
    posterior_shift: tuple[int, int] = (0, 0)
    smoothing: float = 0.0
    unevenness: float = 0.0
    views: tuple[ViewName, ...] = VIEW_NAMES
    heads: int = 2
    speed: float = 12.0
    width: float = float("inf")
    swept: tuple[int, int] | None = None
    motion: tuple[PatientMovement, ...] = ()
    metal: tuple[Metal, ...] = ()
    enhancement: float = 0.0
    capture: float = 0.0
    ceiling: int = 0

    @property
    def seconds(self) -> float:
        """Duration of the sweep."""
        first, end = self.swept or (0, self.shape[0])
        return (end - first) * self.spacing / 10 / self.speed * 60


@dataclass(frozen=True)
class Metal:
    """An elliptic piece of metal in front of the patient.

    Attributes:
        kind: for example "pacemaker".
        centre: R and S, mm.
        half_axes: mm.
        angle: degrees of the first axis from R towards S.
        transmission: share of the photons that pass.
    """

    kind: str
    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle: float
    transmission: float


@dataclass(frozen=True)
class PatientMovement:
    """One movement of the patient; the sweep runs from head to foot.

    Attributes:
        row: row under the detector's upper edge at that moment; rows above are finished.
        rows: how far the patient moves, pixels of the anterior frame, towards the feet and to the right edge.
        columns: how far the patient moves, pixels of the anterior frame, towards the feet and to the right edge.
        return_row: row at which the patient moves back, None to stay.
        view: the view during which it happened; None for both, which a dual-head camera counts at once.
    """

    row: float
    rows: int
    columns: int
    return_row: float | None = None
    view: ViewName | None = None
