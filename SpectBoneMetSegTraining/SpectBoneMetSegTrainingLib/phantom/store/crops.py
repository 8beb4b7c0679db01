"""Composed scans as training cases: the thorax box on the reference grid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.scan.planar import PlanarView
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.skeleton_regions import class_map

from ...dataset.cases import BACKGROUND, IGNORE, LESION, LabelledCrop
from ...dataset.reference_grid import CropPlacement, place_crop
from .compose import ComposedScan, compose, draw_composition
from .files import read_patient
from .layers import StoredPatient

__all__ = ["FOLDER", "PatientStore", "crop_of", "window_of"]

#: Folder of the patients within a store.
FOLDER = "patients"


class PatientStore:
    """The patients of a store, from which every draw composes a new scan; thread-safe.

    Args:
        folder: of the store.
        region: of the drawn scans, the thorax box or the whole body.

    Raises:
        UserError: the folder holds no patients.
    """

    def __init__(self, folder: Path, region: Region = "thorax") -> None:
        self._region = region
        self._files = sorted(path for path in (folder / FOLDER).glob("*.npz") if path.name[0] != ".")
        if not self._files:
            raise UserError(f"{folder} holds no stored patients; simulate some.", "store", command="simulate --store")

    def __len__(self) -> int:
        return len(self._files)

    def draw(self, rng: np.random.Generator) -> LabelledCrop:
        """Draw a scan of one of the patients; equal random numbers have equal scans.

        Raises:
            UserError: the patient's file is damaged.
        """
        patient = read_patient(self._files[int(rng.integers(len(self._files)))])
        drawn = draw_composition(patient, rng)
        placement = patient.thorax if self._region == "thorax" else _whole(patient)
        return crop_of(compose(patient, drawn, rng, window_of(placement)), placement)


def crop_of(scan: ComposedScan, placement: CropPlacement) -> LabelledCrop:
    """Resample a composed scan, made in the window of this box, to the box on the reference grid."""
    rows, columns = scan.window
    window_placement = replace(placement, own=((rows.start, rows.stop), (columns.start, columns.stop)))
    counts = {view: window_placement.counts(image) for view, image in scan.counts.items()}
    labels = {}
    for view, own in scan.labels.items():
        labels[view] = np.full(counts[view].shape, BACKGROUND, np.uint8)
        for value in (IGNORE, LESION):
            if (own == value).any():
                labels[view][window_placement.mask(own == value)] = value
    regions = {view: window_placement.nearest(class_map(numbers)) for view, numbers in scan.regions.items()}
    return LabelledCrop(scan.patient.case, counts, labels, {}, [], regions=regions)


def _whole(patient: StoredPatient) -> CropPlacement:
    """Return the placement of the whole field."""
    frame = PlanarView(np.zeros(patient.camera.shape, np.float32), (patient.camera.spacing,) * 2, "anterior")
    rows, columns = regrid(frame).shape
    return place_crop(frame, ((0, rows), (0, columns)))


def window_of(placement: CropPlacement) -> tuple[slice, slice]:
    """Return the window of a box in the scan's own pixels, clipped to the field."""
    rows, columns = (
        slice(min(max(first, 0), limit), min(max(end, 0), limit))
        for (first, end), limit in zip(placement.own, placement.shape, strict=True)
    )
    return rows, columns
