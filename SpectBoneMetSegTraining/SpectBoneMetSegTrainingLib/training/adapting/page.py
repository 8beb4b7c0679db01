"""The page of an adaptation: may the new model be used, what changed, on whom, with pictures."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from SpectBoneMetSegLib.common.files import whole_file

from ...evaluation.predictions import Delineator, Prediction
from .adapt import PARENT, Adapted, Request
from .choice import REPORTED_FIGURES
from .folds import stored_predictions
from .html import cell, document, legend, table
from .pictures import scan_picture

__all__ = ["write_page"]

#: A case, its DSC before and now.
Change = tuple[str, float, float]
#: So many patients that gained most, and that lost most, are shown.
SHOWN = 5
#: A smaller change of a scan's DSC is none.
NO_CHANGE = 0.005


def write_page(path: Path, request: Request, adapted: Adapted) -> None:
    """Write the page, one file that needs no other; OSError when it cannot be written."""
    gained = [item for item in adapted.per_case[:SHOWN] if item[2] - item[1] > NO_CHANGE]
    lost = [item for item in adapted.per_case[::-1][:SHOWN] if item[1] - item[2] > NO_CHANGE]
    parts = [
        _verdict(adapted),
        _what_was_done(adapted),
        _figures(adapted),
        _scans(adapted),
        legend([("yours", "your outlines"), ("before", "the model before"), ("now", "the adapted model")]),
        *_pictures({"Scans that gained most": gained, "Scans that lost most": lost}, request, adapted),
    ]
    with whole_file(path) as part:
        part.write_text(document(f"{adapted.model.card.name}: adapted to your hospital", parts), encoding="utf-8")


def _verdict(adapted: Adapted) -> str:
    kind = "good" if adapted.comparison.recommended else "bad"
    advice = (
        "You may use it: install it in the panel or by name."
        if adapted.comparison.recommended
        else "The model is there to be looked at; go on with the one before, or outline more scans and adapt again."
    )
    return f"<p class='verdict {kind}'><b>{escape(adapted.comparison.sentence)}</b> {escape(advice)}</p>"


def _what_was_done(adapted: Adapted) -> str:
    before, now = Delineator.of(adapted.parent.card), adapted.limits
    return (
        f"<p>Begun from <b>{escape(adapted.parent.card.name)}</b>. {escape(adapted.plan.sentence.capitalize())} The "
        f"patients left out were judged best after {adapted.steps} of {adapted.plan.steps} steps. A pixel is marked "
        f"from a probability of {now.threshold:.2f} on (before: {before.threshold:.2f}), an area needs "
        f"{now.seed_threshold:.2f} somewhere (before: {before.seed_threshold:.2f}); with few patients these stay near "
        "those of the model before.</p>"
        "<p>Every patient was judged by a training that did not learn from them, at limits that other patients chose. "
        "What counts is the <b>lower end</b> of the interval: how bad it may be.</p>"
    )


def _figures(adapted: Adapted) -> str:
    rows = [
        [words, cell(own.parent), cell(own.new), cell(own.difference), f"{cell(own.low)} to {cell(own.high)}"]
        for words, own in ((words, adapted.comparison.figures[name]) for name, words in REPORTED_FIGURES.items())
    ]
    return "<h2>What changed</h2>" + table(["", "before", "adapted", "difference", "95 % interval over patients"], rows)


def _scans(adapted: Adapted) -> str:
    changes = [now - before for _, before, now in adapted.per_case]
    up, down = (sum(sign * change > NO_CHANGE for change in changes) for sign in (1, -1))
    rows = [[case, cell(before), cell(now), f"{now - before:+.3f}"] for case, before, now in adapted.per_case]
    return (
        f"<h2>On which scans</h2><p>{up} scans gained, {down} lost, {len(changes) - up - down} stayed as they were "
        "(DSC of a scan; 1 where there is nothing and nothing is marked).</p>"
        f"<details><summary>All {len(rows)} scans</summary>{table(['scan', 'before', 'adapted', 'change'], rows)}"
        "</details>"
    )


def _pictures(shown: dict[str, list[Change]], request: Request, adapted: Adapted) -> Iterator[str]:
    """A heading and a picture for each scan, of every title."""
    wanted = {case for items in shown.values() for case, _, _ in items}
    config, own = adapted.config, Delineator.of(adapted.parent.card)

    def said(paths: list[Path]) -> dict[str, Prediction]:
        found = stored_predictions(paths, request.data, config.network, config.region, wanted)
        return {crop.case: (crop, maps) for crop, maps in found}

    new, old = said(adapted.paths), said([request.run / PARENT])
    for title, items in shown.items():
        figures = []
        for case, before, now in items:
            crop, probabilities = new[case]
            marks = [("now", adapted.cut.get(case, adapted.limits)(probabilities)), ("before", own(old[case][1]))]
            picture = scan_picture(
                crop, [(name, {str(view): mask for view, mask in masks.items()}) for name, masks in marks]
            )
            figures.append(
                f"<figure><img src='{picture}' alt='{escape(case)}'><figcaption>{escape(case)}: DSC {before:.2f} "
                f"before, {now:.2f} now</figcaption></figure>"
            )
        yield f"<h2>{title}</h2>{''.join(figures) or '<p>None.</p>'}"
