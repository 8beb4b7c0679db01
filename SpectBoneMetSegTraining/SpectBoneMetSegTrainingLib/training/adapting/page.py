"""HTML report of an adaptation: verdict, figures of both models, changes by scan, pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from SpectBoneMetSegLib.common.files import whole_file
from SpectBoneMetSegLib.common.plural import pluralize

from ...evaluation.predictions import Delineator, Prediction
from .adapt import PARENT, AdaptationRequest, Adapted
from .choice import REPORTED_FIGURES
from .folds import stored_predictions
from .html import cell, document, files_notice, interval_cell, legend, table
from .pictures import scan_picture

__all__ = ["write_page"]

#: A case, its DSC with the parent model and with the adapted model.
Change = tuple[str, float, float]
#: Number of pictures of the scans that improved most, and of those that worsened most.
SHOWN = 5
#: A smaller change of a scan's DSC counts as none.
NO_CHANGE = 0.005


def write_page(
    path: Path, request: AdaptationRequest, adapted: Adapted, files: Mapping[str, str] | None = None
) -> None:
    """Write the report as one self-contained file.

    Args:
        path: file to write.
        request: request of the adaptation.
        adapted: its result.
        files: {case: files of its scan}, which name it on the page; None or {} for the names of the cases.

    Raises:
        OSError: the file cannot be written.
    """
    gained = [item for item in adapted.per_case[:SHOWN] if item[2] - item[1] > NO_CHANGE]
    lost = [item for item in adapted.per_case[::-1][:SHOWN] if item[1] - item[2] > NO_CHANGE]
    names = files or {}
    parts = [
        files_notice() if names else "",
        _verdict(adapted),
        _what_was_done(adapted),
        _figures(adapted),
        _scans(adapted, names),
        legend(
            [
                ("reference", "your outlines"),
                ("parent", "the parent model"),
                ("model", "the adapted model"),
                ("ignored", "ignored"),
            ]
        ),
        *_pictures({"Scans that improved most": gained, "Scans that worsened most": lost}, request, adapted, names),
    ]
    with whole_file(path) as part:
        part.write_text(document(f"{adapted.model.card.name}: adapted to your hospital", parts), encoding="utf-8")


def _verdict(adapted: Adapted) -> str:
    kind = "good" if adapted.comparison.recommended else "bad"
    advice = (
        "You may use it: install it in the panel or by name."
        if adapted.comparison.recommended
        else "The adapted model was written for inspection; keep the parent model, or outline more scans and repeat."
    )
    return f"<p class='verdict {kind}'><b>{escape(adapted.comparison.sentence)}</b> {escape(advice)}</p>"


def _what_was_done(adapted: Adapted) -> str:
    parent, limits = Delineator.of(adapted.parent.card), adapted.limits
    chosen = ", which was best on the held-out patients" if len(adapted.plan.groups) > 1 else ""
    return (
        f"<p>Parent model: <b>{escape(adapted.parent.card.name)}</b>. {escape(adapted.plan.sentence.capitalize())} The "
        f"weights of the adapted model are {adapted.share:.0%} of the way from the parent model's to the trained ones"
        f"{chosen}. A pixel belongs to an area from a probability of {limits.threshold:.2f} on (parent: "
        f"{parent.threshold:.2f}); an area needs a maximum of {limits.seed_threshold:.2f} (parent: "
        f"{parent.seed_threshold:.2f}). With few patients these thresholds stay close to those of the parent model.</p>"
        "<p>Cross-validation: every patient was predicted by a model that was not trained on them, with mixture and "
        "thresholds chosen on other patients. The <b>lower end</b> of the interval decides: the worst value that is "
        "plausible.</p>"
    )


def _figures(adapted: Adapted) -> str:
    rows = [
        [label, cell(both.parent), cell(both.new), cell(both.difference), interval_cell(both.low, both.high)]
        for label, both in ((label, adapted.comparison.figures[name]) for name, label in REPORTED_FIGURES.items())
    ]
    return "<h2>What changed</h2>" + table(["", "parent", "adapted", "difference", "95 % interval over patients"], rows)


def _scans(adapted: Adapted, names: Mapping[str, str]) -> str:
    changes = [new - old for _, old, new in adapted.per_case]
    up, down = (sum(sign * change > NO_CHANGE for change in changes) for sign in (1, -1))
    same = len(changes) - up - down
    rows = [[names.get(case, case), cell(old), cell(new), f"{new - old:+.3f}"] for case, old, new in adapted.per_case]
    return (
        f"<h2>Each scan</h2><p>{pluralize(up, 'scan')} improved, {down} worsened, "
        f"{pluralize(same, 'is', 'are')} unchanged (DSC of a scan; 1 if label and prediction are empty).</p>"
        f"<details><summary>All scans ({len(rows)})</summary>{table(['scan', 'parent', 'adapted', 'change'], rows)}"
        "</details>"
    )


def _pictures(
    shown: dict[str, list[Change]], request: AdaptationRequest, adapted: Adapted, names: Mapping[str, str]
) -> Iterator[str]:
    """Yield a heading and the pictures of its scans for every title."""
    wanted = {case for items in shown.values() for case, _, _ in items}
    config, parent_limits = adapted.config, Delineator.of(adapted.parent.card)

    def predictions(paths: list[Path]) -> dict[str, Prediction]:
        stored = stored_predictions(paths, request.data, config.network, config.region, wanted)
        return {crop.case: (crop, maps) for crop, maps in stored}

    new, old = predictions(adapted.paths), predictions([request.run / PARENT])
    for title, items in shown.items():
        figures = []
        for case, old_dice, new_dice in items:
            crop, probabilities = new[case]
            limits = adapted.held_out_limits.get(case, adapted.limits)
            masks = [("model", limits(probabilities)), ("parent", parent_limits(old[case][1]))]
            picture = scan_picture(
                crop, [(name, {str(view): mask for view, mask in by_view.items()}) for name, by_view in masks]
            )
            name = escape(names.get(case, case))
            figures.append(
                f"<figure><img src='{picture}' alt='{name}'><figcaption>{name}: DSC "
                f"{old_dice:.2f} (parent), {new_dice:.2f} (adapted)</figcaption></figure>"
            )
        yield f"<h2>{title}</h2>{''.join(figures) or '<p>None.</p>'}"
