"""Choose labelled patients of a simulated data set, the same ones in every benchmark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from SpectBoneMetSegTrainingLib.dataset.cases import patients_with_lesions, records_of


def labelled_patients(data: Path, count: int, seed: int) -> list[str]:
    """Return `count` training patients in a seeded order, first those with lesions, who are at least half of them."""
    records = [record for record in records_of(data) if record["split"] == "train"]
    patients = sorted({record["patient"] for record in records})
    order = [patients[index] for index in np.random.default_rng(seed).permutation(len(patients))]
    with_lesions = patients_with_lesions(data, records)
    first = [name for name in order if name in with_lesions][: -(-count // 2)]
    return first + [name for name in order if name not in first][: count - len(first)]
