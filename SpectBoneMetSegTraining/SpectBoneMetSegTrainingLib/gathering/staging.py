"""Pass labelled scans from Slicer's process to the gathering process, as a folder with two files a scan."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from SpectBoneMetSegLib.lesions.serialisation import load_scan, save_scan

from .labels.marks import LabelledScan, Labels, Mark

__all__ = ["load_staged", "stage"]

UNION = "union"


def stage(labelled: LabelledScan, folder: Path) -> None:
    """Add a labelled scan to a folder.

    Raises:
        OSError: it cannot be written.
    """
    number = len(list(folder.glob("*.scan.npz")))
    readers = [
        {
            "reader": labels.reader,
            "covers": sorted(name or UNION for name in labels.covers),
            "sources": list(labels.sources),
            "notes": list(labels.notes),
            "marks": [
                {"name": mark.name, "view": mark.view, "ignore": mark.ignore, "mask": f"{reader}-{index}"}
                for index, mark in enumerate(labels.marks)
            ],
        }
        for reader, labels in enumerate(labelled.labels)
    ]
    facts = {"patient": labelled.patient, "place": labelled.place, "readers": readers}
    masks = {
        f"{reader}-{index}": mark.mask
        for reader, labels in enumerate(labelled.labels)
        for index, mark in enumerate(labels.marks)
    }
    with (folder / f"{number:04d}.labels.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, facts=np.array(json.dumps(facts)), **masks)
    save_scan(labelled.scan, folder / f"{number:04d}.scan.npz")


def load_staged(folder: Path) -> list[LabelledScan]:
    """Return the labelled scans in a folder, in the order in which they were staged."""
    return [_load(path) for path in sorted(folder.glob("*.scan.npz"))]


def _load(path: Path) -> LabelledScan:
    with np.load(path.with_name(path.name.replace(".scan.", ".labels.")), allow_pickle=False) as stored:
        facts = json.loads(str(stored["facts"]))
        readers = tuple(
            Labels(
                reader["reader"],
                tuple(
                    Mark(mark["name"], stored[mark["mask"]], mark["view"], mark["ignore"]) for mark in reader["marks"]
                ),
                frozenset(None if name == UNION else name for name in reader["covers"]),
                tuple(reader["sources"]),
                tuple(reader["notes"]),
            )
            for reader in facts["readers"]
        )
    return LabelledScan(load_scan(path), readers, facts["patient"], facts["place"])
