"""Small folders in the layouts of public sets, made of the simulated sample study; nothing of those sets is in them."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from SpectBoneMetSegLib.loading import read_scan

SAMPLE = Path(__file__).resolve().parents[3] / "Resources" / "Sample" / "simulated_scan.dcm"
#: Grey values a count of the two views, as differently as in BS-80K.
GAINS = {"ANT": 1.41, "POST": 1.9}
#: A hot area of the anterior view's thorax in the anterior frame: rows, columns.
SPOT = (slice(300, 312), slice(118, 130))
BONES = {
    1: (60, 120), 2: (130, 150), 3: (160, 290), 9: (295, 350), 11: (360, 430), 12: (440, 600),
}  # fmt: skip


@lru_cache
def sample_counts() -> dict[str, np.ndarray]:
    """{"ANT" or "POST": (1024, 256) counts as acquired} with a hot area at SPOT."""
    scan = read_scan(SAMPLE)
    front, behind = scan.anterior.counts.copy(), scan.posterior.counts.copy()
    front[SPOT] += 25
    behind[:, ::-1][SPOT] += 25
    return {"ANT": front, "POST": behind}


def shifted(patient: int) -> dict[str, np.ndarray]:
    """The sample a little lower for every patient, so that no two scans are the same."""
    return {view: np.roll(counts, patient % 7, 0) for view, counts in sample_counts().items()}


def grey(counts: np.ndarray, gain: float) -> np.ndarray:
    return np.rint(gain * counts).clip(0, 255).astype(np.uint8)


def write_jpeg(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG", quality=100)


def box_xml(*boxes: tuple[str, int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax>"
        "</bndbox></object>"
        for name, x0, y0, x1, y1 in boxes
    )
    return f"<annotation><size><width>1</width><height>1</height></size>{objects}</annotation>"


def spot_box(patient: int, view: str, margin: int = 6) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around SPOT in a picture as acquired."""
    rows, columns = SPOT
    down = patient % 7
    left, right = (columns.start, columns.stop) if view == "ANT" else (256 - columns.stop, 256 - columns.start)
    return left - margin, rows.start + down - margin, right + margin, rows.stop + down + margin


def write_bs80k(folder: Path, patients: tuple[int, ...], healthy: tuple[int, ...] = ()) -> Path:
    """`temp/` with whole bodies, boxes of everybody but the healthy, a folder of regions and the label lists."""
    root = folder / "temp"
    for view, sub in (("ANT", "ant"), ("POST", "post")):
        whole = root / f"wholeBody{view}"
        labels = []
        for patient in patients:
            write_jpeg(whole / f"{patient}.jpg", grey(shifted(patient)[view], GAINS[view]))
            (whole / sub).mkdir(exist_ok=True)
            if patient not in healthy:
                boxes = [
                    ("Abnormal", *spot_box(patient, view)),
                    ("Normal", 100, 400, 120, 420),
                    ("Abnormal", 5, 5, 6, 6),
                ]
                (whole / sub / f"{patient}.xml").write_text(box_xml(*boxes))
            labels.append(f"{patient}.jpg\t{int(patient not in healthy)}")
        (whole / f"wholeBody{view}.txt").write_text("\n".join(sorted(labels)) + "\n")
    for patient in patients:
        write_jpeg(root / "chestRANT" / f"{patient}.jpg", np.zeros((90, 60), np.uint8))
    return folder


def write_regions(folder: Path, patients: Iterable[int], name: str = "chestRANT", suffix: str = ".jpg") -> Path:
    """A folder of region pictures, of which only the names are read."""
    place = folder / "temp" / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for patient in patients:
        (place / f"{patient}{suffix}").touch()
    return place


def bone_mask(patient: int, shape: tuple[int, int] = (1024, 256)) -> np.ndarray:
    """Blocks of bone in the order from head to foot, numbered as in the masks for BS-80K."""
    mask = np.zeros((1024, 256), np.uint8)
    for value, (first, end) in BONES.items():
        mask[first + patient % 7 : end + patient % 7, 100 if value == 12 else 110 : 156 if value == 12 else 146] = value
    step = 1024 // shape[0]
    return np.ascontiguousarray(mask[::step, ::step])


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_hotspots(folder: Path, patients: tuple[int, ...], splits: tuple[str, ...] = ()) -> Path:
    """Masks and a manifest as in Zenodo 23190333; no posterior hot spots of the first patient."""
    split_of = {f"patient_{patient:05d}": split for patient, split in zip(patients, splits, strict=False)}
    rows = []
    for patient in patients:
        place = f"patient_{patient:05d}/study_00001"
        for view, name in (("ANT", "anterior"), ("POST", "posterior")):
            write_png(folder / "skeleton_masks" / place / f"{name}.png", bone_mask(patient))
            if not (patient == patients[0] and view == "POST"):
                hot = np.zeros((1024, 256), np.uint8)
                x0, y0, x1, y1 = spot_box(patient, view, 0)
                hot[y0:y1, x0:x1], hot[400:410, 100:110] = 2, 1
                write_png(folder / "hotspot_masks" / place / f"{name}.png", hot)
    for path in sorted(folder.rglob("*.png")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        kind, *rest = path.relative_to(folder).parts
        rows.append({"mask_set": kind, "file": "/".join(rest), "sha256": digest, "split": split_of.get(rest[0], "")})
    with (folder / "manifest.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def write_skeleton(folder: Path, patients: tuple[int, ...], shape: tuple[int, int]) -> Path:
    """Masks as in Zenodo 20342310, and the coloured ones that are not to be read."""
    for patient in patients:
        for name in ("anterior", "posterior"):
            write_png(folder / "dataset" / "masks" / name / f"{patient}.png", bone_mask(patient, shape))
            colours = np.zeros((*shape, 3), np.uint8)
            write_png(folder / "dataset" / "masks" / f"{name}_colored" / f"{patient}.png", colours)
    return folder


def write_coco(folder: Path, patients: tuple[int, ...]) -> Path:
    """labels_train.json and labels_val.json with polygons, run lengths and a category that is none of our regions."""
    names = {1: "skullANT", 2: "pelvisANT", 3: "left femurANT", 4: "pelvisPOST", 5: "toothANT"}
    places = {1: (60, 120), 2: (360, 430), 3: (440, 600), 4: (360, 430), 5: (100, 110)}
    for part, group in (("train", patients[:-1]), ("val", patients[-1:])):
        images, annotations = [], []
        for patient in group:
            for view in ("ANT", "POST"):
                images.append({"id": f"{patient}{view}", "file_name": f"{patient}{view}.jpg"})
                for category, name in names.items():
                    if not name.endswith(view):
                        continue
                    first, end = places[category]
                    shape: object = [[110, first, 146, first, 146, end, 110, end]]
                    if category == 2:
                        column = [360, 70, 1024 - 430]
                        runs = [110 * 1024 + 360, 70] + [column[2] + column[0], 70] * 35 + [594 + 1024 * 110]
                        shape = {"size": [1024, 256], "counts": runs}
                    annotations.append({"image_id": f"{patient}{view}", "category_id": category, "segmentation": shape})
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": number, "name": name} for number, name in names.items()],
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"labels_{part}.json").write_text(json.dumps(content))
    return folder


def write_iics(folder: Path, ill: int, well: int) -> Path:
    """Classes with spaces in their names, numbers that start again in each, 16 bits stretched to 65535."""
    for group, count, start in (("With bone metastases", ill, 0), ("Without metastases", well, 3)):
        for number in range(1, count + 1):
            views = shifted(start + number)
            for letter, view, sub in (("A", "ANT", "Anterior"), ("P", "POST", "Posterior")):
                counts = views[view]
                stretched = np.floor(65535 / counts.max() * counts).astype(np.uint16)
                write_png(folder / "images" / group / sub / f"{letter}{number}.png", stretched)
    return folder


def write_libs(folder: Path) -> Path:
    """Whole bodies in folders of their label, a stray copy, and crops in a table that are not to be read."""
    for patient, groups in ((1, ("Normal", "Normal")), (2, ("Normal", "Abnormal")), (4000, ("Abnormal", "Abnormal"))):
        for (view, gain), group in zip(GAINS.items(), groups, strict=True):
            write_jpeg(folder / f"whole{view}" / group / f"{patient}.jpg", grey(shifted(patient)[view], gain))
    write_jpeg(folder / "wholeANT" / "Normal" / "1(1).jpg", np.zeros((1024, 256), np.uint8))
    train = folder / "LIBS-160K-EN" / "train"
    train.mkdir(parents=True)
    (train / "train_imgs.tsv").write_text(f"1\t{base64.b64encode(b'no whole body').decode()}\n")
    (train / "train_texts.jsonl").write_text('{"text_id":1,"text":"right chest","image_ids":[1, ]},\n')
    return folder


def write_pairs(folder: Path, patients: tuple[str, ...]) -> Path:
    """MHD and RAW of 2.26 mm, the posterior view flipped onto the anterior one, masks of signed bytes."""
    for place, patient in enumerate(patients):
        views = shifted(place)
        for suffix, counts in (("", views["ANT"]), ("_P", views["POST"][:, ::-1])):
            rows, columns = SPOT
            tumour = np.zeros(counts.shape, np.int8)
            tumour[rows.start + place : rows.stop + place, columns] = 1
            bone = np.zeros(counts.shape, np.uint8)
            bone[60:120, 110:146], bone[160:290, 110:146], bone[360:430, 110:146] = 1, 3, 6
            for kind, pixels in (("Image", counts.astype(np.uint16)), ("Tumor", tumour), ("Bone", bone)):
                image = sitk.GetImageFromArray(pixels[None])
                image.SetSpacing((2.26, 2.26, 1.0))
                path = folder / f"{kind}{suffix}" / f"{patient}.mhd"
                path.parent.mkdir(parents=True, exist_ok=True)
                sitk.WriteImage(image, str(path))
                header = path.read_text().replace("AnatomicalOrientation = RAI", "AnatomicalOrientation = ??")
                path.write_text(header)
    return folder


def write_nnunet_pairs(folder: Path, patients: tuple[str, ...]) -> Path:
    """A view a channel in 8-bit PNG, the last patient among the test images, which have no masks."""
    for place, patient in enumerate(patients):
        images = folder / ("imagesTs" if patient == patients[-1] else "imagesTr")
        for channel, view in enumerate(("ANT", "POST")):
            name = f"{patient}_{channel:04d}.png"
            write_png(images / name, grey(shifted(place)[view], GAINS[view]))
            if patient == patients[-1]:
                continue
            hot = np.zeros((1024, 256), np.uint8)
            x0, y0, x1, y1 = spot_box(place, view, 0)
            hot[y0:y1, x0:x1], hot[400:410, 100:110] = 2, 1
            write_png(folder / "labelsTr" / "lesion" / name, hot)
            write_png(folder / "labelsTr" / "bone" / name, bone_mask(place))
    return folder
