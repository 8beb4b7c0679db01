"""Digest of what is learnt from a data set, by which a resumed training recognises that the set was changed."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import sha256_of

from .cases import FOLDERS, records_of
from .opened import Data, opened

__all__ = ["outlines_digest"]


def outlines_digest(data: Data, used: Mapping[str, Sequence[str]]) -> str:
    """Return the SHA-256 of the cases that a training uses, and of the files of their labels.

    Args:
        data: the data set.
        used: {their part in the training: names of the cases}.

    Raises:
        UserError: a file is damaged or cannot be read.
    """
    folder, digest = opened(data).folder, hashlib.sha256()
    splits = {record["case"]: record["split"] for record in records_of(data)}
    for part, cases in sorted(used.items()):
        for case in sorted(cases):
            digest.update(f"{part} {case} {splits[case]}\n".encode())
            labels = FOLDERS[splits[case]][1]
            if labels is None:
                continue
            own = sorted((folder / "instances").glob(f"{glob.escape(case)}_*.nii.gz"))
            for path in (folder / labels / f"{case}.nii.gz", *own):
                digest.update(f"{path.name} {_sha256(path)}\n".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({reason_of(error)}); make the data set again.", "data") from error
