"""Cases of a few boxes, what a model marks in them, and their scores."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from SpectBoneMetSegTrainingLib.dataset.cases import IGNORE, LESION, LabelledCrop
from SpectBoneMetSegTrainingLib.evaluation.predictions import Delineator
from SpectBoneMetSegTrainingLib.evaluation.report import full_report
from SpectBoneMetSegTrainingLib.evaluation.scores import score_cases

PLAIN = Delineator(0.5, 0.5, 0.0)
SHAPE = (40, 40)
SEEDS = st.integers(0, 2**32 - 1)


def crop_of(case="a", boxes=(), ignored=(), views=("anterior", "posterior"), flags=()):
    """A case whose lesions, boxes ((row, end), (column, end)), are seen in all of its views."""
    label, instances, lesions = np.zeros(SHAPE, np.uint8), np.zeros((1, *SHAPE), np.uint16), []
    for place, (rows, columns) in enumerate((*ignored, *boxes), 1):
        judged = place > len(ignored)
        label[slice(*rows), slice(*columns)] = LESION if judged else IGNORE
        instances[0, slice(*rows), slice(*columns)] = place
        lesions.append({"id": place, "labelled": dict.fromkeys(views, judged)})
    counts = np.full(SHAPE, 20, np.float32)
    per_view = (dict.fromkeys(views, array) for array in (counts, label, instances))
    return LabelledCrop(case, *per_view, lesions, flags)


def marks(crop, *boxes):
    """{view: probability} of 0.99 in the boxes and 0 elsewhere."""
    probability = np.zeros(SHAPE, np.float32)
    for rows, columns in boxes:
        probability[slice(*rows), slice(*columns)] = 0.99
    return dict.fromkeys(crop.labels, probability)


def perfect(crop):
    return {view: np.where(label == LESION, 1, 0).astype(np.float32) for view, label in crop.labels.items()}


def random_cases(seed, count=8, skill=0.5):
    """Simulated scores: patients of very different numbers of lesions."""
    rng = np.random.default_rng(seed)
    result = []
    for i in range(count):
        crop = crop_of(str(i), [((4, 8), (4, 8)), ((20, 24), (20, 30))][: rng.integers(3)], views=("anterior",))
        noise = rng.random(SHAPE) < 0.01
        hit = (crop.labels["anterior"] == LESION) & (rng.random(SHAPE) < skill)
        probability = {"anterior": (hit | noise).astype(np.float32)}
        result += score_cases([(crop, probability)], PLAIN, {crop.case: f"patient {i // 2}"})
    return result


def report_of(*predictions, **options):
    return full_report(score_cases(predictions, PLAIN), samples=20, **options)
