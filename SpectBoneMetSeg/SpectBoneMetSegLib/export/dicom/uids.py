"""UIDs derived from the content that they identify.

The same reading always gets the same UIDs: an archive recognises the objects of a second run as copies. Any difference
(another model, an edited outline, another decision, another device named in a report) results in other UIDs, so that
nothing replaces what was sent before. Only the time of writing has no influence.
"""

from __future__ import annotations

import hashlib
import json
import uuid

import numpy as np

from ...common.jsonable import to_jsonable
from ...lesions.results import Reading

__all__ = ["content_of", "derived_uid", "tracking_uids"]

#: Entries of a receipt that distinguish readings.
SHOWN = ("program", "model", "engine", "device", "inputs", "options", "threshold", "review", "warnings")
#: Namespace of all derived UIDs.
_OURS = uuid.UUID("8f1c3ab8-5f0f-4f0e-9d4b-3f8a1f6ed0a2")


def derived_uid(*parts: str) -> str:
    """Return a UID (root 2.25, PS3.5 B.2) derived from texts."""
    return f"2.25.{uuid.uuid5(_OURS, chr(31).join(parts)).int}"


def content_of(reading: Reading) -> str:
    """Return a hex digest of a reading's content: scan, program, model, engine, warnings, outlines, decisions."""
    receipt = reading.receipt
    digest = hashlib.sha256(reading.scan.case.encode())
    kept = {key: receipt.get(key) for key in SHOWN}
    inputs = kept["inputs"]
    if isinstance(inputs, list):
        # Paths do not matter, only the content of the files.
        kept["inputs"] = [{key: value for key, value in dict(entry).items() if key != "file"} for entry in inputs]
    digest.update(json.dumps(to_jsonable(kept), sort_keys=True).encode())
    for name, ids in reading.view_masks.items():
        digest.update(name.encode() + np.ascontiguousarray(ids).tobytes())
    return digest.hexdigest()


def tracking_uids(reading: Reading) -> dict[int, str]:
    """Return {lesion ID: tracking UID}, derived from the scan and the lesion's pixels; the same in every object."""
    ids = reading.lesion_ids
    source = reading.scan.source
    scan = "/".join(source.sop_instance_uids or source.sha256 or (reading.scan.case,))
    return {
        lesion.id: derived_uid("lesion", scan, hashlib.sha256(np.flatnonzero(ids == lesion.id).tobytes()).hexdigest())
        for lesion in reading.lesions
    }
