"""Digest of what is learnt from a data set, by which a resumed training recognises that the set was changed."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import sha256_of

from .cases import FOLDERS, records_of
from .opened import Data, opened

__all__ = ["outlines_digest"]


def outlines_digest(data: Data) -> str:
    """Return the SHA-256 of the names and splits of all cases, of their folds, and of the files of their labels.

    Raises:
        UserError: a file is damaged or cannot be read.
    """
    folder, digest = opened(data).folder, hashlib.sha256()
    for record in records_of(data):
        case, labels = record["case"], FOLDERS[record["split"]][1]
        digest.update(f"{case} {record['split']}\n".encode())
        if labels is not None:
            own = sorted((folder / "instances").glob(f"{glob.escape(case)}_*.nii.gz"))
            for path in (folder / labels / f"{case}.nii.gz", *own):
                digest.update(f"{path.name} {_sha256(path)}\n".encode())
    folds = folder / "splits.json"
    if folds.exists():
        digest.update(_sha256(folds).encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}); make the data set again.", "data") from error
