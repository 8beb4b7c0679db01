"""Pseudonyms: keyed hashes (HMAC-SHA-256) of patient IDs and of scans.

A hash without a key could be reversed by trying all patient IDs of a hospital. The key is stored in the private folder,
not in the data set; it is needed to recognise a patient in later scans.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError
from SpectBoneMetSegLib.common.files import whole_file

__all__ = ["KEY_FILE", "Pseudonyms", "read_or_make_key"]

KEY_FILE = "pseudonyms.key"
KEY_BYTES = 32
#: Hexadecimal digits of a pseudonym: among a million scans the probability of a collision is below 1 in 500.
DIGITS = 12


class Pseudonyms:
    """Pseudonyms from one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def patient(self, patient: str) -> str:
        """Return the pseudonym of a patient ID; surrounding blanks and letter case are ignored."""
        return f"patient_{self._hash('patient', patient.strip().casefold())}"

    def scan(self, identity: str) -> str:
        """Return the pseudonym of a scan, from its identity (see `identity_of`)."""
        return f"scan_{self._hash('scan', identity)}"

    def _hash(self, kind: str, text: str) -> str:
        return hmac.new(self._key, f"{kind}\0{text}".encode(), "sha256").hexdigest()[:DIGITS]


def read_or_make_key(folder: Path, *, new: bool) -> bytes:
    """Read the key in a folder; with `new`, create a missing one.

    Raises:
        UserError: it is missing though pseudonyms were made with it, or is damaged.
        OSError: it cannot be written.
    """
    path = folder / KEY_FILE
    if new and not path.exists():
        # Readable by its owner alone from the start.
        rights = os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
        with whole_file(path) as part, os.fdopen(os.open(part, *rights), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}, the key to the pseudonyms, is missing or damaged; restore it, or gather into a new folder."
        ) from error
    if len(key) != KEY_BYTES:
        raise UserError(f"{path} is damaged; restore it, or gather into a new folder.")
    return key
