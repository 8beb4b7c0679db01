"""Serialise scans and model results: as a file for another process, or as facts and arrays for a Slicer scene.

A file is an uncompressed .npz without pickled objects: arrays, and all other fields ("facts") as one JSON text.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..common.jsonable import to_jsonable
from ..model.confidence import Confidence
from ..scan.planar import VIEW_NAMES, PlanarView, ScanSource, ViewName, WholeBodyScan
from ..scan.thorax import ThoraxCrop
from .model_result import Limits, ModelResult

__all__ = [
    "load_arrays",
    "load_result",
    "load_scan",
    "of_views",
    "regions_from",
    "regions_text",
    "result_facts",
    "result_from",
    "save_arrays",
    "save_result",
    "save_scan",
    "scan_facts",
    "scan_from",
    "source_from",
]

FACTS = "facts"


def save_scan(scan: WholeBodyScan, path: str | Path) -> None:
    """Write a scan; OSError when the file cannot be written."""
    save_arrays(path, scan_facts(scan), {f"counts_{name}": view.counts for name, view in scan.views.items()})


def load_scan(path: str | Path) -> WholeBodyScan:
    """Read a file of `save_scan`."""
    facts, arrays = load_arrays(path)
    return scan_from(facts, of_views(arrays, "counts"))


def save_result(result: ModelResult, path: str | Path) -> None:
    """Write a model's result; OSError when the file cannot be written."""
    counts = {f"counts_{name}": view.counts for name, view in result.scan.views.items()}
    maps = {f"probability_{name}": values for name, values in result.probabilities.items()}
    regions = {f"regions_{name}": values for name, values in result.regions.items()}
    save_arrays(path, result_facts(result), counts | maps | regions)


def load_result(path: str | Path) -> ModelResult:
    """Read a file of `save_result`."""
    facts, arrays = load_arrays(path)
    return result_from(facts, *(of_views(arrays, what) for what in ("counts", "probability", "regions")))


def result_facts(result: ModelResult) -> dict[str, Any]:
    """Return all fields of a result except its arrays, as JSON types."""
    crop = result.crop
    return {
        **scan_facts(result.scan),
        "crop": {
            "rows": list(crop.rows),
            "columns": list(crop.columns),
            "confidence": crop.confidence,
            "reasons": list(crop.reasons),
            "method": crop.method,
        },
        "limits": asdict(result.limits),
        "confidence": None if result.confidence is None else result.confidence.to_dict(),
        "receipt": to_jsonable(result.receipt),
    }


def result_from(
    facts: Mapping[str, Any],
    counts: Mapping[ViewName, NDArray[Any]],
    probabilities: Mapping[ViewName, NDArray[Any]],
    regions: Mapping[ViewName, NDArray[Any]] | None = None,
) -> ModelResult:
    """Return the result that `facts` describe.

    Args:
        facts: from `result_facts`.
        counts: per view (rows, columns) on its own grid.
        probabilities: per view (rows, columns) on the anterior frame.
        regions: per view (rows, columns) on its own grid; empty or None for a model that segments none.

    Raises:
        KeyError, TypeError, ValueError: facts or arrays are not those of a result.
    """
    box = ThoraxCrop.from_dict(facts["crop"])
    maps = {name: np.asarray(probabilities[name], np.float32) for name in VIEW_NAMES if name in probabilities}
    receipt = dict(facts["receipt"])
    # Scenes of earlier versions hold the limits only in the receipt.
    limits = facts.get("limits") or {item.name: receipt[item.name] for item in fields(Limits) if item.name in receipt}
    calibration = facts.get("confidence")
    return ModelResult(
        scan_from(facts, counts),
        box,
        maps,
        Limits(**limits),
        receipt,
        None if calibration is None else Confidence.from_dict(calibration),
        dict(regions or {}),
    )


def scan_facts(scan: WholeBodyScan) -> dict[str, Any]:
    """Return all fields of a scan except its counts, as JSON types."""
    source = scan.source
    return {
        "case": scan.case,
        "views": {
            name: {"spacing": list(view.spacing), "origin": list(view.origin or ())}
            for name, view in scan.views.items()
        },
        "source": {
            "files": [str(file) for file in source.files],
            "sha256": list(source.sha256),
            "sop_instance_uids": list(source.sop_instance_uids),
            "description": dict(source.description),
            "study_instance_uid": source.study_instance_uid,
        },
        "warnings": list(scan.warnings),
    }


def regions_text(regions: Mapping[ViewName, NDArray[np.uint8]]) -> str:
    """Encode region maps as a compact text, for a scene."""
    packed = {
        name: {"shape": list(numbers.shape), "data": base64.b64encode(zlib.compress(numbers.tobytes(), 9)).decode()}
        for name, numbers in regions.items()
    }
    return json.dumps(packed)


def regions_from(text: str) -> dict[ViewName, NDArray[np.uint8]]:
    """Decode the text of `regions_text`; return no maps for an empty or damaged text."""
    found: dict[ViewName, NDArray[np.uint8]] = {}
    try:
        stored = json.loads(text) if text else {}
        for name in VIEW_NAMES:
            if name in stored:
                data = zlib.decompress(base64.b64decode(stored[name]["data"], validate=True))
                found[name] = np.frombuffer(data, np.uint8).reshape(stored[name]["shape"]).copy()
    except (ValueError, KeyError, TypeError, zlib.error):
        return {}
    return found


def source_from(facts: Mapping[str, Any]) -> ScanSource:
    """Return the source that the entry "source" of `scan_facts` describes."""
    return ScanSource(
        tuple(facts["files"]),
        tuple(facts["sha256"]),
        tuple(facts["sop_instance_uids"]),
        dict(facts["description"]),
        # Missing in scenes of earlier versions.
        facts.get("study_instance_uid", ""),
    )


def scan_from(facts: Mapping[str, Any], counts: Mapping[ViewName, NDArray[Any]]) -> WholeBodyScan:
    """Return the scan that `scan_facts` describe; `counts` per view on its own grid."""
    views = {
        name: PlanarView(
            np.asarray(counts[name]),
            tuple(facts["views"][name]["spacing"]),
            name,
            tuple(facts["views"][name]["origin"]),
        )
        for name in VIEW_NAMES
        if name in facts["views"]
    }
    origin, warnings = source_from(facts["source"]), tuple(facts["warnings"])
    return WholeBodyScan(facts["case"], views.get("anterior"), views.get("posterior"), origin, warnings)


def save_arrays(path: str | Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write facts (JSON types) and arrays to a file; OSError when it cannot be written."""
    text = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    with open(path, "wb") as file:
        np.savez(file, **{FACTS: text, **arrays})  # type: ignore[arg-type]


def load_arrays(path: str | Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read facts and arrays from a file of `save_arrays`."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return json.loads(arrays.pop(FACTS).tobytes()), arrays


def of_views(arrays: Mapping[str, NDArray[Any]], what: str) -> dict[ViewName, NDArray[Any]]:
    """Return {view: array named "<what>_<view>"} of the views that have one."""
    return {name: arrays[f"{what}_{name}"] for name in VIEW_NAMES if f"{what}_{name}" in arrays}
