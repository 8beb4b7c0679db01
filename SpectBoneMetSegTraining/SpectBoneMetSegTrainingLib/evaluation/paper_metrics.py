"""The paper's figures (Lin et al. 2022, Eq. 10-12): DSC, CPA, Recall, from pixels counted right and wrong.

Eq. 10-12 are lost in our copy. DSC and Recall have one meaning. CPA, "class pixel accuracy", has three in use:

- precision, TP / (TP + FP): of the pixels given to the class, the share that belongs to it;
- pixel accuracy, (TP + TN) / all: the text explains TN, which neither DSC nor Recall nor precision needs;
- the mean over both classes of the share of their pixels that were found, (TPR + TNR) / 2.

All are computed. The paper's own figures (DSC 0.683, CPA 0.715, Recall 0.601) speak for precision: lesions are about
one pixel in a hundred, so that pixel accuracy would lie near 0.99 and the class mean near (0.601 + 0.99) / 2 = 0.80,
while precision 0.715 and Recall 0.601 give DSC 0.653 when pooled, near the 0.683 averaged over images.

Empty masks: nothing to find and nothing marked is 1 in every figure. Precision without a mark and recall without a
lesion pixel are 1, as the means over images want it; pooled over patients they are undefined (`report`). Arguments are
numbers or arrays of one shape.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Count = float | Numbers


def dsc(tp: Count, fp: Count, fn: Count) -> Numbers:
    """Eq. 10: 2 TP / (2 TP + FP + FN)."""
    return ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def cpa_precision(tp: Count, fp: Count) -> Numbers:
    """Eq. 11 read as precision: TP / (TP + FP)."""
    return ratio(tp, tp + fp, 1.0)


def cpa_pixel_accuracy(tp: Count, fp: Count, fn: Count, tn: Count) -> Numbers:
    """Eq. 11 read as pixel accuracy: (TP + TN) / all."""
    return ratio(tp + tn, tp + fp + fn + tn, 1.0)


def cpa_class_mean(tp: Count, fp: Count, fn: Count, tn: Count) -> Numbers:
    """Eq. 11 read as the mean accuracy of the classes: (TP / (TP + FN) + TN / (TN + FP)) / 2."""
    return (recall(tp, fn) + recall(tn, fp)) / 2


def recall(tp: Count, fn: Count) -> Numbers:
    """Eq. 12: TP / (TP + FN)."""
    return ratio(tp, tp + fn, 1.0)


def ratio(part: Count, whole: Count, empty: float) -> Numbers:
    """part / whole, `empty` where whole is 0."""
    parts, wholes = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.asarray(np.divide(parts, wholes, out=np.full(wholes.shape, empty), where=wholes != 0))
