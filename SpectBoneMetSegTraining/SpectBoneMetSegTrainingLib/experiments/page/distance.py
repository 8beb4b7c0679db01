"""Table of docs/distance.md: the paper's findings, and whether they hold on simulated patients."""

from __future__ import annotations

from pathlib import Path

from SpectBoneMetSegLib.common.errors import UserError, reason_of
from SpectBoneMetSegLib.common.files import whole_file

from .findings import ClaimResult, all_findings
from .results import Output
from .tables import with_interval

START, END = "<!-- distance: begin (written by `spectbonemetseg experiment page`) -->", "<!-- distance: end -->"


def distance_markdown(output: Output) -> str:
    """Write the Markdown table, with the rule for the verdicts above it."""
    benchmark = output.about["benchmark"]
    seeds = ", ".join(str(seed) for seed in output.seeds)
    lines = [
        START,
        "",
        f"Simulated patients ({benchmark['name']}, simulator {benchmark['simulator_version']}), development test, "
        f"scale `{output.about['scale']}`, seeds {seeds}; other data than the paper's. DSC, CPA (taken as "
        "precision) and Recall are means over images with a labelled lesion. The difference is the value that the "
        "paper finds larger minus the one that it finds smaller; its 95 % interval is from a paired bootstrap over "
        "patients and seeds. A finding holds if the interval lies above zero, does not hold if it lies below, and is "
        "undecided if the interval contains zero.",
        "",
        "| paper | finding | metric | our difference [95 % interval] | seeds | verdict |",
        "|---|---|---|---|---|---|",
        *(_line(finding) for finding in all_findings(output)),
        "",
        END,
    ]
    return "\n".join(lines) + "\n"


def _line(finding: ClaimResult) -> str:
    numbers, seeds = finding.numbers, ""
    if finding.difference:
        numbers, seeds = with_interval(finding.difference), str(finding.difference.seeds)
    cells = (finding.source, finding.claim, finding.metric, numbers, seeds, finding.verdict)
    return "| " + " | ".join(cells) + " |"


def renew_document(document: Path, table: str) -> None:
    """Replace the table between the two comments in a Markdown document.

    Raises:
        UserError: the document is missing, lacks the comments, or cannot be written.
    """
    try:
        text = document.read_text(encoding="utf-8")
        if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
            raise UserError(f"{document} lacks the comments around the table; add the lines {START!r} and {END!r}.")
        before, rest = text.split(START)
        with whole_file(document) as part:
            part.write_text(before + table.rstrip("\n") + rest.split(END)[1], encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{document} cannot be updated ({reason_of(error)}); choose another document.", "distance"
        ) from error
