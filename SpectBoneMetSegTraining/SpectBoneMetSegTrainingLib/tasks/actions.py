"""Long calls of the panel that run in a child process: JSON values in and out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..gathering.report import AgreementRow

#: Called with the number done, the total, and a description of the current step.
TaskProgress = Callable[[int, int, str], None]
Values = dict[str, Any]


def check(arguments: Values, progress: TaskProgress) -> Values:
    """Check the requirements of a training, and estimate its time.

    Args:
        arguments: "spec", a JobSpec as JSON values; "trial", whether to measure a few steps.
        progress: called during the trial.

    Returns:
        "findings": [{"level", "about", "sentence"}]; "may_start".
    """
    from ..jobs.folder import JobSpec
    from ..jobs.preflight import check_before, may_start
    from ..jobs.trial import measure

    spec = JobSpec.from_dict(arguments["spec"])
    findings = check_before(spec)
    if arguments["trial"] and may_start(findings):
        progress(1, 2, "trial")
        with tempfile.TemporaryDirectory(prefix="SpectBoneMetSeg-") as folder:
            findings = check_before(spec, trial=measure(Path(folder), spec))
    return {"findings": [asdict(finding) for finding in findings], "may_start": may_start(findings)}


def collect(arguments: Values, progress: TaskProgress) -> Values:
    """Gather labelled and unlabelled scans into a data set.

    Args:
        arguments: "data", its folder; "labelled" and "unlabelled", lists of folders; "scene", a folder of staged scans
            (`staging.stage`) or empty; "test_share", share of the labelled patients kept for the test; null for the
            earlier share.
        progress: called after every scan.

    Returns:
        "text", the summary's counts; "left_out" and "noted": [[source, reason or notes]]; "agreement": [{"case",
        "files", "picture", "image", "first", "second", "difference", "dice", ...}]; "limit", the largest area
        difference of readers who agree; "unlabelled": names of the unlabelled cases.
    """
    from ..dataset.cases import cases_of
    from ..dataset.reader_agreement import LARGEST_DIFFERENCE
    from ..gathering.discovery.studies import find
    from ..gathering.gather import gather, sources_of
    from ..gathering.staging import load_staged

    found = find(map(Path, arguments["labelled"]), map(Path, arguments["unlabelled"]))
    scene = load_staged(Path(arguments["scene"])) if arguments["scene"] else []
    result = gather(
        Path(arguments["data"]),
        found,
        scene,
        test_share=arguments.get("test_share"),
        progress=lambda done, total: progress(done, total, ""),
    )
    files = sources_of(result.data)
    pairs = [{**asdict(row.comparison), **_agreement_files(row, result.private, files)} for row in result.agreement]
    # The content of indented lines is in the other entries.
    counts = [line for line in result.text.splitlines() if line and not line.startswith(" ") and line != "notes:"]
    return {
        "text": "\n".join(counts),
        "left_out": [[row.source, row.reason] for row in result.rows if row.outcome == "left out"],
        "noted": [[row.source, row.notes] for row in result.rows if row.notes],
        "agreement": pairs,
        "limit": LARGEST_DIFFERENCE,
        "unlabelled": cases_of(result.data, "unlabelled"),
    }


def _agreement_files(row: AgreementRow, private: Path, files: dict[str, list[str]]) -> Values:
    """Return case, files and picture (absolute path, or empty) of an agreement row, for JSON."""
    picture = str(private / row.picture) if row.picture else ""
    return {"case": row.case, "files": files[row.case], "picture": picture}


def rank(arguments: Values, progress: TaskProgress) -> Values:
    """Rank the unlabelled scans of a data set by uncertainty and novelty (active learning).

    Args:
        arguments: "data", its folder; "model", name or path, empty for the default one.
        progress: called after every scan.

    Returns:
        "scans": [{"case", "patient", "unsure_cm2", "novelty", "reason", "files"}], the most useful first.
    """
    from SpectBoneMetSegLib.model.store import find_model

    from ..gathering.gather import private_folder, sources_of
    from ..training.active_learning import rank_scans

    data = Path(arguments["data"])
    # Data sets that were not gathered here have no record of their source files.
    files = sources_of(data) if private_folder(data).is_dir() else {}
    model = find_model(arguments["model"] or None)
    ranked = rank_scans(model, data, progress=lambda done, total: progress(done, total, ""))
    return {"scans": [{**asdict(scan), "files": files.get(scan.case, [])} for scan in ranked]}


def audit(arguments: Values, progress: TaskProgress) -> Values:
    """Evaluate a model on the outlined scans of a data set, and write the page.

    Args:
        arguments: "data", its folder; "model", name or path, empty for the default one; "page", the file to write.
        progress: called after every scan.

    Returns:
        "sentence", the recommendation; "known", a warning of patients that the model was trained on, or ""; "page".

    Raises:
        UserError: the data set is a sealed test or holds no outlined scan, or the page cannot be written.
    """
    from SpectBoneMetSegLib.common.errors import UserError
    from SpectBoneMetSegLib.model.store import find_model

    from ..dataset.cases import cases_of
    from ..dataset.opened import opened
    from ..dataset.sealed import is_sealed
    from ..gathering.owner_names import owner_names
    from ..training.adapting.audit import audit as measured
    from ..training.adapting.audit_page import write_audit

    data = Path(arguments["data"])
    if is_sealed(data):
        raise UserError(f"{data} is a sealed test; `evaluate` opens it.")
    files = opened(data)
    cases = [*cases_of(files, "train"), *cases_of(files, "test")]
    if not cases:
        raise UserError(f"{data} holds no outlined scan; gather some first.")
    model = find_model(arguments["model"] or None)
    found = measured(
        files, cases, model, progress=lambda done, total: progress(done, total, ""), files=owner_names(data)
    )
    write_audit(Path(arguments["page"]), found)
    return {"sentence": found.sentence, "known": found.known, "page": arguments["page"]}


TASKS: dict[str, Callable[[Values, TaskProgress], Values]] = {
    "check": check,
    "collect": collect,
    "rank": rank,
    "audit": audit,
}
