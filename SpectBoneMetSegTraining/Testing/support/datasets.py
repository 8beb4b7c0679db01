"""A small data set written by the tests themselves."""

from __future__ import annotations

import numpy as np
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, WholeBodyScan
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop
from SpectBoneMetSegTrainingLib.dataset.cases import (
    Instance,
    SimulatedTruth,
    write_case,
)

#: Pixels of the reference grid, so that nothing is regridded; and pixels that are none of it, nor square.
SHAPE, SPACING, ODD_SPACING = (40, 30), (2.26, 2.26), (2.5, 2.0)


#: On the reference grid; reaches two columns outside the field on the patient's right.
CROP = ThoraxCrop((6, 30), (-2, 22), 0.9)


def block(rows, columns):
    mask = np.zeros(SHAPE, bool)
    mask[rows, columns] = True
    return mask


def lesions():
    """1 is labelled in both views, 2 only behind and overlaps 1 in front, 3 lies outside the crop."""
    one = block(slice(10, 14), slice(5, 9))
    two = block(slice(12, 16), slice(7, 11))
    three = block(slice(34, 37), slice(24, 27))
    both, behind = {"anterior": True, "posterior": True}, {"anterior": False, "posterior": True}
    return [
        Instance(1, {"anterior": one, "posterior": one}, both, {"bone": "T5"}),
        Instance(2, {"anterior": two, "posterior": block(slice(20, 22), slice(3, 5))}, behind, {"bone": "T6"}),
        Instance(3, {"anterior": three, "posterior": three}, both, {"bone": "left femur"}),
    ]


def make_scan(case="a", spacing=SPACING, views=VIEW_NAMES):
    rng = np.random.default_rng(3)
    front = PlanarView(rng.poisson(9, SHAPE), spacing, "anterior", (31.0, 0.0, 700.0))
    behind = PlanarView(rng.poisson(5, SHAPE), spacing, "posterior", (31.0 - 29 * spacing[1], 0.0, 700.0))
    return WholeBodyScan(case, front if "anterior" in views else None, behind if "posterior" in views else None)


def write(
    folder, scan=None, split="train", instances=None, crop=CROP, exact=None, background=None, region="thorax", **about
):
    scan = scan or make_scan()
    found = lesions() if instances is None else instances
    about = {"patient": scan.case, **about}
    simulated = SimulatedTruth(exact, background or {})
    write_case(folder, split, scan, crop, found, about, simulated=simulated, region=region)
    return scan
