"""Data sets on disk: nnU-Net's raw layout, with per-view, per-lesion truth beside it.

    DIR/dataset.json  imagesTr  labelsTr  imagesTs  labelsTs  imagesUnlabelled  splits.json  splits_final.json
    DIR/instances/<case>.json, <case>_anterior.nii.gz, <case>_posterior.nii.gz
    DIR/exact  DIR/background  DIR/regions                     (of simulated scans, background where asked for)

Images are crops (rows, columns) of counts in the scan's own pixels, of the thorax or of the whole body with it, as
one-slice NIfTI volumes with their place in the patient: channel 0000 anterior, 0001 posterior mirrored into the
anterior frame, zeros for a view that was not acquired. Labels: 0 background, 1 lesion, 2 ignore; they are what the
readers agreed on. Instances hold lesion IDs in the whole anterior frame, overlapping lesions in layers (layers, rows,
columns). `exact` holds the true projections of simulated lesions in the same form; it is read only where asked for.
`background` holds the noise-free counts of a simulated scan without its metastases.
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

#: A flag of sets from version 3 of the simulator: nearly every bone is diseased and none is outlined, which would teach
#: that such bone is healthy. Since version 4 diffuse disease is outlined and taught.
NOT_TRAINED_ON = "superscan"

#: Stands for the patient in cases that a generator made.
GENERATED = "generated"
Truth = Literal["agreed", "exact"]


@dataclass(frozen=True)
class Instance:
    """One lesion as the truth tells it.

    Attributes:
        id: value in the instance layers.
        masks: {view: (rows, columns) bool} whole anterior frame.
        labelled: {view: True for a label, False for "ignore"}.
        about: whatever else is known (bone, contrast, ...).
    """

    id: int
    masks: dict[ViewName, NDArray[np.bool_]]
    labelled: dict[ViewName, bool]
    about: dict[str, Any]


@dataclass(frozen=True)
class LabelledCrop:
    """What training reads of one case: a region on the reference grid, anterior frame, of the existing views.

    Attributes:
        case: its name.
        counts: {view: (rows, columns) float32}, as the reading pipeline gives them to the network.
        labels: {view: (rows, columns) uint8 of BACKGROUND, LESION, IGNORE}; empty for unlabelled cases.
        instances: {view: (layers, rows, columns) uint16}.
        lesions: what the truth's JSON says of them.
        flags: why the case is scored apart ("superscan", "cold lesions"); empty for most.
        regions: {view: (rows, columns) uint8 of `skeleton_regions.class_map`}; empty where they are not known.
        regions_named: the only regions that were looked for; None for all.
    """

    case: str
    counts: dict[ViewName, NDArray[np.float32]]
    labels: dict[ViewName, NDArray[np.uint8]]
    instances: dict[ViewName, NDArray[np.uint16]]
    lesions: list[dict[str, Any]]
    flags: tuple[str, ...] = ()
    regions: dict[ViewName, NDArray[np.uint8]] = field(default_factory=dict)
    regions_named: tuple[str, ...] | None = None


def write_case(
    folder: Path,
    split: str,
    scan: WholeBodyScan,
    mirrored: PlanarView | None,
    crop: ThoraxCrop,
    instances: Sequence[Instance] | None,
    about: dict[str, Any],
    *,
    exact: Sequence[Instance] | None = None,
    background: Mapping[ViewName, NDArray[np.float32]] | None = None,
    region: Region = "thorax",
) -> None:
    """Write one case; its JSON comes last, so that a case with JSON is whole.

    Args:
        folder: the data set.
        split: "train", "test" or "unlabelled".
        scan: the scan.
        mirrored: its posterior view, if there is one, on the anterior frame.
        crop: the thorax box in pixels of the reference grid, `regrid(scan.frame)`.
        instances: the lesions; None keeps the truth of this case out of the data set, as for unlabelled ones.
        about: case-level facts for the JSON ("patient", "flags", ...).
        exact: the lesions' exact projections.
        background: {view: (rows, columns)} of the whole anterior frame.
        region: what is stored, the thorax box alone or the whole body with it.
    """
    images, labels = FOLDERS[split]
    frame = scan.frame
    views = {"anterior": scan.anterior, "posterior": mirrored}
    stored = crop if region == "thorax" else whole_field(regrid(frame).shape)
    place = place_crop(frame, (stored.rows, stored.columns))
    origin = _box_origin(frame, place)
    for channel, view in enumerate(views.values()):
        counts = np.zeros(frame.shape, np.uint16) if view is None else np.rint(view.counts).astype(np.uint16)
        write_image(folder / images / f"{scan.case}_{channel:04d}.nii.gz", cut(counts, *place.own), frame, origin)
    record = {
        "case": scan.case,
        "split": split,
        "views": list(scan.views),
        **placement_record(place, crop, region),
        **about,
    }
    if labels is not None and instances is not None:
        union = merge_labels([label_map(instances, view, frame.shape) for view in scan.views])
        write_image(folder / labels / f"{scan.case}.nii.gz", cut(union, *place.own), frame, origin)
        _write_layers(folder / "instances", scan, instances)
        record["lesions"] = _lesion_records(instances)
        if exact is not None:
            _write_layers(folder / "exact", scan, exact)
            write_json(folder / "exact" / f"{scan.case}.json", {"case": scan.case, "lesions": _lesion_records(exact)})
    for name, whole in (background or {}).items():
        box = cut(whole.astype(np.float32), *place.own)
        write_image(folder / "background" / f"{scan.case}_{name}.nii.gz", box, frame, origin)
    write_json(folder / "instances" / f"{scan.case}.json", record)


def label_map(instances: Sequence[Instance], view: ViewName, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """(rows, columns) uint8 of one view: LESION where a labelled lesion lies, IGNORE where only unlabelled ones do."""
    result = np.full(shape, BACKGROUND, np.uint8)
    for wanted, value in ((False, IGNORE), (True, LESION)):
        for item in instances:
            if view in item.masks and item.labelled[view] is wanted:
                result[item.masks[view]] = value
    return result


def merge_labels(maps: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Union of views: LESION beats IGNORE beats BACKGROUND."""
    stack = np.stack(list(maps))
    return np.where((stack == LESION).any(0), LESION, stack.max(0)).astype(np.uint8)


def finish_dataset(folder: Path, name: str, seed: int, description: str, about: dict[str, Any] | None = None) -> None:
    """Write dataset.json (nnU-Net) and, once, the splits: folds by patient from the seed.

    Args:
        about: further entries of dataset.json.

    Cases with the flag NOT_TRAINED_ON are held out like others but stand on no training side; GENERATED cases are
    never held out.
    """
    # nnU-Net would take a half-written image for a case.
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
    """Folds of the training cases that are there, as `finish_dataset` writes them the first time."""
    train = [record for record in records_of(folder) if record["split"] == "train"]
    patients = {record["case"]: record.get("patient", record["case"]) for record in train}
    left_out = [record["case"] for record in train if NOT_TRAINED_ON in record.get("flags", [])]
    generated = [case for case, patient in patients.items() if patient == GENERATED]
    real = {case: patient for case, patient in patients.items() if patient != GENERATED}
    return split_by_patient(
        real, seed, not_trained_on=left_out, generated=generated, with_lesions=patients_with_lesions(folder, train)
    )


def patients_with_lesions(data: Data, records: Sequence[Mapping[str, Any]]) -> set[str]:
    """Who of these cases' patients has a labelled lesion inside the box that is learnt from."""
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
        regions: read what is known of the skeleton's regions too.
        region: the thorax box, or the whole body where the data set holds it.
        truth: "agreed" is what the readers agreed on, "exact" the true projections of simulated lesions.

    Raises:
        UserError: a file is missing or unreadable, or holds the thorax alone.
    """
    files = opened(data)
    record = files.json("instances", f"{case}.json")
    place, names = placement_of(files, case, region), _views_of(record)
    images = FOLDERS[record["split"]][0]
    counts = {
        name: place.counts(files.image(images, f"{case}_{VIEW_NAMES.index(name):04d}.nii.gz")[0]) for name in names
    }
    flags = tuple(record.get("flags", ()))
    known = _regions_of(files, case, names) if regions else {}
    shown = {name: place.nearest(cut(whole, *place.own)) for name, whole in known.items()}
    named = tuple(record["regions_named"]) if record.get("regions_named") else None
    if "lesions" not in record:
        return LabelledCrop(case, counts, {}, {}, [], flags, shown, named)
    where = "instances" if truth == "agreed" else "exact"
    lesions = files.json(where, f"{case}.json")["lesions"]
    identifiers = [int(lesion["id"]) for lesion in lesions]
    layers = {name: place.layers(files.image(where, f"{case}_{name}.nii.gz"), identifiers) for name in names}
    maps = {name: _labels_from_layers(layers[name], lesions, name) for name in names}
    return LabelledCrop(case, counts, maps, layers, lesions, flags, shown, named)


def _regions_of(files: DataSet, case: str, views: Sequence[ViewName]) -> dict[ViewName, NDArray[np.uint8]]:
    """{view: (rows, columns) region classes in the anterior frame} of a case that has region truth."""
    found = {}
    for name in views:
        place = ("regions", case, f"regions_{name}.nrrd")
        if files.folder.joinpath(*place).exists():
            own = class_map(files.image(*place)[0])
            found[name] = own[:, ::-1] if name == "posterior" else own
    return found


def load_background(data: Data, case: str, region: Region = "thorax") -> dict[ViewName, NDArray[np.float32]]:
    """{view: (rows, columns)} noise-free counts of a simulated case without its metastases, on the reference grid.

    Raises:
        UserError: a file is missing or unreadable; data sets hold them only where they were asked for.
    """
    files = opened(data)
    place, names = placement_of(files, case, region), _views_of(files.json("instances", f"{case}.json"))
    return {name: place.counts(files.image("background", f"{case}_{name}.nii.gz")[0]) for name in names}


def load_placement(data: Data, case: str) -> CropPlacement:
    """Where the thorax box of a case lies.

    Raises:
        UserError: its JSON is missing or damaged.
    """
    return placement_of(opened(data), case)


def cases_of(data: Data, split: str) -> list[str]:
    """Names of the cases in a split, sorted.

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
    """What `instances/*.json` say, by file name; UserError where one is damaged."""
    files = opened(data)
    for name, record in files.records().items():
        if not isinstance(record, dict) or not {"case", "split"} <= record.keys():
            raise UserError(
                f"{files.folder / 'instances' / name} tells of no case; make the data set again or restore the file."
            )
    return list(files.records().values())


def _layers(instances: Sequence[Instance], view: ViewName, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Pack masks into as few ID layers as a greedy rule needs: (layers, rows, columns)."""
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
    """What the images of labelled cases show: the whole body if all do, else the thorax, which all show.

    Raises:
        UserError: a file is missing or unreadable.
    """
    records = (opened(data).json("instances", f"{case}.json") for case in cases)
    return "whole-body" if all(record.get("region") == "whole-body" for record in records) else "thorax"


def _views_of(record: dict[str, Any]) -> list[ViewName]:
    return [name for name in VIEW_NAMES if name in record["views"]]


def _box_origin(frame: PlanarView, place: CropPlacement) -> tuple[float, float, float]:
    (first, _), (left, _) = place.own
    corner = frame.ijk_to_ras @ np.array([left, first, 0.0, 1.0])
    return (float(corner[0]), float(corner[1]), float(corner[2]))


def shows_lesion(crop: LabelledCrop) -> bool:
    """Whether any view has a pixel labelled as lesion."""
    return any((label == LESION).any() for label in crop.labels.values())
