"""One self-contained HTML page, and CSV and PNG of every experiment, from the existing results."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path
from typing import Any

from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.notice import RESEARCH_USE

from ..definitions import AnyTraining, Experiment, key_of
from ..plan import ORDER, trainings
from .distance import distance_markdown
from .findings import ClaimResult, all_findings
from .pictures import draw_pictures
from .plots import plot
from .results import Output, load_results, missing
from .tables import NOT_RUN, PageTable, table_of, with_interval, write_csv

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1d1d1f; max-width: 1080px; margin: 2.5rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.6rem; }
p.note { color: #555; } .notice { border-left: 3px solid #0072B2; padding: .3rem .9rem; background: #f4f7fa; }
table { border-collapse: collapse; font-size: .84rem; margin: .8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .6rem; border-bottom: 1px solid #e3e3e6; text-align: right; vertical-align: top; }
th { font-weight: 600; border-bottom: 1.5px solid #999; }
th:first-child, td:first-child, td.text, th.text { text-align: left; } td:first-child { min-width: 11rem; }
td.paper, th.paper { color: #777; font-style: italic; } tr.missing td { color: #a0a0a5; }
.scroll { overflow-x: auto; } img { max-width: 100%; height: auto; }
.holds { color: #00704f; } .does-not-hold { color: #b03a00; } .undecided, .not-run-yet { color: #777; }
figure { margin: 1rem 0 1.8rem; } figcaption { color: #555; font-size: .88rem; }
"""


def write_page(output_folder: Path) -> Path:
    """Write the page with its tables and plots into OUTPUT/page; return the path of index.html.

    Raises:
        UserError: no experiment has been run there.
    """
    output = load_results(output_folder)
    folder = output_folder / "page"
    folder.mkdir(parents=True, exist_ok=True)
    sections = [_section(output, experiment, folder) for experiment in output.plan.experiments.values()]
    sections.append(_pictures(output, folder))
    findings = all_findings(output)
    (folder / "distance.md").write_text(distance_markdown(output), encoding="utf-8")
    page = folder / "index.html"
    with whole_file(page) as part:
        part.write_text(_document(output, findings, sections), encoding="utf-8")
    return page


def _document(output: Output, findings: list[ClaimResult], sections: list[str]) -> str:
    about = output.about
    name, version = escape(str(about["benchmark"]["name"])), escape(str(about["benchmark"]["simulator_version"]))
    seeds = escape(", ".join(map(str, output.seeds)) or "none")
    title = "The experiments of Lin et al. 2022 on simulated patients"
    done = sum(len(output.of_row(row)) > 0 for item in output.plan.experiments.values() for row in item.rows)
    rows = sum(len(item.rows) for item in output.plan.experiments.values())
    head = (
        f"<p class='notice'><b>All patients are simulated</b> ({name}, simulator version {version}). "
        f"{escape(RESEARCH_USE)}. The paper's values are given for orientation: they were measured on "
        "<b>different data</b>, real patients of one hospital.</p>"
        f"<p>Scale <b>{escape(about['scale'])}</b>, seeds {seeds}; {done} of {rows} rows have a result. Evaluated on "
        f"the benchmark's development test ({_counts(output)}); its sealed test was not opened. DSC, CPA (taken as "
        "precision) and Recall are means over images with a labelled lesion, as presumably in the paper; brackets are "
        "95 % intervals over patients (and seeds). For every method a pixel is lesion from probability 0.5 on, with "
        f"the same early stopping on validation patients from its label budget.{_left_out(output)}</p>"
    )
    parts = [head, _findings(findings), *sections, _trainings(output)]
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
    )


def _counts(output: Output) -> str:
    """Describe the numbers of patients, images and lesions evaluated, from any result."""
    for result in output.results.values():
        figures = result["figures"]
        amounts: dict[str, Any] = figures.get("views", figures["union"])
        return f"{amounts['patients']} patients, {amounts['images']} images, {amounts['lesions']} lesions"
    return "nothing measured yet"


def _left_out(output: Output) -> str:
    """Describe how many results are not in the plan, such as those of earlier versions."""
    planned = {key_of(training) for training in trainings(output.plan, list(ORDER), output.seeds)}
    count = len(set(output.results) - planned)
    return f" {count} result(s) of trainings that are no longer in the plan are left out." if count else ""


def _findings(findings: list[ClaimResult]) -> str:
    rows = []
    for finding in findings:
        numbers = with_interval(finding.difference) if finding.difference else escape(finding.numbers)
        style = finding.verdict.replace(" ", "-")
        rows.append(
            f"<tr><td>{escape(finding.source)}</td><td class='text'>{escape(finding.claim)}</td>"
            f"<td>{finding.metric}</td><td>{numbers}</td><td class='{style}'>{finding.verdict}</td></tr>"
        )
    return (
        "<h2>Which findings hold here</h2><p class='note'>Our difference (claimed larger minus claimed smaller value), "
        "paired over patients. A finding holds if the interval lies above zero, does not hold if it lies below, and is "
        "undecided if it contains zero. Rows “beyond” are not claims of the paper.</p><div class='scroll'><table><tr>"
        "<th>paper</th><th class='text'>finding</th><th>metric</th><th>our difference</th><th>verdict</th></tr>"
        + "".join(rows)
        + "</table></div>"
    )


def _section(output: Output, experiment: Experiment, folder: Path) -> str:
    table = table_of(output, experiment)
    write_csv(folder / f"{experiment.name}.csv", table)
    picture = folder / f"{experiment.name}.png"
    drawn = plot(output, experiment, picture)
    figure = f"<figure>{_image(picture, experiment.title)}</figure>" if drawn else "<p class='note'>No result yet.</p>"
    return (
        f"<h2 id='{experiment.name}'>{escape(experiment.title)}</h2><p>{escape(experiment.about)}</p>{figure}"
        f"{_table(table)}{_missing_rows(missing(output).get(experiment.name, [])) if drawn else ''}"
    )


def _missing_rows(labels: list[str]) -> str:
    return f"<p class='note'>Not run (yet): {escape('; '.join(labels))}.</p>" if labels else ""


def _table(table: PageTable) -> str:
    head = "".join(
        f"<th{_paper_class(paper=paper)}>{escape(name)}</th>"
        for name, paper in zip(table.header, table.paper, strict=True)
    )
    lines = [f"<tr>{head}</tr>"]
    for row in table.rows:
        cells = "".join(
            f"<td{_paper_class(paper=paper)}>{escape(cell)}</td>" for cell, paper in zip(row, table.paper, strict=True)
        )
        lines.append(f"<tr class='missing'>{cells}</tr>" if row[1] == NOT_RUN else f"<tr>{cells}</tr>")
    return f"<div class='scroll'><table>{''.join(lines)}</table></div>"


def _paper_class(*, paper: bool) -> str:
    return " class='paper'" if paper else ""


def _pictures(output: Output, folder: Path) -> str:
    drawn = draw_pictures(output, folder)
    figures = "".join(
        f"<figure>{_image(folder / name, caption)}<figcaption>{escape(caption)}</figcaption></figure>"
        for name, caption in drawn
    )
    return (
        "<h2 id='fig10'>Figure 10: pictures</h2><p>Ground truth in blue (dotted: “ignore”, not evaluated), predictions "
        "in orange; dark is hot. The cases were chosen by their ground truth only.</p>"
        + (figures or "<p class='note'>No result yet.</p>")
    )


def _trainings(output: Output) -> str:
    """Write a table of all trainings with their steps, time and versions."""
    lines = []
    for seed in output.seeds:
        for training in trainings(output.plan, list(ORDER), [seed]):
            lines.append(_training_line(output, training))
    return (
        "<h2>Trainings</h2><div class='scroll'><table><tr><th>name</th><th>seed</th>"
        "<th>labelled + validation patients</th><th>steps</th><th>minutes</th><th>parameters</th><th>versions</th></tr>"
        + "".join(lines)
        + "</table></div>"
    )


def _training_line(output: Output, training: AnyTraining) -> str:
    result = output.results.get(key_of(training))
    if result is None:
        start = f"<tr class='missing'><td>{escape(training.name)}</td><td>{training.seed}</td>"
        return f"{start}<td colspan='5'>{NOT_RUN}</td></tr>"
    used = result["trained_on"]
    versions = ", ".join(
        f"{name} {result['environment'][name]}"
        for name in ("tensorflow", "keras", "nnunetv2", "torch")
        if name in result["environment"]
    )
    cells = (
        training.name,
        str(training.seed),
        f"{used['labelled_patients']} + {used['validation_patients']}",
        str(result["steps_done"]),
        f"{result['seconds'] / 60:.1f}",
        f"{result['parameters']:,}",
        versions,
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _image(path: Path, caption: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f"<img alt='{escape(caption, quote=True)}' src='data:image/png;base64,{data}'>"
