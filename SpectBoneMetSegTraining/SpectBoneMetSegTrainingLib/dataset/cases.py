"""Data sets on disk: nnU-Net's raw layout, with the ground truth of every view and lesion in `instances`.

    DIR/dataset.json  imagesTr  labelsTr  imagesTs  labelsTs  imagesUnlabelled  splits.json  splits_final.json
    DIR/instances/<case>.json, <case>_anterior.nii.gz, <case>_posterior.nii.gz
    DIR/exact  DIR/background  DIR/regions                     (simulated scans; background on request)

Images are crops (rows, columns) of counts in the scan's own pixels, of the thorax or of the whole body with it, as
one-slice NIfTI volumes with their position in the patient: channel 0000 anterior, 0001 posterior mirrored into the
anterior frame, zeros for a view that was not acquired. Labels: 0 background, 1 lesion, 2 ignore; they are the readers'
consensus. Instances hold lesion IDs in the whole anterior frame, overlapping lesions in layers (layers, rows, columns).
`exact` holds the true projections of simulated lesions in the same form; it is read only on request. `background` holds
the noise-free counts of a simulated scan without its metastases.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.loading.options import Region
from SpectBoneMetSegLib.scan.aggregation import views_on_anterior_grid
from SpectBoneMetSegLib.scan.boxes import cut
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, PlanarView, ViewName, WholeBodyScan
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.skeleton_regions import class_map
from SpectBoneMetSegLib.scan.thorax import ThoraxCrop, whole_field

from .crop_placements import placement_of, placement_record
from .files import clear_leftovers, read_json, write_image, write_json
from .folds import split_by_patient
from .opened import Data, DataSet, opened
from .reference_grid import CropPlacement, place_crop

BACKGROUND, LESION, IGNORE = 0, 1, 2
FOLDERS = {
    "train": ("imagesTr", "labelsTr"),
    "test": ("imagesTs", "labelsTs"),
    "unlabelled": ("imagesUnlabelled", None),
}

#: Name of the patient in cases sampled from a generator.
GENERATED = "generated"
Truth = Literal["agreed", "exact"]


@dataclass(frozen=True)
class Instance:
    """One lesion of the ground truth.

    Attributes:
        id: value in the instance layers.
        masks: {view: (rows, columns) bool} in the whole anterior frame.
        labelled: {view: True for a label, False for "ignore"}.
        about: further properties (bone, contrast, ...).
    """

    id: int
    masks: dict[ViewName, NDArray[np.bool_]]
    labelled: dict[ViewName, bool]
    about: dict[str, Any]


@dataclass(frozen=True)
class LabelledCrop:
    """One case as used in training: a region of the acquired views on the reference grid, in the anterior frame.

    Attributes:
        case: name of the case.
        counts: {view: (rows, columns) float32}, as the reading pipeline passes them to the network.
        labels: {view: (rows, columns) uint8 of BACKGROUND, LESION, IGNORE}; empty for unlabelled cases.
        instances: {view: (layers, rows, columns) uint16}.
        lesions: records of the lesions in the ground truth's JSON.
        flags: reasons to evaluate the case separately (such as "cold lesions"); empty for most.
        regions: {view: (rows, columns) uint8 of `skeleton_regions.class_map`}; empty if unknown.
        regions_named: the only regions that were labelled; None for all.
    """

    case: str
    counts: dict[ViewName, NDArray[np.float32]]
    labels: dict[ViewName, NDArray[np.uint8]]
    instances: dict[ViewName, NDArray[np.uint16]]
    lesions: list[dict[str, Any]]
    flags: tuple[str, ...] = ()
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)
    regions_named: tuple[str, ...] | None = None


@dataclass(frozen=True)
class SimulatedTruth:
    """What is known only of simulated scans.

    Attributes:
        exact: exact projections of the lesions; None if they are not to be written.
        background: {view: (rows, columns) float32 counts} without metastases, in the whole anterior frame.
    """

    exact: Sequence[Instance] | None = None
    background: Mapping[ViewName, NDArray[np.float32]] = field(default_factory=dict)


def write_case(
    folder: Path,
    split: str,
    scan: WholeBodyScan,
    crop: ThoraxCrop,
    instances: Sequence[Instance] | None,
    about: dict[str, Any],
    *,
    simulated: SimulatedTruth | None = None,
    region: Region = "thorax",
) -> None:
    """Write one case; its JSON is written last, so that a case with JSON is complete.

    Args:
        folder: the data set.
        split: "train", "test" or "unlabelled".
        scan: the scan.
        crop: the thorax box in pixels of the reference grid, `regrid(scan.frame)`.
        instances: the lesions; None leaves the ground truth out of the data set, as for unlabelled cases.
        about: further entries of the case's JSON ("patient", "flags", ...).
        simulated: what is known of a simulated scan alone; None for others.
        region: region stored: the thorax box only, or the whole body including it.

    Raises:
        OSError: a file cannot be written.
    """
    images, labels = FOLDERS[split]
    frame, known = scan.frame, simulated or SimulatedTruth()
    stored = crop if region == "thorax" else whole_field(regrid(frame).shape)
    placement = place_crop(frame, (stored.rows, stored.columns))
    origin = _box_origin(frame, placement)
    for channel, view in enumerate(map(views_on_anterior_grid(scan).get, VIEW_NAMES)):
        counts = np.zeros(frame.shape, np.uint16) if view is None else np.rint(view.counts).astype(np.uint16)
        write_image(folder / images / f"{scan.case}_{channel:04d}.nii.gz", cut(counts, *placement.own), frame, origin)
    record = {
        "case": scan.case,
        "split": split,
        "views": list(scan.views),
        **placement_record(placement, crop, region),
        **about,
    }
    if labels is not None and instances is not None:
        union = merge_labels([label_map(instances, view, frame.shape) for view in scan.views])
        write_image(folder / labels / f"{scan.case}.nii.gz", cut(union, *placement.own), frame, origin)
        _write_layers(folder / "instances", scan, instances)
        record["lesions"] = _lesion_records(instances)
        if known.exact is not None:
            _write_layers(folder / "exact", scan, known.exact)
            exact = {"case": scan.case, "lesions": _lesion_records(known.exact)}
            write_json(folder / "exact" / f"{scan.case}.json", exact)
    for name, whole in known.background.items():
        box = cut(whole.astype(np.float32), *placement.own)
        write_image(folder / "background" / f"{scan.case}_{name}.nii.gz", box, frame, origin)
    write_json(folder / "instances" / f"{scan.case}.json", record)


def label_map(instances: Sequence[Instance], view: ViewName, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw the labels of one view, (rows, columns) uint8: LESION in labelled lesions, IGNORE in others."""
    result = np.full(shape, BACKGROUND, np.uint8)
    for wanted, value in ((False, IGNORE), (True, LESION)):
        for item in instances:
            if view in item.masks and item.labelled[view] is wanted:
                result[item.masks[view]] = value
    return result


def merge_labels(maps: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Merge the labels of several views: LESION takes precedence over IGNORE, IGNORE over BACKGROUND."""
    stack = np.stack(list(maps))
    return np.where((stack == LESION).any(0), LESION, stack.max(0)).astype(np.uint8)


def finish_dataset(folder: Path, name: str, seed: int, description: str, about: dict[str, Any] | None = None) -> None:
    """Write dataset.json (nnU-Net) and, if there are none yet, the splits: folds by patient, drawn from the seed.

    GENERATED cases are never held out.

    Args:
        folder: the data set.
        name: its name.
        seed: seed of the folds.
        description: one sentence.
        about: further entries of dataset.json.

    Raises:
        UserError: the JSON of a case is damaged.
        OSError: a file cannot be written.
    """
    # nnU-Net would read a partly written image as a case.
    clear_leftovers(folder)
    records = records_of(folder)
    train = [record for record in records if record["split"] == "train"]
    write_json(
        folder / "dataset.json",
        {
            "name": name,
            "description": description,
            "channel_names": {"0": "anterior", "1": "posterior mirrored"},
            "labels": {"background": BACKGROUND, "lesion": LESION, "ignore": IGNORE},
            "numTraining": len(train),
            "file_ending": ".nii.gz",
            **(about or {}),
        },
    )
    splits = folder / "splits.json"
    if not splits.exists():
        write_json(splits, {"seed": seed, "folds": draw_folds(folder, seed)})
    write_json(folder / "splits_final.json", read_json(splits)["folds"])


def draw_folds(folder: Path, seed: int) -> list[dict[str, list[str]]]:
    """Draw folds of the training cases, as `finish_dataset` writes them the first time."""
    train = [record for record in records_of(folder) if record["split"] == "train"]
    patients = {record["case"]: record.get("patient", record["case"]) for record in train}
    generated = [case for case, patient in patients.items() if patient == GENERATED]
    real = {case: patient for case, patient in patients.items() if patient != GENERATED}
    return split_by_patient(real, seed, generated=generated, with_lesions=patients_with_lesions(folder, train))


def patients_with_lesions(data: Data, records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Return those of these cases' patients who have a labelled lesion inside the stored crop."""
    files = opened(data)
    found: set[str] = set()
    for record in records:
        patient = record.get("patient", record["case"])
        labels = FOLDERS[record["split"]][1]
        if patient in found or labels is None:
            continue
        if not any(any(lesion["labelled"].values()) for lesion in record.get("lesions", ())):
            continue
        if (files.image(labels, f"{record['case']}.nii.gz") == LESION).any():
            found.add(patient)
    return found


def load_case(
    data: Data, case: str, truth: Truth = "agreed", region: Region = "thorax", *, regions: bool = False
) -> LabelledCrop:
    """Read one case of a data set onto the reference grid.

    Args:
        data: the data set.
        case: name of the case.
        truth: "agreed" for the readers' consensus, "exact" for the true projections of simulated lesions.
        region: the thorax box, or the whole body if the data set holds it.
        regions: read the labels of the skeleton's regions too, if there are any.

    Raises:
        UserError: a file is missing or unreadable, or holds the thorax only.
    """
    files = opened(data)
    record = files.json("instances", f"{case}.json")
    placement, names = placement_of(files, case, region), _views_of(record)
    images = FOLDERS[record["split"]][0]
    counts = {
        name: placement.counts(files.image(images, f"{case}_{VIEW_NAMES.index(name):04d}.nii.gz")[0]) for name in names
    }
    flags = tuple(record.get("flags", ()))
    known = _regions_of(files, case, names) if regions else {}
    classes = {name: placement.nearest(cut(whole, *placement.own)) for name, whole in known.items()}
    named = tuple(record["regions_named"]) if record.get("regions_named") else None
    if "lesions" not in record:
        return LabelledCrop(case, counts, {}, {}, [], flags, classes, named)
    truth_folder = "instances" if truth == "agreed" else "exact"
    lesions = files.json(truth_folder, f"{case}.json")["lesions"]
    identifiers = [int(lesion["id"]) for lesion in lesions]
    layers = {name: placement.layers(files.image(truth_folder, f"{case}_{name}.nii.gz"), identifiers) for name in names}
    maps = {name: _labels_from_layers(layers[name], lesions, name) for name in names}
    return LabelledCrop(case, counts, maps, layers, lesions, flags, classes, named)


def _regions_of(files: DataSet, case: str, views: Sequence[ViewName]) -> dict[ViewName, NDArray[np.uint8]]:
    """{view: (rows, columns) region classes in the anterior frame} of a case whose regions are labelled."""
    found = {}
    for name in views:
        parts = ("regions", case, f"regions_{name}.nrrd")
        if files.folder.joinpath(*parts).exists():
            own = class_map(files.image(*parts)[0])
            found[name] = own[:, ::-1] if name == "posterior" else own
    return found


def load_background(data: Data, case: str, region: Region = "thorax") -> dict[ViewName, NDArray[np.float32]]:
    """Read {view: (rows, columns)} noise-free counts of a simulated case without metastases, on the reference grid.

    Raises:
        UserError: a file is missing or unreadable; data sets hold them only if they were requested.
    """
    files = opened(data)
    placement, names = placement_of(files, case, region), _views_of(files.json("instances", f"{case}.json"))
    return {name: placement.counts(files.image("background", f"{case}_{name}.nii.gz")[0]) for name in names}


def load_placement(data: Data, case: str) -> CropPlacement:
    """Read the placement of a case's thorax box.

    Raises:
        UserError: the case's JSON is missing or damaged.
    """
    return placement_of(opened(data), case)


def cases_of(data: Data, split: str) -> list[str]:
    """List the names of the cases in a split, sorted by file name.

    Raises:
        UserError: the folder is not a data set.
    """
    files = opened(data)
    if not (files.folder / "dataset.json").is_file():
        raise UserError(
            f"{files.folder} is not a data set (no dataset.json in it); make one.",
            command="simulate",
        )
    return [record["case"] for record in records_of(files) if record["split"] == split]


def records_of(data: Data) -> list[dict[str, Any]]:
    """Read `instances/*.json`, sorted by file name.

    Raises:
        UserError: a file is damaged or describes no case.
    """
    files = opened(data)
    for name, record in files.records().items():
        if not isinstance(record, dict) or not {"case", "split"} <= record.keys():
            raise UserError(
                f"{files.folder / 'instances' / name} describes no case; make the data set again or restore the file."
            )
    return list(files.records().values())


def _layers(instances: Sequence[Instance], view: ViewName, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Pack the masks of one view greedily into few ID layers: (layers, rows, columns)."""
    packed = [np.zeros(shape, np.uint16)]
    for item in instances:
        if view not in item.masks:
            continue
        mask = item.masks[view]
        free = next((layer for layer in packed if not layer[mask].any()), None)
        if free is None:
            free = np.zeros(shape, np.uint16)
            packed.append(free)
        free[mask] = item.id
    return np.stack(packed)


def _labels_from_layers(layers: NDArray[np.uint16], lesions: list[dict[str, Any]], view: ViewName) -> NDArray[np.uint8]:
    instances = [
        Instance(lesion["id"], {view: (layers == lesion["id"]).any(0)}, {view: bool(lesion["labelled"].get(view))}, {})
        for lesion in lesions
    ]
    return label_map(instances, view, (layers.shape[1], layers.shape[2]))


def _write_layers(folder: Path, scan: WholeBodyScan, instances: Sequence[Instance]) -> None:
    frame = scan.frame
    for name in scan.views:
        layers = _layers(instances, name, frame.shape)
        write_image(folder / f"{scan.case}_{name}.nii.gz", layers, frame, frame.origin)


def _lesion_records(instances: Sequence[Instance]) -> list[dict[str, Any]]:
    return [{"id": item.id, "labelled": item.labelled, **item.about} for item in instances]


def stored_region(data: Data, cases: Iterable[str]) -> Region:
    """Return the region shown by the images of all these cases: the whole body if all show it, else the thorax.

    Raises:
        UserError: a file is missing or unreadable.
    """
    records = (opened(data).json("instances", f"{case}.json") for case in cases)
    return "whole-body" if all(record.get("region") == "whole-body" for record in records) else "thorax"


def _views_of(record: dict[str, Any]) -> list[ViewName]:
    return [name for name in VIEW_NAMES if name in record["views"]]


def _box_origin(frame: PlanarView, placement: CropPlacement) -> tuple[float, float, float]:
    (first, _), (left, _) = placement.own
    corner = frame.ijk_to_ras @ np.array([left, first, 0.0, 1.0])
    return (float(corner[0]), float(corner[1]), float(corner[2]))


def shows_lesion(crop: LabelledCrop) -> bool:
    """Return whether any view has a pixel labelled as lesion."""
    return any((label == LESION).any() for label in crop.labels.values())
