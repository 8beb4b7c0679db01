"""UIDs that follow from what they name.

The same reading gets the same UIDs however often it is written, so that a second run does not fill an archive with
copies: the archive knows them already. Whatever differs (another model, an edited outline, another decision, another
device that a report names) has other UIDs, so that nothing takes the place of what was sent before. Only the time of
writing is not part of it.
"""

from __future__ import annotations

import hashlib
import json
import uuid

import numpy as np

from ...common.jsonable import to_jsonable
from ...lesions.results import Reading

__all__ = ["content_of", "derived_uid", "tracking_uids"]

#: What of a receipt tells readings apart.
SHOWN = ("program", "model", "engine", "device", "inputs", "options", "threshold", "review", "warnings")
#: All our UIDs are derived within it.
_OURS = uuid.UUID("8f1c3ab8-5f0f-4f0e-9d4b-3f8a1f6ed0a2")


def derived_uid(*parts: str) -> str:
    """A UID (2.25, PS3.5 B.2) that is the same for the same parts."""
    return f"2.25.{uuid.uuid5(_OURS, chr(31).join(parts)).int}"


def content_of(reading: Reading) -> str:
    """Hex digest of all that is shown of a reading: scan, program, model, engine, warnings, outlines, decisions."""
    receipt = reading.receipt
    digest = hashlib.sha256(reading.scan.case.encode())
    kept = {key: receipt.get(key) for key in SHOWN}
    inputs = kept["inputs"]
    if isinstance(inputs, list):
        # Where a file lies says nothing about what is in it.
        kept["inputs"] = [{key: value for key, value in dict(entry).items() if key != "file"} for entry in inputs]
    digest.update(json.dumps(to_jsonable(kept), sort_keys=True).encode())
    for name, ids in reading.view_masks.items():
        digest.update(name.encode() + np.ascontiguousarray(ids).tobytes())
    return digest.hexdigest()


def tracking_uids(reading: Reading) -> dict[int, str]:
    """{lesion ID: its tracking UID}, from the scan and the lesion's own pixels; the same in every object."""
    ids = reading.lesion_ids
    source = reading.scan.source
    scan = "/".join(source.sop_instance_uids or source.sha256 or (reading.scan.case,))
    return {
        lesion.id: derived_uid("lesion", scan, hashlib.sha256(np.flatnonzero(ids == lesion.id).tobytes()).hexdigest())
        for lesion in reading.lesions
    }
