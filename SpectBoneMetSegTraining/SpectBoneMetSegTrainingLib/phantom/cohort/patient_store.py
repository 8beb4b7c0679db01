"""Simulation of a store of patients, from which training draws its scans: `spectbonemetseg simulate --store`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of

from ...common.parallel import Workers, parallel_map
from ...dataset.files import claim_folder, clear_leftovers
from ..store.crops import FOLDER
from ..store.files import write_patient
from .population import SIMULATOR_VERSION

#: Record of the request that a store was made with.
RECORD = "store.json"


@dataclass(frozen=True)
class StoreRequest:
    """The request for a store, saved in it as store.json.

    Attributes:
        patients: number of patients.
        seed: of the patients.
        site: hospital, one of scan.hospital_sites.SITES.
        version: of the simulator.
    """

    patients: int
    seed: int
    site: str = "a"
    version: int = SIMULATOR_VERSION


def make_store(
    folder: Path, request: StoreRequest, workers: Workers = 1, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the patients into `folder`; patients of an interrupted run are kept.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    claim_folder(folder, RECORD, asdict(request), "store of simulated patients")
    try:
        clear_leftovers(folder)
        waiting = [i for i in range(request.patients) if not _path(folder, request, i).exists()]
        done = request.patients - len(waiting)
        for _ in parallel_map(partial(_store_one, folder, request), waiting, workers):
            done += 1
            if progress:
                progress(done, request.patients)
    except OSError as error:
        why = reason_of(error)
        raise UserError(f"{folder} cannot be written ({why}); free space and run the same command again.") from error


def _store_one(folder: Path, request: StoreRequest, index: int) -> None:
    from ..store.project import project_patient

    path = _path(folder, request, index)
    write_patient(path, project_patient(path.stem, (request.seed, index), site=request.site))


def _path(folder: Path, request: StoreRequest, index: int) -> Path:
    return folder / FOLDER / f"sim{request.seed:04d}_{index:05d}.npz"
