"""Which scans taught a model: salted digests of their counts in its card, by which a measurement can tell.

The digests name nobody, and whoever has not the scan itself cannot tell from them that it was among those learnt from.
A scan is known again in any data set, under any pseudonym; what is not known again is a moved or turned copy.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from SpectBoneMetSegLib.model.card import ModelCard
from SpectBoneMetSegLib.model.store import find_model

from ...dataset.cases import FOLDERS, records_of
from ...dataset.opened import Data, DataSet, opened
from ..setup.cases import TrainingCases
from ..setup.config import TrainingConfig

__all__ = ["TRAINING_SCANS", "KnownPatients", "known_patients", "scan_digests", "training_scans"]

#: Entry of a card's training: one item a training, the model's own first, then those of the models it began as.
TRAINING_SCANS = "learnt_scans"
#: Letters of a digest: no two scans of a million share them.
LETTERS = 16


@dataclass(frozen=True)
class KnownPatients:
    """Patients that a model knows.

    Attributes:
        trained: of these some scan was learnt from.
        validated: of these a scan chose thresholds and when to stop.
    """

    trained: frozenset[str]
    validated: frozenset[str]

    def sentence(self, patients: int) -> str:
        """What to know about figures on so many patients; empty when the model knows none of them."""
        if not self.trained and not self.validated:
            return ""
        parts = [f"{len(self.trained)} taught it"] if self.trained else []
        parts += [f"{len(self.validated)} chose its thresholds"] if self.validated else []
        return (
            f"The model knows patients that are measured here (of {patients}, {' and '.join(parts)}): these figures "
            "flatter it; measure on patients it has never seen."
        )


def training_scans(data: Data, cases: TrainingCases, config: TrainingConfig) -> list[dict[str, str]]:
    """For the card: what this training learnt from, and what the model that it started from had learnt from."""
    own = scan_digests(data, [*cases.labelled, *cases.unlabelled], cases.validation)
    earlier = find_model(config.start).card.training.get(TRAINING_SCANS, []) if config.start else []
    return [own, *earlier]


def scan_digests(data: Data, taught: Collection[str], validated: Collection[str]) -> dict[str, str]:
    """For the card: salted digests of cases that were learnt from, and of those that chose something."""
    files = opened(data)
    images = {record["case"]: FOLDERS[record["split"]][0] for record in records_of(files)}
    salt = secrets.token_hex(8)

    def digests(names: Collection[str]) -> str:
        return " ".join(sorted(_salted(salt, _digest(files, images[case], case)) for case in names))

    return {"salt": salt, "taught": digests(taught), "validated": digests(validated)}


def known_patients(card: ModelCard, data: Data, cases: Collection[str]) -> KnownPatients:
    """Whom of the cases' patients a model knows, by any scan of theirs in the data set; nobody for an old card."""
    files, trainings = opened(data), card.training.get(TRAINING_SCANS, [])
    records = {record["case"]: record for record in records_of(files)} if trainings else {}
    asked = {_patient(records[case]) for case in cases if case in records}
    taught, validated = (
        [(entry["salt"], set(entry.get(group, "").split())) for entry in trainings] for group in ("taught", "validated")
    )
    found: dict[str, set[str]] = {"taught": set(), "validated": set()}
    for case, record in records.items():
        if _patient(record) not in asked:
            continue
        digest = _digest(files, FOLDERS[record["split"]][0], case)
        for group, lists in (("taught", taught), ("validated", validated)):
            if any(_salted(salt, digest) in scans for salt, scans in lists):
                found[group].add(_patient(record))
    return KnownPatients(frozenset(found["taught"]), frozenset(found["validated"] - found["taught"]))


def _patient(record: Mapping[str, Any]) -> str:
    return str(record.get("patient", record["case"]))


def _digest(data: DataSet, images: str, case: str) -> bytes:
    """SHA-256 of the counts of both channels."""
    digest = hashlib.sha256()
    for channel in (0, 1):
        counts = data.image(images, f"{case}_{channel:04d}.nii.gz")
        digest.update(f"{counts.shape}".encode() + counts.astype("<u2").tobytes())
    return digest.digest()


def _salted(salt: str, digest: bytes) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + digest).hexdigest()[:LETTERS]
