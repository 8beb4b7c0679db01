"""The paper's metrics (Lin et al. 2022, Eq. 10-12): DSC, CPA and Recall from pixel counts.

Eq. 10-12 are lost in our copy. DSC and Recall are unambiguous. CPA, "class pixel accuracy", has three definitions:

- precision, TP / (TP + FP): share of the pixels assigned to the class that belong to it;
- pixel accuracy, (TP + TN) / all: the text explains TN, which DSC, Recall and precision do not need;
- mean class accuracy, (TPR + TNR) / 2: mean over both classes of the share of their pixels that were found.

All are computed. The paper's values (DSC 0.683, CPA 0.715, Recall 0.601) indicate precision: about one pixel in a
hundred is lesion, so that pixel accuracy would lie near 0.99 and the class mean near (0.601 + 0.99) / 2 = 0.80,
while precision 0.715 and Recall 0.601 give DSC 0.653 when pooled, near the 0.683 averaged over images.

Empty masks: with an empty label and an empty prediction every metric is 1. Precision without a predicted pixel and
recall without a lesion pixel are 1, as needed for means over images; pooled over patients they are undefined
(`report`). Arguments are numbers or arrays of one shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Count = float | Numbers


def dsc(tp: Count, fp: Count, fn: Count) -> Numbers:
    """Dice similarity coefficient, Eq. 10: 2 TP / (2 TP + FP + FN)."""
    return ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def cpa_precision(tp: Count, fp: Count) -> Numbers:
    """CPA, Eq. 11, as precision: TP / (TP + FP)."""
    return ratio(tp, tp + fp, 1.0)


def cpa_pixel_accuracy(tp: Count, fp: Count, fn: Count, tn: Count) -> Numbers:
    """CPA, Eq. 11, as pixel accuracy: (TP + TN) / all."""
    return ratio(tp + tn, tp + fp + fn + tn, 1.0)


def cpa_class_mean(tp: Count, fp: Count, fn: Count, tn: Count) -> Numbers:
    """CPA, Eq. 11, as mean class accuracy: (TP / (TP + FN) + TN / (TN + FP)) / 2."""
    return (recall(tp, fn) + recall(tn, fp)) / 2


def recall(tp: Count, fn: Count) -> Numbers:
    """Recall (sensitivity), Eq. 12: TP / (TP + FN)."""
    return ratio(tp, tp + fn, 1.0)


def ratio(part: Count, whole: Count, empty: float) -> Numbers:
    """Divide part by whole; `empty` where whole is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.asarray(np.divide(parts, wholes, out=np.full(wholes.shape, empty), where=wholes != 0))
