"""The page of an audit: adapt or not, figures with intervals, by size and bone, calibration, the worst scans."""

from __future__ import annotations

from html import escape
from pathlib import Path

from SpectBoneMetSegLib.common.files import whole_file

from ...evaluation.report import SIZES
from ...evaluation.scores import SIZE_EDGES_MM2
from .audit import Audit
from .html import cell, document, legend, table

__all__ = ["write_audit"]

SHOWN = {
    "dsc": "DSC, pooled",
    "cpa_precision": "precision, pooled",
    "recall": "recall, pooled",
    "lesion_recall": "lesions touched",
    "lesion_f1_overlap": "lesion F1",
    "false_alarms_per_image": "false areas a view",
    "false_alarms_per_negative_image": "the same without lesions",
}


def write_audit(path: Path, found: Audit) -> None:
    """Write the page, one file that needs no other; OSError when it cannot be written."""
    kind = "bad" if found.adapt else "good"
    parts = [
        f"<p class='verdict {kind}'><b>{escape(found.sentence)}</b></p>",
        f"<p><b>{escape(found.known)}</b></p>" if found.known else "",
        "<p>What counts is the lower end of an interval: how bad it may be. With few patients intervals are wide; more "
        "outlines make them narrow, not better.</p>",
        "<h2>Figures</h2>",
        table(
            ["", "value", "95 % interval over patients"], [_row(found, name, words) for name, words in SHOWN.items()]
        ),
        "<h2>By size</h2>",
        _sizes(found),
        *(["<h2>By bone</h2>", _regions(found)] if found.regions else []),
        "<h2>Can its confidence be believed?</h2>",
        _confidence(found),
        "<h2>The scans that it reads worst</h2>",
        legend([("yours", "your outlines"), ("now", "the model"), ("ignored", "not judged")]),
        *(
            f"<figure><img src='{each.picture}' alt='{escape(each.name)}'><figcaption>{escape(each.name)}: DSC "
            f"{each.dice:.2f}</figcaption></figure>"
            for each in found.worst
        ),
        "" if found.worst else "<p>None is read badly.</p>",
    ]
    with whole_file(path) as part:
        part.write_text(document(f"{found.model} on your own outlines", parts), encoding="utf-8")


def _row(found: Audit, name: str, words: str) -> list[str]:
    report = found.report
    return [words, cell(report[name]), f"{cell(report[f'{name}_low'])} to {cell(report[f'{name}_high'])}"]


def _sizes(found: Audit) -> str:
    small, large = (f"{edge / 100:.1f} cm2" for edge in SIZE_EDGES_MM2)
    words = {"small": f"up to {small}", "middle": f"up to {large}", "large": f"above {large}"}
    rows = [
        [words[size], str(found.report[f"lesions_{size}"]), *_row(found, f"lesion_recall_{size}", "")[1:]]
        for size in SIZES
    ]
    return table(["true area in a view", "lesions", "touched", "95 % interval"], rows)


def _regions(found: Audit) -> str:
    rows = [
        [
            row.region,
            str(row.lesions),
            cell(row.recall[0]),
            f"{cell(row.recall[1])} to {cell(row.recall[2])}",
            cell(row.alarms[0]),
            f"{cell(row.alarms[1])} to {cell(row.alarms[2])}",
        ]
        for row in found.regions
    ]
    head = ["bone, as the model names it", "lesions", "touched", "95 % interval", "false areas a view", "95 % interval"]
    return table(head, rows)


def _confidence(found: Audit) -> str:
    if not found.confidence:
        return "<p>This model says none.</p>"
    rows = [
        [what, str(own["n"]), *(cell(own[name]) for name in ("ece", "auroc", "brier", "brier_of_base_rate"))]
        for what, own in found.confidence.items()
    ]
    return table(["", "judged", "calibration error", "AUROC", "Brier score", "of the base rate"], rows)
