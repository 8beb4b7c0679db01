"""The parameters of one acquisition with a gamma camera: camera, patient movements and pieces of metal."""

from __future__ import annotations

from dataclasses import dataclass

from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, ViewName


@dataclass(frozen=True)
class Camera:
    """The parameters of one acquisition.

    Attributes:
        shape: (rows, columns).
        spacing: pixel edge, mm.
        counts: expected counts of the anterior view.
        top: S (mm) of the upper edge of the field, patient coordinates.
        centre: R (mm) of the centre of the field.
        gap: distance between the patient and the collimator, anterior and posterior, mm.
        scatter: scattered / primary counts.
        scatter_width: factor on the width of the scatter kernel.
        intrinsic: extra blur of the detector, FWHM mm.
        posterior_gain: sensitivity of the posterior detector relative to the anterior one.
        posterior_shift: rows and columns by which the posterior view is shifted in the anterior frame, because a
            single-head camera acquires it later.
        smoothing: sigma (pixels) of the vendor's smoothing filter; 0 for none.
        unevenness: detector non-uniformity: standard deviation of the relative sensitivity of columns.
        views: the views that were acquired, anterior first.
        heads: number of detectors, 1 or 2.
        speed: of the table, cm/min.
        width: of the detector across the table, mm.
        swept: first row and end (half open) of the sweep; None for all rows.
        motion: the patient's movements, see motion.py.
        metal: pieces of metal, see metal.py.
        enhancement: strength of the vendor's resolution recovery after noise suppression; 0 for none.
        capture: counts that are white in an 8-bit capture; 0 where counts are kept.
        ceiling: highest count that the archive stores; 0 for no limit.
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
        """Duration of the sweep, s."""
        first, end = self.swept or (0, self.shape[0])
        return (end - first) * self.spacing / 10 / self.speed * 60


@dataclass(frozen=True)
class Metal:
    """An elliptic piece of metal in front of the patient.

    Attributes:
        kind: for example "pacemaker".
        centre: R and S, mm.
        half_axes: mm.
        angle: of the first axis from R towards S, degrees.
        transmission: share of the photons that pass.
    """

    kind: str
    centre: tuple[float, float]
    half_axes: tuple[float, float]
    angle: float
    transmission: float


@dataclass(frozen=True)
class PatientMovement:
    """One movement of the patient during the sweep, which runs from head to foot.

    Attributes:
        row: row under the detector's upper edge at the time of the movement; rows above it are complete.
        rows: displacement towards the feet, pixels of the anterior frame.
        columns: displacement towards the right edge, pixels of the anterior frame.
        return_row: row at which the patient moves back; None if the patient does not.
        view: the view during which the patient moved; None for both, which a dual-head camera acquires together.
    """

    row: float
    rows: int
    columns: int
    return_row: float | None = None
    view: ViewName | None = None
