"""Simulation of a data set of many patients: `spectbonemetseg simulate`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.scan.aggregation import aggregate
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import crop_thorax

from ...common.parallel import Workers, parallel_map
from ...dataset.cases import Instance, SimulatedTruth, finish_dataset, write_case
from ...dataset.files import claim_folder, read_json, write_image, write_json
from ...dataset.reader_agreement import compare_readers, summarise_agreement

if TYPE_CHECKING:
    from ..scan.readers import ReaderPanel
    from ..scan.simulate import SimulatedCase, SimulatedLesion

#: Increased whenever the scans of a seed change.
SIMULATOR_VERSION = 4
#: Keys of the random streams of readers and of the number of scans, so that the scans do not depend on either.
READER_STREAM, SERIES_STREAM = 1, 2
#: Smallest and largest number of scans of a patient with follow-ups.
SCANS = (2, 4)
#: Record of the request that a simulated data set was made with.
RECORD = "simulation.json"


@dataclass(frozen=True)
class Population:
    """The request for a simulated data set, saved in it as simulation.json.

    Attributes:
        patients: number of labelled patients.
        seed: of the patients.
        unlabelled: number of additional patients without labels.
        test_share: share of the labelled patients in imagesTs.
        dicom: whether to write the whole-body scans as DICOM, too.
        series: share of the patients with follow-ups, SCANS scans in all; the scans of a patient share a split.
        held_out: whether test patients have body shapes from the range held out for testing.
        background: whether to write the noise-free counts without metastases, too.
        version: of the simulator.
        site: hospital, one of scan.hospital_sites.SITES.
        region: of the images, "thorax" or "whole-body".
    """

    patients: int
    seed: int
    unlabelled: int = 0
    test_share: float = 0.2
    dicom: bool = True
    series: float = 0.0
    held_out: bool = True
    background: bool = False
    version: int = SIMULATOR_VERSION
    site: str = "a"
    region: Region = "thorax"

    def split(self, index: int) -> str:
        """Return the split of patient `index`; it follows from the index, so that larger populations keep splits."""
        if index >= self.patients:
            return "unlabelled"
        # The tolerance keeps rounding errors (as of 0.1 * 30) from changing a split.
        before, after = (math.floor(count * self.test_share + 1e-9) for count in (index, index + 1))
        return "test" if after > before else "train"

    def scans(self, index: int) -> int:
        """Return the number of scans of patient `index`."""
        rng = np.random.default_rng((self.seed, index, SERIES_STREAM))
        return int(rng.integers(SCANS[0], SCANS[1] + 1)) if rng.random() < self.series else 1


def simulate_population(
    folder: Path, population: Population, workers: Workers = 1, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Write the data set into `folder`; complete cases of an interrupted run are kept.

    Args:
        folder: of the data set.
        population: the request.
        workers: processes or cluster.
        progress: called with the number of finished patients and of all patients.

    Returns:
        The agreement of the simulated readers (`reader_agreement.summarise_agreement`), as in agreement.json.

    Raises:
        UserError: the folder holds something else, or cannot be written.
    """
    claim_folder(folder, RECORD, asdict(population), "simulated data set")
    try:
        _simulate_missing(folder, population, workers, progress)
        figures = reader_agreement(folder)
        write_json(folder / "agreement.json", figures)
        finish_dataset(
            folder,
            "SimulatedBoneScans",
            population.seed,
            f"Simulated planar whole-body bone scans (simulator {population.version}, seed {population.seed}). "
            "No patient data.",
        )
    except OSError as error:
        why = reason_of(error)
        raise UserError(f"{folder} cannot be written ({why}); free space and run the same command again.") from error
    return figures


def case_name(population: Population, index: int, scan: int = 0) -> str:
    """Return a case name, which includes the seed so that data sets can be merged; follow-ups end in _s1, _s2, ..."""
    return f"sim{population.seed:04d}_{index:05d}" + (f"_s{scan}" if scan else "")


def reader_agreement(folder: Path) -> dict[str, Any]:
    """Return the agreement of the simulated readers over all images of a data set, without flagged cases."""
    records = [read_json(path) for path in sorted((folder / "readers").glob("*.json")) if path.name[0] != "."]
    return summarise_agreement(image for record in records if not record["flags"] for image in record["views"].values())


def write_simulated(
    folder: Path,
    split: str,
    simulated: SimulatedCase,
    about: dict[str, Any],
    seed: tuple[int, ...],
    *,
    dicom: bool = True,
    background: bool = False,
    region: Region = "thorax",
) -> None:
    """Write one simulated scan into a data set: images, DICOM files, and the consensus of its readers.

    Args:
        folder: of the data set.
        split: "train", "test" or "unlabelled", which is written without any truth.
        simulated: the scan.
        about: additional entries of the case's JSON, including "patient" and "scan".
        seed: of the readers.
        dicom: as in `Population`.
        background: as in `Population`.
        region: as in `Population`.
    """
    from ..scan.dicom_nm import FOLDER_VARIANTS, write_nm_wholebody

    scan = simulated.scan
    if dicom:
        folder_of_files = simulated.variant in FOLDER_VARIANTS
        write_nm_wholebody(
            folder / "dicom" / (scan.case if folder_of_files else f"{scan.case}.dcm"),
            scan,
            patient_id=str(about.get("patient", scan.case)),
            uid_text=f"{scan.case}, {SIMULATOR_VERSION}",
            study_date=_study_date(int(about.get("scan", 0))),
            variant=simulated.variant,
            seconds=float(str(simulated.parameters.get("seconds", 1200))),
        )
    agreed = exact = None
    if split != "unlabelled":
        from ..scan.readers import consensus

        panel = consensus(simulated, seed)
        _write_readers(folder, simulated, panel)
        agreed = agreed_instances(simulated, panel)
        exact = [_exact_instance(lesion) for lesion in simulated.lesions]
        _write_regions(folder, simulated)
    work = regrid(aggregate(scan))
    record = {
        "patient": scan.case,
        "scan": 0,
        **about,
        "data": "simulated",
        "flags": list(simulated.flags),
        "variant": simulated.variant,
        "mimics": list(simulated.mimics),
        "landmarks": {key: round(value, 2) for key, value in simulated.landmarks.items()},
        "parameters": simulated.parameters,
    }
    write_case(
        folder,
        split,
        scan,
        crop_thorax(work.counts, work.spacing[0]),
        agreed,
        record,
        simulated=SimulatedTruth(exact, simulated.background if background else {}),
        region=region,
    )


def _simulate_missing(
    folder: Path, population: Population, workers: Workers, progress: Callable[[int, int], None] | None
) -> None:
    total = population.patients + population.unlabelled
    waiting = [i for i in range(total) if not all(_is_complete(folder, name) for name in _names(population, i))]
    done = total - len(waiting)
    for _ in parallel_map(partial(_simulate_one, folder, population), waiting, workers):
        done += 1
        if progress:
            progress(done, total)


def _simulate_one(folder: Path, population: Population, index: int) -> None:
    """Simulate one patient and write the missing scans."""
    from ..scan.simulate import simulate_case, simulate_series

    names, split, seed = _names(population, index), population.split(index), (population.seed, index)
    held_out = population.held_out and split == "test"
    if len(names) == 1:
        series = [simulate_case(names[0], seed, held_out=held_out, site=population.site)]
    else:
        series = simulate_series(names[0], seed, len(names), held_out=held_out, site=population.site)
    for number, simulated in enumerate(series):
        if not _is_complete(folder, names[number]):
            write_simulated(
                folder,
                split,
                simulated,
                {"patient": names[0], "scan": number},
                (*seed, READER_STREAM, number),
                dicom=population.dicom,
                background=population.background,
                region=population.region,
            )


def _names(population: Population, index: int) -> list[str]:
    return [case_name(population, index, number) for number in range(population.scans(index))]


def _is_complete(folder: Path, name: str) -> bool:
    """Return whether a case is complete: its JSON is written last."""
    return (folder / "instances" / f"{name}.json").exists()


def _study_date(scan: int) -> str:
    """Return the date of the n-th scan, YYYYMMDD; follow-ups are half a year apart."""
    return f"{2024 + scan // 2}{'07' if scan % 2 else '01'}01"


def agreed_instances(simulated: SimulatedCase, panel: ReaderPanel) -> list[Instance]:
    """Return the lesions as the readers agreed on them; a lesion without consensus is "ignore" at its exact outline."""
    return [_agreed_instance(lesion, panel) for lesion in simulated.lesions]


def _agreed_instance(lesion: SimulatedLesion, panel: ReaderPanel) -> Instance:
    found = {view: panel.lesions[view].get(lesion.id) for view in lesion.views}
    masks = {view: shown.mask if (mask := found[view]) is None else mask for view, shown in lesion.views.items()}
    return Instance(lesion.id, masks, {view: mask is not None for view, mask in found.items()}, _about(lesion))


def _exact_instance(lesion: SimulatedLesion) -> Instance:
    masks = {view: shown.mask for view, shown in lesion.views.items()}
    return Instance(lesion.id, masks, {view: shown.visible for view, shown in lesion.views.items()}, _about(lesion))


def _about(lesion: SimulatedLesion) -> dict[str, Any]:
    return {
        "track": lesion.track,
        "kind": lesion.kind,
        "change": lesion.change,
        "bone": lesion.bone,
        "uptake": lesion.uptake,
        "ratio": {view: round(shown.ratio, 3) for view, shown in lesion.views.items()},
        "merged_into": {
            view: shown.merged_into + 1 for view, shown in lesion.views.items() if shown.merged_into is not None
        },
        "contrast": {view: round(shown.contrast, 4) for view, shown in lesion.views.items()},
        "snr": {view: round(shown.snr, 3) for view, shown in lesion.views.items()},
    }


def _write_regions(folder: Path, simulated: SimulatedCase) -> None:
    """Write regions/<case>/regions_<view>.nrrd: region numbers of the whole view, in its own grid as acquired."""
    for name, regions in simulated.regions.items():
        view = simulated.scan.views[name]
        own = regions[:, ::-1] if name == "posterior" else regions
        path = folder / "regions" / simulated.scan.case / f"regions_{name}.nrrd"
        write_image(path, np.ascontiguousarray(own), view, view.origin)


def _write_readers(folder: Path, simulated: SimulatedCase, panel: ReaderPanel) -> None:
    """Write readers/<case>_<view>.nii.gz, the annotations (readers, rows, columns) of round 1, and their JSON."""
    case, frame = simulated.scan.case, simulated.scan.frame
    views = {}
    for name, found in panel.agreed.items():
        annotations = [reader[name] for reader in panel.annotations]
        layers = np.stack(annotations).astype(np.uint8)
        write_image(folder / "readers" / f"{case}_{name}.nii.gz", layers, frame, frame.origin)
        visible = [lesion.views[name].mask for lesion in simulated.lesions if lesion.views[name].visible]
        exact = np.any([np.zeros(frame.shape, bool), *visible], axis=0)
        views[name] = compare_readers(annotations, exact, found)
    record = {"case": case, "flags": list(simulated.flags), "views": views}
    write_json(folder / "readers" / f"{case}.json", record)
