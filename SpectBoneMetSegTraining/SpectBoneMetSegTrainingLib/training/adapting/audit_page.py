"""HTML report of an audit: recommendation, figures with intervals, by size and bone, calibration, worst scans."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from SpectBoneMetSegLib.common.files import whole_file

from ...evaluation.confidence_metrics import ObservedShare
from ...evaluation.report import SIZES
from ...evaluation.scores import SIZE_EDGES_MM2
from .audit import Audit, WorstScan
from .html import cell, document, files_notice, interval_cell, legend, table

__all__ = ["write_audit"]

INTERVALS = (
    'Intervals are of the bootstrap over patients, "-" where it shows no variation. That of the lesions found reaches '
    "at least as far as the binomial interval of Wilson, which counts every lesion in a view by itself; there is none "
    "for the lesions of a single patient."
)
KINDS = {True: "bad", False: "good", None: ""}
SHOWN = {
    "dsc": "DSC, pooled",
    "cpa_precision": "precision, pooled",
    "recall": "recall, pooled",
    "lesion_recall": "lesions found",
    "lesion_f1_overlap": "lesion F1, any overlap",
}
ALARMS = {
    "false_alarms_per_image": "false alarms per view",
    "false_alarms_per_negative_image": "false alarms per view without lesions",
}


def write_audit(path: Path, found: Audit) -> None:
    """Write the report as one self-contained file.

    Raises:
        OSError: the file cannot be written.
    """
    parts = [
        files_notice() if found.names_files else "",
        f"<p class='verdict {KINDS[found.adapt]}'><b>{escape(found.sentence)}</b></p>",
        f"<p><b>{escape(found.known)}</b></p>" if found.known else "",
        *(_results(found) if found.outlined_patients else _alarms(found)),
    ]
    with whole_file(path) as part:
        part.write_text(document(f"{found.model} on your own outlines", parts), encoding="utf-8")


def _results(found: Audit) -> list[str]:
    return [
        "<p>The lower end of the interval decides: the worst value that is plausible. With few patients the intervals "
        "are wide; with more outlined patients they become narrower.</p>",
        "<h2>Results</h2>",
        table(["", "value", "95 % interval"], [_row(found, name, label) for name, label in (SHOWN | ALARMS).items()]),
        f"<p>{escape(INTERVALS)}</p>",
        "<h2>By size</h2>",
        _sizes(found),
        *(["<h2>By bone</h2>", _regions(found)] if found.regions else []),
        "<h2>Calibration of the confidence</h2>",
        _confidence(found),
        "<h2>The worst scans</h2>",
        legend([("reference", "your outlines"), ("model", "the model"), ("ignored", "ignored")]),
        *(_picture(scan, f": DSC {scan.dice:.2f}") for scan in found.worst),
        "" if found.worst else "<p>No scan has a low DSC.</p>",
    ]


def _alarms(found: Audit) -> list[str]:
    """Return what can be said without any outlined lesion."""
    return [
        "<h2>Results</h2>",
        table(["", "value", "95 % interval"], [_row(found, name, label) for name, label in ALARMS.items()]),
        f"<p>{escape(INTERVALS)}</p>",
        *(["<h2>By bone</h2>", _regions(found)] if found.regions else []),
        "<h2>Scans with false alarms</h2>",
        legend([("model", "the model"), ("ignored", "ignored")]),
        *(_picture(scan) for scan in found.worst),
        "" if found.worst else "<p>None.</p>",
    ]


def _picture(scan: WorstScan, figure: str = "") -> str:
    name = escape(scan.name)
    return f"<figure><img src='{scan.picture}' alt='{name}'><figcaption>{name}{figure}</figcaption></figure>"


def _row(found: Audit, name: str, label: str) -> list[str]:
    report = found.report
    return [label, cell(report[name]), interval_cell(report[f"{name}_low"], report[f"{name}_high"])]


def _sizes(found: Audit) -> str:
    small, large = (f"{edge / 100:.1f} cm2" for edge in SIZE_EDGES_MM2)
    labels = {"small": f"up to {small}", "middle": f"up to {large}", "large": f"above {large}"}
    rows = [
        [labels[size], str(found.report[f"lesions_{size}"]), *_row(found, f"lesion_recall_{size}", "")[1:]]
        for size in SIZES
    ]
    return table(["true area in a view", "lesions", "found", "95 % interval"], rows)


def _regions(found: Audit) -> str:
    rows = [
        [
            row.region,
            str(row.lesions),
            cell(row.recall[0]),
            interval_cell(*row.recall[1:]),
            cell(row.alarms[0]),
            interval_cell(*row.alarms[1:]),
        ]
        for row in found.regions
    ]
    head = ["bone (predicted)", "lesions", "found", "95 % interval", "false alarms per view", "95 % interval"]
    return table(head, rows)


def _confidence(found: Audit) -> str:
    if not found.confidence:
        return "<p>This model has no confidence.</p>"
    rows = [
        [kind, str(values["n"]), *(cell(values[name]) for name in ("ece", "auroc", "brier", "brier_of_base_rate"))]
        for kind, values in found.confidence.items()
    ]
    head = ["", "number", "calibration error", "AUROC", "Brier score", "Brier score of the base rate"]
    return table(head, rows) + "".join(_observed(kind, shares) for kind, shares in found.observed.items())


def _observed(kind: str, shares: Sequence[ObservedShare]) -> str:
    rows = [
        [
            f"{share.low:.1f} to {share.high:.1f}",
            str(share.number),
            cell(share.confidence),
            cell(share.observed[0]),
            interval_cell(*share.observed[1:]),
        ]
        for share in shares
    ]
    head = [f"confidence of {kind}", "number", "mean confidence", "with a lesion", "95 % interval (Wilson)"]
    return table(head, rows) if rows else ""
