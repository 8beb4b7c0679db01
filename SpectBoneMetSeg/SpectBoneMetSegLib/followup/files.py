"""Write a comparison to files: `comparison.json`, `comparison.csv` and the page `comparison.html`.

Resources/Schemas/comparison.schema.json describes the JSON; SCHEMA_VERSION is incremented with every change.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..common.errors import UserError, reason_of
from ..common.files import replace_folder, temporary_path
from ..common.jsonable import to_jsonable
from ..common.notice import RESEARCH_USE
from ..common.safe_text import safe_rows
from ..export.receipt import input_digests
from ..quantification.as_dict import review_dict
from .results import Comparison, TimePoint

__all__ = ["COMPARISON_COLUMNS", "FILES", "PAGE", "comparison_dict", "copy_comparison", "save_comparison"]

PAGE = "comparison.html"
FILES = {"comparison.json", "comparison.csv", PAGE}
SCHEMA_VERSION = "2.1"
COMPARISON_COLUMNS = (
    *("lesion", "bone", "scan", "study_date", "change", "IDs_in_scan", "area_cm2", "uptake_in_mean_bone_counts"),
    *("centroid_R_mm", "centroid_S_mm", "decision", "decided_by"),
)


def save_comparison(comparison: Comparison, folder: str | Path) -> None:
    """Write the three files into `folder`, which appears complete or not at all.

    Raises:
        UserError: the folder cannot be written, or holds something other than a comparison of the same scans.
    """
    from .page import render_page

    values = to_jsonable(comparison_dict(comparison))
    with _atomic_folder(folder, values) as unfinished:
        text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
        (unfinished / "comparison.json").write_text(text + "\n", encoding="utf-8")
        with (unfinished / "comparison.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COMPARISON_COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(safe_rows(_rows(comparison)))
        (unfinished / PAGE).write_text(render_page(comparison), encoding="utf-8")


def copy_comparison(saved: str | Path, folder: str | Path) -> None:
    """Copy a saved comparison into another folder.

    Raises:
        UserError: as `save_comparison`.
    """
    with _atomic_folder(folder, _stored(Path(saved))) as unfinished:
        for name in sorted(FILES):
            shutil.copyfile(Path(saved) / name, unfinished / name)


@contextmanager
def _atomic_folder(folder: str | Path, values: Any) -> Iterator[Path]:
    """Yield a temporary folder that replaces `folder` at the end; `values` are those of comparison.json."""
    target = Path(os.path.abspath(os.path.expanduser(folder)))
    _refuse_to_replace_other(target, values)
    unfinished = temporary_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished.mkdir()
        yield unfinished
        replace_folder(unfinished, target)
    except OSError as error:
        raise UserError(
            f"The comparison cannot be written to {target} ({reason_of(error)}): choose another folder."
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_to_replace_other(target: Path, values: Any) -> None:
    """Raise UserError unless `target` is missing, empty or only an earlier comparison of the same scans."""
    if not target.exists():
        return
    contents = {each.name for each in target.iterdir()} if target.is_dir() else set()
    if not target.is_dir() or contents - FILES:
        raise UserError(f"{target} holds files that are not an earlier comparison: choose another output folder.")
    if contents and not _same_scans(_stored(target), values):
        raise UserError(
            f"{target} holds another comparison, which would be lost: move it or choose another output folder."
        )


def _same_scans(one: Any, two: Any) -> bool:
    """Whether two comparisons, as in comparison.json, are of the same scans; False where that cannot be told."""
    try:
        if all("input_sha256" in scan for values in (one, two) for scan in values["scans"]):
            found = [[set(scan["input_sha256"]) for scan in values["scans"]] for values in (one, two)]
            return all(map(all, found)) and set().union(*found[0]) == set().union(*found[1])
        # Files of version 2.0 and before.
        uids = [{scan.get("study_instance_uid") for scan in values["scans"]} for values in (one, two)]
        return all(uids[0]) and uids[0] == uids[1]
    except (KeyError, TypeError, AttributeError):
        return False


def _stored(folder: Path) -> Any:
    """Return the comparison.json of a folder, None if it cannot be read."""
    try:
        return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON types, in the layout of comparison.json."""
    limits = comparison.limits
    return {
        "schema_version": SCHEMA_VERSION,
        "notice": RESEARCH_USE,
        "limits": {
            "area_factor": limits.area_factor,
            "log_area_sd": limits.log_area_sd,
            "source": limits.source,
        },
        "warnings": list(comparison.warnings),
        "scans": [_scan(time) for time in comparison.times],
        "steps": [
            {"from": one.name, "to": two.name, **step.__dict__, "bones_in_place": round(registration.fit, 3)}
            for (one, two), step, registration in zip(
                pairwise(comparison.times), comparison.steps, comparison.maps, strict=True
            )
        ],
        "lesions": [
            {
                "number": track.number,
                "bone": track.bone,
                "scans": [
                    {
                        "scan": time.name,
                        "change": point.change,
                        "ids": list(point.lesions),
                        "decisions": [time.quantification.lesion(each).decision for each in point.lesions],
                        "decided_by": [time.quantification.lesion(each).decided_by for each in point.lesions],
                        "area_cm2": point.area_mm2 / 100,
                        "uptake_in_mean_bone_counts": point.uptake_per_mean,
                    }
                    for time, point in zip(comparison.times, track.points, strict=True)
                ],
            }
            for track in comparison.tracks
        ],
    }


def _scan(time: TimePoint) -> dict[str, Any]:
    found, receipt = time.quantification, time.reading.receipt
    return {
        "scan": time.name,
        "study_date": time.date,
        "study_instance_uid": receipt.get("study_instance_uid"),
        "input_sha256": sorted(input_digests(receipt)),
        "model": receipt.get("model"),
        "review": review_dict(found.review),
        "lesions": found.burden.lesions,
        "lesion_area_cm2": found.burden.area_mm2 / 100,
        "bone_scan_index_percent": found.index.percent,
        "bone_scan_index_not_computable_because": found.index.reason,
        "bone_scan_index_remedy": found.index.remedy,
    }


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for track in comparison.tracks:
        for time, point in zip(comparison.times, track.points, strict=True):
            row: dict[str, Any] = {
                "lesion": track.number,
                "bone": track.bone,
                "scan": time.name,
                "study_date": time.date,
                "change": point.change,
                "IDs_in_scan": " ".join(map(str, point.lesions)),
            }
            if point.lesions:
                lesions = [time.quantification.lesion(each) for each in point.lesions]
                right, superior = point.positions.mean(0).tolist()
                row |= {
                    "area_cm2": f"{point.area_mm2 / 100:.6g}",
                    "uptake_in_mean_bone_counts": f"{point.uptake_per_mean:.6g}",
                    "centroid_R_mm": f"{right:.6g}",
                    "centroid_S_mm": f"{superior:.6g}",
                    "decision": " ".join(each.decision for each in lesions),
                    "decided_by": " ".join(each.decided_by for each in lesions),
                }
            rows.append(row)
    return rows
