"""Comparison of the paper's findings with our results: holds, does not hold, undecided.

The rule, stated on the page: a finding is the sign of a difference between two trainings (or groups of patients). It
*holds* if the 95 % interval of our difference lies on the paper's side of zero, *does not hold* if it lies on the other
side, and is *undecided* if it contains zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...evaluation.scores import CaseScores
from ..definitions import TableRow
from .results import Estimate, Output, difference, group_difference, mean_of

Verdict = Literal["holds", "does not hold", "undecided", "not run yet"]

METRIC_NAMES = {
    "image_dsc": "DSC",
    "image_cpa_precision": "CPA",
    "image_recall": "Recall",
    "lesion_recall": "lesions found",
    "dsc": "pooled DSC",
}


@dataclass(frozen=True)
class Claim:
    """Claim of the paper (or the field) that one training is better than another.

    Attributes:
        source: table or figure of the paper.
        claim: the claim as text.
        metric: one of METRIC_NAMES.
        lower: (experiment, row) with the smaller value.
        higher: (experiment, row) with the larger value.
        ours: whether the claim is not the paper's.
    """

    source: str
    claim: str
    metric: str
    lower: tuple[str, int]
    higher: tuple[str, int]
    ours: bool = False


@dataclass(frozen=True)
class ClaimResult:
    """A claim with our result.

    Attributes:
        source: table or figure of the paper.
        claim: the claim as text.
        verdict: whether the claim holds.
        metric: name of the metric.
        difference: our difference, with the paper's sign; None before the trainings are run.
        numbers: our result as text, instead of a difference.
        ours: whether the claim is not the paper's.
    """

    source: str
    claim: str
    verdict: Verdict
    metric: str = ""
    difference: Estimate | None = None
    numbers: str = ""
    ours: bool = False


def _claims(
    source: str, experiment: str, metric: str, *claims: tuple[str, int, int], ours: bool = False
) -> list[Claim]:
    """Make claims about rows of one experiment, each from its text, the lower and the higher row."""
    return [
        Claim(source, claim, metric, (experiment, lower), (experiment, higher), ours) for claim, lower, higher in claims
    ]


#: Numbers are indices of rows in the plan's experiments.
COMPARISONS = (
    *_claims(
        *("Table 3", "table3", "image_dsc"),
        ("geometric augmentation helps: D2 better than D1", 0, 1),
        ("geometric augmentation helps more than DCGAN samples: D2 better than D3", 2, 1),
        ("D2 is the best set: better than D4 (our interpretation of D4)", 3, 1),
    ),
    *_claims(
        *("Fig. 7", "fig7", "image_dsc"),
        ("labels help: 37 % of the patients better than none", 0, 5),
        ("labels help: 37 % of the patients better than 5 %", 1, 5),
        ("labels help: 37 % of the patients better than 20 %", 3, 5),
    ),
    *_claims("Fig. 7", "fig7", "image_recall", ("without labels Recall is highest: above that with 37 %", 5, 0)),
    *_claims(
        *("Fig. 8", "fig8", "image_dsc"),
        ("recurrence helps: t = 3 better than t = 1", 0, 2),
        ("t = 3 is the best: better than t = 2", 1, 2),
        ("t = 3 is the best: better than t = 4", 3, 2),
        ("t = 3 is the best: better than t = 5", 4, 2),
    ),
    *_claims(
        *("Table 5", "table5", "image_dsc"),
        ("the full architecture better than plain convolutions (paper: +0.051)", 0, 3),
        ("DSC rises from case 1 to case 2", 0, 1),
        ("DSC rises from case 2 to case 3", 1, 2),
        ("DSC rises from case 3 to case 4", 2, 3),
    ),
    *_claims(
        *("Fig. 9", "fig9", "image_cpa_precision"),
        ("aggregation helps: CPA of the sum above that of separate views (paper: +0.006)", 0, 1),
    ),
    *_claims(
        *("Fig. 9", "fig9", "image_dsc"),
        ("aggregation helps: DSC of the sum above that of separate views (paper: 0.692, 0.683)", 0, 1),
    ),
    *_claims(
        *("Table 6", "table6", "image_dsc"),
        ("a U-Net with 70 % of the labels is better than Eq. 6 with 37 %", 0, 5),
        ("nnU-Net with 70 % of the labels is better than Eq. 6 with 37 %", 0, 7),
    ),
    *_claims(
        *("beyond", "table6", "image_dsc"),
        ("unlabelled patients help: Eq. 6 better than supervised training with the same labels", 2, 1),
        ("a mean teacher better than Eq. 6 with the same labels", 1, 3),
        ("a mean teacher better than supervised training with the same labels", 2, 3),
        ("a mean teacher better than the U-Net with the same labels, both converged", 10, 9),
        ("a mean teacher better than nnU-Net with the same labels, both in the converged column", 11, 9),
        ours=True,
    ),
)


def verdict(estimate: Estimate | None) -> Verdict:
    """Apply the rule to a difference that is positive in the paper."""
    if estimate is None:
        return "not run yet"
    if estimate.low > 0:
        return "holds"
    return "does not hold" if estimate.high < 0 else "undecided"


def all_findings(output: Output) -> list[ClaimResult]:
    """List every claim with its verdict, the paper's claims first."""
    found = [_compare(output, comparison) for comparison in COMPARISONS]
    found += [_slow_growth(output), _single_lesions(output)]
    return sorted(found, key=lambda finding: finding.ours)


def _row(output: Output, position: tuple[str, int]) -> TableRow:
    experiment, index = position
    return output.plan.experiments[experiment].rows[index]


def _compare(output: Output, claim: Claim) -> ClaimResult:
    lower, higher = _row(output, claim.lower), _row(output, claim.higher)
    measured = lower.measured, higher.measured
    found = difference(output.of_row(lower), output.of_row(higher), measured, claim.metric)
    return ClaimResult(claim.source, claim.claim, verdict(found), METRIC_NAMES[claim.metric], found, ours=claim.ours)


def _slow_growth(output: Output) -> ClaimResult:
    """Check Table 4: with t, test time grows more slowly than parameters; ratios of t = 5 to t = 1."""
    claim = "parameters grow fast with t, test time slowly (rule: the ratio t = 5 to t = 1 is smaller for the time)"
    rows = [output.of_row(_row(output, ("fig8", index))) for index in (0, 4)]
    if not all(rows):
        return ClaimResult("Table 4", claim, "not run yet")
    parameters, seconds = (
        (mean_of(rows[1], field) or 0.0) / (mean_of(rows[0], field) or 1.0)
        for field in ("parameters", "seconds_per_image")
    )
    numbers = f"parameters x {parameters:.2f}, time x {seconds:.2f}"
    return ClaimResult("Table 4", claim, "holds" if seconds < parameters else "does not hold", numbers=numbers)


def _single_lesions(output: Output) -> ClaimResult:
    """Check Fig. 10: cases with one lesion against cases with more, of the paper's method on the aggregate."""
    results = output.of_row(_row(output, ("table6", 0)))

    def several(score: CaseScores) -> bool:
        return bool(score.sums.lesions[0] > 1)

    def one(score: CaseScores) -> bool:
        return bool(score.sums.lesions[0] == 1)

    found = group_difference(results, "union", "image_dsc", several, one)
    claim = "patients with one lesion are segmented better than those with several (Eq. 6 on the aggregate)"
    return ClaimResult("Fig. 10", claim, verdict(found), METRIC_NAMES["image_dsc"], found)
