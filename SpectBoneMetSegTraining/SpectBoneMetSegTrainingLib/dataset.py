"""Data sets on disk: nnU-Net's raw layout, with per-view, per-lesion truth beside it.

    DIR/dataset.json  imagesTr  labelsTr  imagesTs  labelsTs  imagesUnlabelled  splits.json  splits_final.json
    DIR/instances/<case>.json, <case>_anterior.nii.gz, <case>_posterior.nii.gz

Images are thorax crops (rows, columns) of counts as one-slice NIfTI volumes with their place in the patient: channel
0000 anterior, 0001 posterior mirrored into the anterior frame. Labels: 0 background, 1 lesion, 2 ignore. Instances hold
lesion IDs in the whole anterior frame, overlapping lesions in layers (layers, rows, columns).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.box import cut
from SpectBoneMetSegLib.errors import UserError
from SpectBoneMetSegLib.planar import PlanarView, ViewName, WholeBodyScan
from SpectBoneMetSegLib.results import ThoraxCrop

BACKGROUND, LESION, IGNORE = 0, 1, 2
FOLDS = 5
FOLDERS = {
    "train": ("imagesTr", "labelsTr"),
    "test": ("imagesTs", "labelsTs"),
    "unlabelled": ("imagesUnlabelled", None),
}


@dataclass(frozen=True)
class Instance:
    """One lesion as the truth tells it.

    Attributes:
        id: value in the instance layers; masks: {view: (rows, columns) bool} whole anterior frame.
        labelled: {view: True for a label, False for "ignore"}; about: whatever else is known (bone, contrast, ...).
    """

    id: int
    masks: dict[ViewName, NDArray[np.bool_]]
    labelled: dict[ViewName, bool]
    about: dict[str, Any]


@dataclass(frozen=True)
class LabelledCrop:
    """What training reads of one case; all in the anterior frame of the crop.

    Attributes:
        case: its name.
        counts: {view: (rows, columns) float32}.
        labels: {view: (rows, columns) uint8 of BACKGROUND, LESION, IGNORE}; empty for unlabelled cases.
        instances: {view: (layers, rows, columns) uint16}; lesions: what instances/<case>.json says of them.
    """

    case: str
    counts: dict[ViewName, NDArray[np.float32]]
    labels: dict[ViewName, NDArray[np.uint8]]
    instances: dict[ViewName, NDArray[np.uint16]]
    lesions: list[dict[str, Any]]


def write_case(
    folder: Path,
    split: str,
    scan: WholeBodyScan,
    mirrored: PlanarView,
    crop: ThoraxCrop,
    instances: Sequence[Instance],
    about: dict[str, Any],
) -> None:
    """Write one case; its JSON comes last, so that a case with JSON is whole.

    Args:
        folder: the data set; split: "train", "test" or "unlabelled".
        scan, mirrored: the scan and its posterior view in the anterior frame.
        crop: the thorax box; instances: the lesions; about: case-level facts for the JSON.
    """
    assert scan.anterior is not None
    images, labels = FOLDERS[split]
    views: dict[ViewName, PlanarView] = {"anterior": scan.anterior, "posterior": mirrored}
    origin = _box_origin(scan.anterior, crop)
    for channel, view in enumerate(views.values()):
        box = cut(view.counts, crop.rows, crop.columns)
        write_image(folder / images / f"{scan.case}_{channel:04d}.nii.gz", np.rint(box).astype(np.uint16), view, origin)
    if labels is not None:
        union = merge_labels([label_map(instances, view, views["anterior"].shape) for view in views])
        box_label = cut(union, crop.rows, crop.columns)
        write_image(folder / labels / f"{scan.case}.nii.gz", box_label, scan.anterior, origin)
        for name in views:
            layers = _layers(instances, name, scan.anterior.shape)
            write_image(
                folder / "instances" / f"{scan.case}_{name}.nii.gz", layers, scan.anterior, scan.anterior.origin
            )
    lesions = [{"id": item.id, "labelled": item.labelled, **item.about} for item in instances]
    record = {
        "case": scan.case,
        "split": split,
        "crop": {"rows": list(crop.rows), "columns": list(crop.columns), "confidence": crop.confidence},
        **about,
        **({"lesions": lesions} if labels is not None else {}),
    }
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


def finish_dataset(folder: Path, name: str, seed: int, description: str) -> None:
    """Write dataset.json (nnU-Net) and, once, the splits: FOLDS folds by patient from the seed."""
    for leftover in folder.glob("*/.[0-9]*-*"):
        # Of a run that was killed while writing; nnU-Net would take a half-written image for a case.
        leftover.unlink()
    records = _records(folder)
    train = [record["case"] for record in records if record["split"] == "train"]
    write_json(
        folder / "dataset.json",
        {
            "name": name,
            "description": description,
            "channel_names": {"0": "anterior", "1": "posterior mirrored"},
            "labels": {"background": BACKGROUND, "lesion": LESION, "ignore": IGNORE},
            "numTraining": len(train),
            "file_ending": ".nii.gz",
        },
    )
    splits = folder / "splits.json"
    if not splits.exists():
        patients = {record["case"]: record.get("patient", record["case"]) for record in records}
        write_json(splits, {"seed": seed, "folds": split_by_patient({case: patients[case] for case in train}, seed)})
    write_json(folder / "splits_final.json", read_json(splits)["folds"])


def split_by_patient(patients: dict[str, str], seed: int, folds: int = FOLDS) -> list[dict[str, list[str]]]:
    """Cross-validation folds in which no patient stands on both sides.

    Args:
        patients: case -> patient. seed: of the shuffle.
    """
    names = sorted(set(patients.values()))
    order = np.random.default_rng(seed).permutation(len(names))
    result = []
    for fold in range(folds):
        held = {names[i] for i in order[fold::folds]}
        val = sorted(case for case, patient in patients.items() if patient in held)
        result.append({"train": sorted(set(patients) - set(val)), "val": val})
    return result


def load_case(folder: Path, case: str) -> LabelledCrop:
    """Read one case of a data set.

    Raises:
        UserError: a file is missing or unreadable.
    """
    record = read_json(folder / "instances" / f"{case}.json")
    images, labels = FOLDERS[record["split"]]
    names: tuple[ViewName, ViewName] = ("anterior", "posterior")
    counts = {
        name: read_image(folder / images / f"{case}_{channel:04d}.nii.gz")[0].astype(np.float32)
        for channel, name in enumerate(names)
    }
    if labels is None:
        return LabelledCrop(case, counts, {}, {}, [])
    rows, columns = (tuple(record["crop"][key]) for key in ("rows", "columns"))
    layers = {name: cut(read_image(folder / "instances" / f"{case}_{name}.nii.gz"), rows, columns) for name in names}
    lesions = record["lesions"]
    maps = {name: _labels_from_layers(layers[name], lesions, name) for name in names}
    return LabelledCrop(case, counts, maps, {name: layers[name].astype(np.uint16) for name in names}, lesions)


def cases_of(folder: Path, split: str) -> list[str]:
    """Names of the cases in a split, sorted.

    Raises:
        UserError: the folder is not a data set.
    """
    if not (folder / "dataset.json").is_file():
        raise UserError(
            f"{folder} is not a data set (no dataset.json in it); make one with `spectbonemetseg simulate`."
        )
    return [record["case"] for record in _records(folder) if record["split"] == split]


def write_image(path: Path, array: NDArray[Any], view: PlanarView, origin: tuple[float, float, float] | None) -> None:
    """Write (rows, columns) or (layers, rows, columns) as NIfTI with the view's directions, RAS `origin` of (0, 0).

    Raises:
        OSError: the file cannot be written.
    """
    import SimpleITK as sitk  # noqa: N813

    assert origin is not None
    image = sitk.GetImageFromArray(array if array.ndim == 3 else array[None])
    directions = view.ijk_to_ras[:3, :3] / np.array([view.spacing[1], view.spacing[0], 1.0])
    to_lps = np.diag([-1.0, -1.0, 1.0])
    image.SetSpacing((view.spacing[1], view.spacing[0], 1.0))
    image.SetDirection((to_lps @ directions).ravel().tolist())
    image.SetOrigin((to_lps @ np.array(origin)).tolist())
    with _whole(path) as part:
        sitk.WriteImage(image, str(part), useCompression=True)


def read_image(path: Path) -> NDArray[Any]:
    """(slices, rows, columns) of an image file.

    Raises:
        UserError: it is missing or damaged.
    """
    import SimpleITK as sitk  # noqa: N813

    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise UserError(f"{path} is missing or damaged; make the data set again or restore the file.") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    with _whole(path) as part:
        part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is missing or damaged; make the data set again or restore the file.") from error


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A temporary neighbour of `path`, with the same ending, that takes its place once it is written."""
    part = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except RuntimeError as error:
        # SimpleITK's own error is many lines long and does not tell why.
        raise OSError(f"{path.name} could not be written") from error
    finally:
        # Fails only where nothing could be written in the first place.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _records(folder: Path) -> list[dict[str, Any]]:
    """What instances/*.json say, by file name."""
    paths = (path for path in (folder / "instances").glob("*.json") if not path.name.startswith("."))
    return [read_json(path) for path in sorted(paths)]


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


def _box_origin(view: PlanarView, crop: ThoraxCrop) -> tuple[float, float, float]:
    place = view.ijk_to_ras @ np.array([crop.columns[0], crop.rows[0], 0.0, 1.0])
    return (float(place[0]), float(place[1]), float(place[2]))
