"""Write one scan into a data set, as a labelled or an unlabelled case."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.scan.aggregation import aggregate
from SpectBoneMetSegLib.scan.planar import VIEW_NAMES, WholeBodyScan
from SpectBoneMetSegLib.scan.regrid import regrid
from SpectBoneMetSegLib.scan.thorax import LOW_CONFIDENCE, ThoraxCrop, crop_thorax

from ..dataset.cases import FOLDERS, Instance, write_case
from ..dataset.reference_grid import place_crop

__all__ = ["check_counts", "digest_of", "find_crop", "forget_case", "identity_of", "outside_crop", "write_scan"]

#: Data sets hold counts as 16-bit numbers.
MOST_COUNTS = 65535
#: Largest share of the counts that rounding may change; true counts are integers, scaled grey values are not.
LARGEST_ROUNDING = 0.02


def identity_of(scan: WholeBodyScan) -> tuple[str, ...]:
    """Return a scan's identity: per file its SOP Instance UID or SHA-256, else the digest of its counts."""
    source = scan.source
    if source.sop_instance_uids and len(source.sop_instance_uids) == len(source.files):
        return source.sop_instance_uids
    if source.sha256:
        return tuple(f"sha256:{digest}" for digest in source.sha256)
    counts = hashlib.sha256(b"".join(view.counts.tobytes() for view in scan.views.values()))
    return (f"counts:{counts.hexdigest()}",)


def check_counts(scan: WholeBodyScan) -> tuple[WholeBodyScan, list[str]]:
    """Return the scan with counts rounded and clipped to 16 bits, and notes about changes.

    Raises:
        UserError: the image holds scaled grey values, from which counts cannot be recovered.
    """
    notes = []
    views = {}
    for name, view in scan.views.items():
        whole = np.rint(view.counts)
        if np.abs(whole - view.counts).sum() > LARGEST_ROUNDING * view.counts.sum():
            raise UserError(
                f"The {name} view of {scan.case} holds scaled grey values and no counts; give the original scan."
            )
        if whole.max() > MOST_COUNTS:
            notes.append(
                f"{int((whole > MOST_COUNTS).sum())} pixels of the {name} view were cut to {MOST_COUNTS} counts."
            )
        views[name] = view.with_counts(whole.clip(0, MOST_COUNTS).astype(np.float32))
    return replace(scan, anterior=views.get("anterior"), posterior=views.get("posterior")), notes


def find_crop(scan: WholeBodyScan) -> tuple[ThoraxCrop, list[str]]:
    """Find the thorax box on the reference grid, as the reading pipeline does; return it with notes."""
    work = regrid(aggregate(scan))
    crop = crop_thorax(work.counts, work.spacing[0])
    unsure = crop.confidence < LOW_CONFIDENCE
    return crop, [f"The thorax was found with a confidence of {crop.confidence:.2f} only."] if unsure else []


def outside_crop(instances: Sequence[Instance], scan: WholeBodyScan, crop: ThoraxCrop) -> int:
    """Count the labelled lesions that lie entirely outside the thorax box."""
    (first, end), (left, right) = place_crop(scan.frame, (crop.rows, crop.columns)).own
    box = (slice(max(first, 0), max(end, 0)), slice(max(left, 0), max(right, 0)))
    labelled = [item for item in instances if any(item.labelled.values())]
    return sum(not any(mask[box].any() for mask in item.masks.values()) for item in labelled)


def write_scan(
    folder: Path,
    case: str,
    scan: WholeBodyScan,
    crop: ThoraxCrop,
    instances: Sequence[Instance] | None,
    about: dict[str, Any],
    split: str,
) -> None:
    """Write a whole-body scan; training on the thorax crops it from there.

    Args:
        folder: the data set.
        case: its name.
        scan: whole counts.
        crop: on the reference grid.
        instances: the lesions, None without a label.
        about: further facts for the JSON.
        split: "train", "test" or "unlabelled".

    Raises:
        OSError: a file cannot be written; no file of the case stays.
    """
    try:
        write_case(folder, split, replace(scan, case=case), crop, instances, about, region="whole-body")
    except BaseException:
        # Images without a label would be read by nnU-Net.
        forget_case(folder, case)
        raise


def forget_case(folder: Path, case: str) -> None:
    """Remove a case from a data set; its JSON is removed first, so that an incomplete case is never used."""
    (folder / "instances" / f"{case}.json").unlink(missing_ok=True)
    # Names in full: another case's name may begin with this one's.
    for images, labels in FOLDERS.values():
        for channel in range(len(VIEW_NAMES)):
            (folder / images / f"{case}_{channel:04d}.nii.gz").unlink(missing_ok=True)
        if labels is not None:
            (folder / labels / f"{case}.nii.gz").unlink(missing_ok=True)
    for view in VIEW_NAMES:
        (folder / "instances" / f"{case}_{view}.nii.gz").unlink(missing_ok=True)


def digest_of(instances: Sequence[Instance]) -> str:
    """Return the SHA-256 of the lesions' masks and labels, to detect changed labels."""
    digest = hashlib.sha256()
    for item in instances:
        for name, mask in sorted(item.masks.items()):
            digest.update(f"{item.id} {name} {item.labelled[name]} {mask.shape}".encode())
            digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()
