"""Many simulated patients into one data set: `spectbonemetseg simulate`."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from SpectBoneMetSegLib.aggregation import aggregate
from SpectBoneMetSegLib.cropping import crop_thorax
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.planar import mirror

from ..dataset import Instance, finish_dataset, read_json, write_case, write_image, write_json

if TYPE_CHECKING:
    from .hospital import SimulatedCase

#: Raised whenever the same seed gives other scans.
SIMULATOR_VERSION = 2
#: Readers draw from a stream of their own: the scans are the same with and without them.
READER_STREAM = 1


@dataclass(frozen=True)
class Population:
    """What `simulate` was asked for; kept in the data set as simulation.json.

    Attributes:
        patients: number of labelled patients; unlabelled: patients without labels on top.
        seed: of everything; test_share: share of the labelled patients that goes to imagesTs.
        dicom: write the whole-body scans as DICOM NM too; readers: write three simulated readers' marks too.
        version: of the simulator.
    """

    patients: int
    seed: int
    unlabelled: int = 0
    test_share: float = 0.2
    dicom: bool = True
    readers: bool = False
    version: int = SIMULATOR_VERSION

    def split(self, index: int) -> str:
        """Split of patient `index`; by position, so that a larger population keeps the smaller one's patients."""
        if index >= self.patients:
            return "unlabelled"
        # The allowance keeps rounding (0.1 * 30 and the like) from moving a patient.
        before, after = (math.floor(count * self.test_share + 1e-9) for count in (index, index + 1))
        return "test" if after > before else "train"


def simulate_population(
    folder: Path, population: Population, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the data set into `folder`; what a broken-off run left there whole is kept.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    _prepare(folder, population)
    try:
        _simulate_missing(folder, population, jobs, progress)
        finish_dataset(
            folder,
            "SimulatedBoneScans",
            population.seed,
            f"Simulated planar whole-body bone scans (simulator {population.version}, seed {population.seed}). "
            "No patient data.",
        )
    except OSError as error:
        why = error.strerror or error
        raise UserError(f"{folder} cannot be written ({why}); free space and run the same command again.") from error


def case_name(population: Population, index: int) -> str:
    """Case names carry the seed, so that data sets can be put together."""
    return f"sim{population.seed:04d}_{index:05d}"


def _simulate_missing(
    folder: Path, population: Population, jobs: int, progress: Callable[[int, int], None] | None
) -> None:
    total = population.patients + population.unlabelled
    waiting = [i for i in range(total) if not (folder / "instances" / f"{case_name(population, i)}.json").exists()]
    done = total - len(waiting)
    if jobs > 1 and len(waiting) > 1:
        with ProcessPoolExecutor(jobs) as pool:
            for _ in pool.map(_simulate_one, *zip(*((folder, population, i) for i in waiting), strict=True)):
                done += 1
                if progress:
                    progress(done, total)
    else:
        for index in waiting:
            _simulate_one(folder, population, index)
            done += 1
            if progress:
                progress(done, total)


def _write_readers(folder: Path, simulated: SimulatedCase, seed: tuple[int, ...]) -> None:
    """readers/<case>_<view>.nii.gz: (readers, rows, columns) marks of the first round; _agreed; JSON: Eq. 2."""
    from .readers import consensus

    view = simulated.scan.anterior
    assert view is not None
    case = simulated.scan.case
    marks, agreed = consensus(simulated, seed)
    for name, found in agreed.items():
        layers = np.stack([reader[name] for reader in marks]).astype(np.uint8)
        write_image(folder / "readers" / f"{case}_{name}.nii.gz", layers, view, view.origin)
        write_image(folder / "readers" / f"{case}_{name}_agreed.nii.gz", found.mask.astype(np.uint8), view, view.origin)
    record = {
        name: {
            "area_differences": [round(value, 4) for value in found.differences],
            "rounds": found.rounds,
            "decided_by": found.decided_by,
        }
        for name, found in agreed.items()
    }
    write_json(folder / "readers" / f"{case}.json", record)


def _prepare(folder: Path, population: Population) -> None:
    asked = asdict(population)
    about = folder / "simulation.json"
    if about.exists():
        if read_json(about) != asked:
            raise UserError(f"{folder} holds a data set simulated with other options; choose another --output.")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not a simulated data set; choose another --output.")
    try:
        write_json(about, asked)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}); choose another --output.") from error


def _simulate_one(folder: Path, population: Population, index: int) -> None:
    from .dicom_nm import write_nm_wholebody
    from .hospital import simulate_case

    name = case_name(population, index)
    simulated = simulate_case(name, (population.seed, index))
    scan = simulated.scan
    assert scan.posterior is not None
    instances = [
        Instance(
            lesion.id,
            {view: shown.mask for view, shown in lesion.views.items()},
            {view: shown.visible for view, shown in lesion.views.items()},
            {
                "bone": lesion.bone,
                "uptake": lesion.uptake,
                "contrast": {view: round(shown.contrast, 4) for view, shown in lesion.views.items()},
                "snr": {view: round(shown.snr, 3) for view, shown in lesion.views.items()},
            },
        )
        for lesion in simulated.lesions
    ]
    if population.dicom:
        write_nm_wholebody(
            folder / "dicom" / f"{name}.dcm", scan, patient_id=name, uid_text=f"{name}, {SIMULATOR_VERSION}"
        )
    if population.readers:
        _write_readers(folder, simulated, (population.seed, index, READER_STREAM))
    crop = crop_thorax(aggregate(scan).counts, scan.anterior.spacing[0] if scan.anterior else 2.26)
    about = {
        "patient": name,
        "data": "simulated",
        "mimics": list(simulated.mimics),
        "landmarks": {key: round(value, 2) for key, value in simulated.landmarks.items()},
        "parameters": simulated.parameters,
    }
    write_case(folder, population.split(index), scan, mirror(scan.posterior), crop, instances, about)
