"""Check that a scan is plausible: each view shows one whole human body, in counts.

Implausible scans are refused with a remedy, doubtful ones get a warning. The checks use arrays only, so that scans from
files, scenes and scripts are treated alike.
"""

from __future__ import annotations

import numpy as np

from ..common.errors import UserError
from .bodies import (
    HUMAN_LENGTH_MM,
    Silhouette,
    bodies_in,
    head_down,
    human_length,
    silhouette,
    stacked,
    wide_body,
)
from .grey import GreyScale, grey_scale
from .planar import PlanarView, ViewName, WholeBodyScan
from .side_evidence import side_warnings

__all__ = ["FEWEST_STEPS", "check_scan"]

#: The field of a camera without moving bed is shorter than this; that of a whole-body scan is longer.
SHORTEST_FIELD_MM = 650.0
#: Width of trunk and arms, from an infant to arms held aside (mm).
HUMAN_WIDTH_MM = (80.0, 1200.0)
#: Fewest grey steps in the body at which a lesion is visible, in a scaled image and in counts; below the third number
#: there is a warning.
FEWEST_STEPS, FEWEST_COUNTS, FEW_STEPS = 8, 4, 12
#: Share of the body's pixels at the highest value above which there is a warning.
SATURATED = 0.0005

#: A clause without its full stop, and the fields that its remedy sets.
Refusal = tuple[str, tuple[str, ...]]


def check_scan(scan: WholeBodyScan, *, override: bool = False, can_override: bool = True) -> list[str]:
    """Check a scan, and return warnings about what may be wrong.

    Args:
        scan: the scan as loaded.
        override: turn refusals into warnings.
        can_override: whether the caller can set `override`; the message of a refusal then offers it.

    Raises:
        UserError: pixels that are not numbers; unless overridden, no whole human body, or too few grey steps.
    """
    notes: list[str] = []
    shapes: list[Silhouette] = []
    for name, view in scan.views.items():
        if not np.isfinite(view.counts).all():
            raise UserError(
                f"{scan.case} has pixels that are not numbers in its {name} view; set them to counts or export the "
                "scan again."
            )
        scale = grey_scale(view.counts)
        shapes.append(silhouette(view.counts))
        for clause, fields in _impossible(view, name, scan.case, scale, shapes[-1]):
            if not override and can_override:
                raise UserError(f"{clause}, or read it anyway.", *fields, "read_anyway")
            if not override:
                raise UserError(f"{clause}.", *fields)
            notes.append(f"{clause}; it was read anyway.")
        notes += _doubtful(scale, name, scan.case)
    if head_down(shapes[0]):
        notes.append(
            f"The body in {scan.case} seems to lie with its feet at the top: check that the head is at the top."
        )
    return [*notes, *side_warnings(scan)]


def _impossible(view: PlanarView, name: ViewName, case: str, scale: GreyScale, shape: Silhouette) -> list[Refusal]:
    """Return the reasons why a view cannot show a whole body in counts."""
    field = [count * edge for count, edge in zip(view.shape, view.spacing, strict=True)]
    steps = scale.steps
    found: list[Refusal] = []
    if field[0] < SHORTEST_FIELD_MM:
        clause = (
            f"The {name} view of {case} has a field of {field[1] / 10:.0f} x {field[0] / 10:.0f} cm, which holds no "
            "whole body: give a whole-body scan, or the right pixel size"
        )
        found.append((clause, ("pixel_size",)))
    else:
        found += _body_size(view, name, case, shape)
        if stacked(shape, view.spacing):
            clause = (
                f"The {name} view of {case} shows two bodies one above the other: give each view an image of its own"
            )
            found.append((clause, ()))
        elif wide_body(shape, view.spacing):
            clause = (
                f"The body in the {name} view of {case} lies across: rotate the image so that the head is at the top"
            )
            found.append((clause, ()))
    if steps < (FEWEST_COUNTS if scale.unbroken else FEWEST_STEPS):
        clause = (
            f"The {name} view of {case} has {steps} grey step{'' if steps == 1 else 's'} in its body, too few to read: "
            "give the original counts"
        )
        found.append((clause, ()))
    return found


def _body_size(view: PlanarView, name: ViewName, case: str, shape: Silhouette) -> list[Refusal]:
    bodies = bodies_in(shape)
    if not bodies:
        return []
    length = (max(body.rows[1] for body in bodies) - min(body.rows[0] for body in bodies)) * view.spacing[0]
    width = (max(body.columns[1] for body in bodies) - min(body.columns[0] for body in bodies)) * view.spacing[1]
    if human_length(length) and HUMAN_WIDTH_MM[0] <= width <= HUMAN_WIDTH_MM[1]:
        return []
    clause = (
        f"The body in the {name} view of {case} would be {length / 10:.0f} cm long and {width / 10:.0f} cm wide at "
        f"pixels of {view.spacing[0]:.3g} mm, outside the human range ({HUMAN_LENGTH_MM[0] / 10:.0f} to "
        f"{HUMAN_LENGTH_MM[1] / 10:.0f} cm): give the right pixel size"
    )
    return [(clause, ("pixel_size",))]


def _doubtful(scale: GreyScale, name: ViewName, case: str) -> list[str]:
    """Return warnings about saturation and few grey steps."""
    notes = []
    if scale.saturated > SATURATED:
        notes.append(
            f"The {name} view of {case} is cut off at {scale.top:g}: {100 * scale.saturated:.1f} % of the body's "
            "pixels hold that value, lesions among them cannot be distinguished."
        )
    if scale.steps < FEW_STEPS:
        notes.append(
            f"The {name} view of {case} has only {scale.steps} grey steps in its body: faint lesions are lost."
        )
    return notes
