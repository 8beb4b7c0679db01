"""Data leakage check: salted digests of a model's training and validation scans in its card.

An evaluation uses them to warn about patients that the model was trained on. The digests identify no patient: without
the scan itself, its use in the training cannot be derived from them. A scan is recognised in any data set, of thorax or
whole body, and under any pseudonym, but not as a shifted or rotated copy.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.store import find_model

from ...dataset.cases import FOLDERS, load_placement, records_of
from ...dataset.opened import Data, DataSet, opened
from ..setup.cases import TrainingCases
from ..setup.config import TrainingConfig

__all__ = ["TRAINING_SCANS", "KnownPatients", "known_patients", "scan_digests", "training_scans"]

#: Key in a card's training entry: a list with one item for the model's own training, then those of its ancestors.
TRAINING_SCANS = "learnt_scans"
#: Hexadecimal digits of a digest: enough to tell a million scans apart.
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class KnownPatients:
    """Patients of an evaluation whose scans a model was trained or validated on.

    Attributes:
        trained: patients with a training scan.
        validated: patients with a validation scan (early stopping, thresholds) and no training scan.
    """

    trained: frozenset[str]
    validated: frozenset[str]

    def sentence(self, patients: int) -> str:
        """Return a warning about figures on so many patients; empty if the model knows none of them."""
        if not self.trained and not self.validated:
            return ""
        parts = [f"it was trained on {len(self.trained)}"] if self.trained else []
        parts += [f"its thresholds were chosen on {len(self.validated)}"] if self.validated else []
        return (
            f"The model has used patients of this evaluation (of {patients}, {' and '.join(parts)}): these results "
            "are too optimistic; evaluate on other patients."
        )


def training_scans(data: Data, cases: TrainingCases, config: TrainingConfig) -> list[dict[str, str]]:
    """Return the digests of this training's scans and of those of the parent model, for the card."""
    own = scan_digests(data, [*cases.labelled, *cases.unlabelled], cases.validation)
    earlier = find_model(config.start).card.training.get(TRAINING_SCANS, []) if config.start else []
    return [own, *earlier]


def scan_digests(data: Data, trained: Collection[str], validated: Collection[str]) -> dict[str, str]:
    """Return salted digests of training cases, and of cases that chose thresholds, for the card."""
    files = opened(data)
    images = {record["case"]: FOLDERS[record["split"]][0] for record in records_of(files)}
    salt = secrets.token_hex(8)

    def digests(names: Collection[str]) -> str:
        return " ".join(sorted(_salted(salt, _digest(files, images[case], case)) for case in names))

    return {"salt": salt, "taught": digests(trained), "validated": digests(validated)}


def known_patients(card: ModelCard, data: Data, cases: Collection[str]) -> KnownPatients:
    """Return the patients of these cases that a model knows, by any of their scans in the data set.

    Empty for a card of an older version, which has no digests.
    """
    files, trainings = opened(data), card.training.get(TRAINING_SCANS, [])
    records = {record["case"]: record for record in records_of(files)} if trainings else {}
    wanted = {_patient(records[case]) for case in cases if case in records}
    trained, validated = (
        [(entry["salt"], set(entry.get(group, "").split())) for entry in trainings] for group in ("taught", "validated")
    )
    found: dict[str, set[str]] = {"taught": set(), "validated": set()}
    for case, record in records.items():
        if _patient(record) not in wanted:
            continue
        images = FOLDERS[record["split"]][0]
        digests = _digest(files, images, case), _digest_of_older_cards(files, images, case)
        for group, lists in (("taught", trained), ("validated", validated)):
            if any(_salted(salt, digest) in scans for salt, scans in lists for digest in digests):
                found[group].add(_patient(record))
    return KnownPatients(frozenset(found["taught"]), frozenset(found["validated"] - found["taught"]))


def _patient(record: Mapping[str, Any]) -> str:
    return str(record.get("patient", record["case"]))


def _digest(data: DataSet, images: str, case: str) -> bytes:
    """Return the SHA-256 of the counts of both channels in the thorax box, which every set holds."""
    placement = load_placement(data, case)
    # Whole counts, so that another machine's interpolation gives the same.
    return _sha256([np.rint(placement.counts(counts[0])).astype("<u4") for counts in _stored(data, images, case)])


def _digest_of_older_cards(data: DataSet, images: str, case: str) -> bytes:
    """Return the SHA-256 of the counts of both channels as stored, which depends on the region of the set."""
    return _sha256([counts.astype("<u2") for counts in _stored(data, images, case)])


def _stored(data: DataSet, images: str, case: str) -> list[NDArray[Any]]:
    return [data.image(images, f"{case}_{channel:04d}.nii.gz") for channel in (0, 1)]


def _sha256(channels: Sequence[NDArray[Any]]) -> bytes:
    digest = hashlib.sha256()
    for counts in channels:
        digest.update(f"{counts.shape}".encode() + counts.tobytes())
    return digest.digest()


def _salted(salt: str, digest: bytes) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + digest).hexdigest()[:DIGEST_LENGTH]
