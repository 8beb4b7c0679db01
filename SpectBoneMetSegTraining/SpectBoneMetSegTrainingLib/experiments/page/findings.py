"""The paper's findings, one by one, against our numbers: holds, does not hold, undecided.

The rule, stated on the page: a finding is a sign of a difference between two trainings (or groups of patients). It
*holds* where the 95 % interval of our difference lies on the paper's side of zero, it *does not hold* where it lies on
the other side, and is *undecided* where it holds zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...evaluation.scores import CaseScores
from ..plan import Row
from .results import Estimate, Output, difference, group_difference, mean_of

Verdict = Literal["holds", "does not hold", "undecided", "not run yet"]

FIGURE_NAMES = {
    "image_dsc": "DSC",
    "image_cpa_precision": "CPA",
    "image_recall": "Recall",
    "lesion_recall": "lesions found",
    "dsc": "pooled DSC",
}


@dataclass(frozen=True)
class Claim:
    """One sign that the paper (or the field) states.

    Attributes:
        place: table or figure.
        claim: in words.
        figure: of FIGURE_NAMES.
        lower: (experiment, row) that should have the smaller figure.
        higher: (experiment, row) that should have the larger one.
        ours: not the paper's claim.
    """

    place: str
    claim: str
    figure: str
    lower: tuple[str, int]
    higher: tuple[str, int]
    ours: bool = False


@dataclass(frozen=True)
class Finding:
    """A claim with what we found.

    Attributes:
        difference: larger minus smaller as the paper has it, None while it was not run.
        numbers: in words, instead.
    """

    place: str
    claim: str
    verdict: Verdict
    figure: str = ""
    difference: Estimate | None = None
    numbers: str = ""
    ours: bool = False


def _of(place: str, experiment: str, figure: str, *claims: tuple[str, int, int], ours: bool = False) -> list[Claim]:
    """Claims about rows of one experiment: in words, the lower row, the higher row."""
    return [
        Claim(place, claim, figure, (experiment, lower), (experiment, higher), ours) for claim, lower, higher in claims
    ]


#: Numbers are rows of the plan's experiments, from 0.
COMPARISONS = (
    *_of(
        *("Table 3", "table3", "image_dsc"),
        ("geometric copies help: D2 better than D1", 0, 1),
        ("geometric copies help more than DCGAN samples: D2 better than D3", 2, 1),
        ("D2 is the best set: better than D4 (our reading of D4)", 3, 1),
    ),
    *_of(
        *("Fig. 7", "fig7", "image_dsc"),
        ("labels help: 37 % of the patients better than none", 0, 5),
        ("labels help: 37 % of the patients better than 5 %", 1, 5),
        ("labels help: 37 % of the patients better than 20 %", 3, 5),
    ),
    *_of("Fig. 7", "fig7", "image_recall", ("without labels Recall is highest: above that with 37 %", 5, 0)),
    *_of(
        *("Fig. 8", "fig8", "image_dsc"),
        ("recurrence helps: t = 3 better than t = 1", 0, 2),
        ("t = 3 is the best: better than t = 2", 1, 2),
        ("t = 3 is the best: better than t = 4", 3, 2),
        ("t = 3 is the best: better than t = 5", 4, 2),
    ),
    *_of(
        *("Table 5", "table5", "image_dsc"),
        ("the whole structure better than plain convolutions (paper: +0.051)", 0, 3),
        ("DSC rises from case 1 to case 2", 0, 1),
        ("DSC rises from case 2 to case 3", 1, 2),
        ("DSC rises from case 3 to case 4", 2, 3),
    ),
    *_of(
        *("Fig. 9", "fig9", "image_cpa_precision"),
        ("aggregation helps: CPA of the sum above that of views apart (paper: +0.006)", 0, 1),
    ),
    *_of(
        *("Fig. 9", "fig9", "image_dsc"),
        ("aggregation helps: DSC of the sum above that of views apart (paper: 0.692, 0.683)", 0, 1),
    ),
    *_of(
        *("Table 6", "table6", "image_dsc"),
        ("a U-Net with 70 % of the labels is better than Eq. 6 with 37 %", 0, 5),
        ("nnU-Net with 70 % of the labels is better than Eq. 6 with 37 %", 0, 7),
    ),
    *_of(
        *("beyond", "table6", "image_dsc"),
        ("unlabelled patients help: Eq. 6 better than the same labels alone", 2, 1),
        ("a mean teacher better than Eq. 6 at the same labels", 1, 3),
        ("a mean teacher better than the same labels alone", 2, 3),
        ("a mean teacher better than the U-Net at the same labels, both converged", 10, 9),
        ("a mean teacher better than nnU-Net at the same labels, both as long as the converged column", 11, 9),
        ours=True,
    ),
)


def verdict(estimate: Estimate | None) -> Verdict:
    """The rule, for a difference that the paper has above zero."""
    if estimate is None:
        return "not run yet"
    if estimate.low > 0:
        return "holds"
    return "does not hold" if estimate.high < 0 else "undecided"


def all_findings(output: Output) -> list[Finding]:
    """Every claim with its verdict, the paper's first."""
    found = [_compared(output, comparison) for comparison in COMPARISONS]
    found += [_slow_growth(output), _single_lesions(output)]
    return sorted(found, key=lambda finding: finding.ours)


def _row(output: Output, place: tuple[str, int]) -> Row:
    return output.plan.experiments[place[0]].rows[place[1]]


def _compared(output: Output, asked: Claim) -> Finding:
    lower, higher = _row(output, asked.lower), _row(output, asked.higher)
    measured = lower.measured, higher.measured
    found = difference(output.of_row(lower), output.of_row(higher), measured, asked.figure)
    return Finding(asked.place, asked.claim, verdict(found), FIGURE_NAMES[asked.figure], found, ours=asked.ours)


def _slow_growth(output: Output) -> Finding:
    """Table 4: with t the test time grows more slowly than the parameters. Ratios of t = 5 to t = 1."""
    claim = "parameters grow fast with t, test time slowly (rule: the ratio t = 5 to t = 1 is smaller for the time)"
    rows = [output.of_row(_row(output, ("fig8", place))) for place in (0, 4)]
    if not all(rows):
        return Finding("Table 4", claim, "not run yet")
    parameters, seconds = (
        (mean_of(rows[1], field) or 0.0) / (mean_of(rows[0], field) or 1.0)
        for field in ("parameters", "seconds_per_image")
    )
    numbers = f"parameters x {parameters:.2f}, time x {seconds:.2f}"
    return Finding("Table 4", claim, "holds" if seconds < parameters else "does not hold", numbers=numbers)


def _single_lesions(output: Output) -> Finding:
    """Fig. 10: cases with one lesion against cases with more, of the paper's method on the aggregate."""
    results = output.of_row(_row(output, ("table6", 0)))

    def several(score: CaseScores) -> bool:
        return bool(score.sums.lesions[0] > 1)

    def one(score: CaseScores) -> bool:
        return bool(score.sums.lesions[0] == 1)

    found = group_difference(results, "union", "image_dsc", several, one)
    claim = "patients with one lesion are segmented better than those with several (Eq. 6 on the aggregate)"
    return Finding("Fig. 10", claim, verdict(found), FIGURE_NAMES["image_dsc"], found)
